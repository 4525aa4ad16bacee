/*
 * Payments for which a price was asked that they did not cover. Nothing is spent by that, so without a limit one token would
 * let its holder ask the seller's pricing service for ever (M43). Counted per payment and client, so that a holder does not
 * stop the others. Effects: memory, bounded.
 */
import { type GatewayRefusal } from '../answers/refusals.ts';

export interface AskedInVain {
  /** Returns why no price is asked for this payment and client now. */
  readonly find: (holder: string, nowMs: number) => GatewayRefusal | undefined;
  readonly note: (holder: string, nowMs: number) => void;
}

/** How many prices that a payment does not cover are asked in a minute. */
export const MOST_IN_VAIN = 10;
const WINDOW_MS = 60_000;
/** Most payments remembered; the oldest is dropped first. */
const MOST_REMEMBERED = 4096;

/** Creates an empty memory. */
export function createAskedInVain(): AskedInVain {
  const known = new Map<string, { readonly count: number; readonly sinceMs: number }>();
  const read = (holder: string, nowMs: number) => {
    const entry = known.get(holder);
    return entry !== undefined && nowMs >= entry.sinceMs && nowMs < entry.sinceMs + WINDOW_MS ? entry : undefined;
  };
  return {
    find(holder, nowMs) {
      const entry = read(holder, nowMs);
      if (entry === undefined || entry.count < MOST_IN_VAIN) return undefined;
      return {
        code: 'payment_cooling',
        detail: 'this payment did not cover the price of several calls; it waits before the next price is asked',
        retryAfterSeconds: Math.ceil((entry.sinceMs + WINDOW_MS - nowMs) / 1000),
      };
    },
    note(holder, nowMs) {
      const { count, sinceMs } = read(holder, nowMs) ?? { count: 0, sinceMs: nowMs };
      known.delete(holder);
      if (known.size >= MOST_REMEMBERED) known.delete(known.keys().next().value!);
      known.set(holder, { count: count + 1, sinceMs });
    },
  };
}
