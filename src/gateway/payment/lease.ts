/*
 * How long the claim of a call is held, and what of that time is for whom. Pure.
 */
import { type Upstream } from '../routing/upstream.ts';

/** Beyond the time limits of a call: what it may wait for a place, and a Worker need to say what became of it (M10). */
const LEASE_MARGIN_SECONDS = 60;
/** So much of that is for the Worker to say what became of the call: later than this none is sent. */
const OUTCOME_SECONDS = 10;
/** So soon after its claim a call has to be sent. */
export const SEND_WITHIN_MS = (LEASE_MARGIN_SECONDS - OUTCOME_SECONDS) * 1000;
/** A watched body is counted after this time, whatever becomes of it: no claim is held for as long as a stream may last (M40). */
export const LONGEST_WATCH_SECONDS = 300;

/** How long the claim of a call is held when nobody says what became of it: no call takes longer (M10). */
export function leaseSecondsOf({ timeoutSeconds, brokenBody }: Pick<Upstream, 'timeoutSeconds' | 'brokenBody'>): number {
  return timeoutSeconds + (brokenBody === 'released' ? LONGEST_WATCH_SECONDS : 0) + LEASE_MARGIN_SECONDS;
}
