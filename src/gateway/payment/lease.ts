/*
 * How long the claim of a call is held, and how that time is divided. Pure.
 */
import { type Upstream } from '../routing/upstream.ts';

/** Added to the time limits of a call: for waiting for a place, and for the Worker to record the outcome (M10). */
const LEASE_MARGIN_SECONDS = 60;
/** The part of it reserved for recording the outcome: no call is sent later than this. */
const OUTCOME_SECONDS = 10;
/** How soon after its claim a call has to be sent. */
export const SEND_WITHIN_MS = (LEASE_MARGIN_SECONDS - OUTCOME_SECONDS) * 1000;
/** A watched body is counted after this time in any case: no claim is held for as long as a stream may last (M40). */
export const LONGEST_WATCH_SECONDS = 300;

/** Returns how long the claim of a call is held without an outcome. No call takes longer (M10). */
export function leaseSecondsOf({ timeoutSeconds, brokenBody }: Pick<Upstream, 'timeoutSeconds' | 'brokenBody'>): number {
  return timeoutSeconds + (brokenBody === 'released' ? LONGEST_WATCH_SECONDS : 0) + LEASE_MARGIN_SECONDS;
}
