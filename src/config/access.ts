/*
 * What one payment buys, as the seller writes it, and what becomes of it. Pure.
 */
import * as z from 'zod/mini';
import { MOST_PER_MINUTE, type Access } from '#protocol/access.ts';
import { MOST_CALLS } from '#protocol/caveat-values.ts';
import { msatFromSats } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { whole } from './numbers.ts';

const SECONDS_A_DAY = 86_400;
/** Less than the longest grace that a key can have, so that everything that can be written can be sold. */
const LONGEST_SECONDS = 365 * SECONDS_A_DAY;
/** The counts of a balance are numbers of msat that must stay exact. */
const LARGEST_CREDIT_SATS = 9_000_000_000_000;

export const AccessSchema = z.union([
  z.literal('call'),
  z.strictObject({
    /** Calls, over every route of the service and tier. @example 100 */
    calls: z.optional(whole(1, MOST_CALLS)),
    /** How long after the invoice's end it is good for. Alone: any number of calls until then. @example 86400 */
    seconds: z.optional(whole(1, LONGEST_SECONDS)),
    /** A balance that each route draws its own price from. @example 1000 */
    creditSats: z.optional(whole(1, LARGEST_CREDIT_SATS)),
    /** The rate of a pass, which is sold by `seconds` alone. @example 60 */
    maxPerMinute: z.optional(whole(1, MOST_PER_MINUTE)),
  }),
]);

export type AccessConfig = z.output<typeof AccessSchema>;

/** The access that is meant, and its time; or what is wrong with it, after the key. */
export function readAccess(
  written: AccessConfig = 'call',
  smallestInvoiceMsat = 1n,
): Result<{ readonly access: Access; readonly seconds: number | undefined }, string> {
  if (written === 'call') return accept({ access: { kind: 'call' }, seconds: undefined });
  const { calls, seconds, creditSats, maxPerMinute } = written;
  if (maxPerMinute !== undefined && (calls !== undefined || creditSats !== undefined || seconds === undefined)) {
    return refuse('.access.maxPerMinute: only for a pass, which is sold by seconds alone');
  }
  if (calls !== undefined && creditSats !== undefined) return refuse('.access: calls or creditSats, not both');
  if ((calls !== undefined || creditSats !== undefined) && seconds !== undefined && seconds < SECONDS_A_DAY) {
    // Whoever pays for calls can use them for a day at least (M8).
    return refuse(`.access.seconds: at least ${SECONDS_A_DAY} where calls or a balance are sold`);
  }
  if (calls !== undefined) return accept({ access: { kind: 'calls', calls }, seconds });
  if (creditSats !== undefined) {
    const creditMsat = msatFromSats(creditSats);
    if (creditMsat >= smallestInvoiceMsat) return accept({ access: { kind: 'credit', creditMsat }, seconds });
    return refuse(`.access.creditSats: less than an invoice can ask for, which is smallestInvoiceMsat: ${smallestInvoiceMsat}`);
  }
  if (seconds === undefined) return refuse('.access: "call", or an object with calls, seconds or creditSats');
  return accept({ access: maxPerMinute === undefined ? { kind: 'pass' } : { kind: 'pass', maxPerMinute }, seconds });
}
