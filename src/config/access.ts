/*
 * What one payment buys, as written in the configuration, and its compiled form. Pure.
 */
import * as z from 'zod/mini';
import { MOST_PER_MINUTE, type Access } from '#protocol/access.ts';
import { MOST_CALLS } from '#protocol/caveat-values.ts';
import { msatFromSats } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { whole } from './numbers.ts';

const SECONDS_A_DAY = 86_400;
/** Less than the longest grace period of a key, so that every valid setting can be sold. */
const LONGEST_SECONDS = 365 * SECONDS_A_DAY;
/** A balance is counted in msat, as a number that must stay exact. */
const LARGEST_CREDIT_SATS = 9_000_000_000_000;

export const AccessSchema = z.union([
  z.literal('call'),
  z.strictObject({
    /** Number of calls, over all routes of the service and tier. @example 100 */
    calls: z.optional(whole(1, MOST_CALLS)),
    /** Seconds for which the token is valid after its invoice has expired. Alone: any number of calls in this time. @example 86400 */
    seconds: z.optional(whole(1, LONGEST_SECONDS)),
    /** Balance from which each route draws its own price. @example 1000 */
    creditSats: z.optional(whole(1, LARGEST_CREDIT_SATS)),
    /** Most calls a minute with a pass (an access with `seconds` only). @example 60 */
    maxPerMinute: z.optional(whole(1, MOST_PER_MINUTE)),
  }),
]);

export type AccessConfig = z.output<typeof AccessSchema>;

/** Reads the access and its time; on a problem, its description after the key. */
export function readAccess(
  written: AccessConfig = 'call',
  smallestInvoiceMsat = 1n,
): Result<{ readonly access: Access; readonly seconds: number | undefined }, string> {
  if (written === 'call') return accept({ access: { kind: 'call' }, seconds: undefined });
  const { calls, seconds, creditSats, maxPerMinute } = written;
  if (maxPerMinute !== undefined && (calls !== undefined || creditSats !== undefined || seconds === undefined)) {
    return refuse('.access.maxPerMinute: only allowed for a pass: seconds, without calls or creditSats');
  }
  if (calls !== undefined && creditSats !== undefined) return refuse('.access: calls or creditSats, not both');
  if ((calls !== undefined || creditSats !== undefined) && seconds !== undefined && seconds < SECONDS_A_DAY) {
    // A payer for calls can use them for at least a day (M8).
    return refuse(`.access.seconds: must be at least ${SECONDS_A_DAY} together with calls or creditSats`);
  }
  if (calls !== undefined) return accept({ access: { kind: 'calls', calls }, seconds });
  if (creditSats !== undefined) {
    const creditMsat = msatFromSats(creditSats);
    if (creditMsat >= smallestInvoiceMsat) return accept({ access: { kind: 'credit', creditMsat }, seconds });
    return refuse(`.access.creditSats: must be at least smallestInvoiceMsat (${smallestInvoiceMsat} msat)`);
  }
  if (seconds === undefined) return refuse('.access: must be "call", or an object with calls, seconds or creditSats');
  return accept({ access: maxPerMinute === undefined ? { kind: 'pass' } : { kind: 'pass', maxPerMinute }, seconds });
}
