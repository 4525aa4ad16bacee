/*
 * Payments for which prices were asked and no call was sent: too small, over a rate, in use. Nothing is spent by that, so
 * without a limit the holder of one token could ask the seller's pricing service for ever (M43). Counted per payment and
 * sender, so that one holder does not stop the others. Effects: memory, bounded.
 */
import { type GatewayRefusal } from '../answers/refusals.ts';

export interface AskedInVain {
  /** Returns why no price is asked for this payment and sender now. */
  readonly find: (asker: string, nowMs: number) => GatewayRefusal | undefined;
  readonly note: (asker: string, nowMs: number) => void;
}

/** How many prices are asked in a minute without a call. */
export const MOST_IN_VAIN = 10;
const WINDOW_MS = 60_000;
/** Most payments remembered; the oldest is dropped first. */
const MOST_REMEMBERED = 4096;

/** Creates an empty memory. */
export function createAskedInVain(): AskedInVain {
  const known = new Map<string, { readonly count: number; readonly sinceMs: number }>();
  const read = (asker: string, nowMs: number) => {
    const entry = known.get(asker);
    return entry !== undefined && nowMs >= entry.sinceMs && nowMs < entry.sinceMs + WINDOW_MS ? entry : undefined;
  };
  return {
    find(asker, nowMs) {
      const entry = read(asker, nowMs);
      if (entry === undefined || entry.count < MOST_IN_VAIN) return undefined;
      return {
        code: 'payment_cooling',
        detail: 'several prices were asked for this payment and no call was sent; the next one is asked later',
        retryAfterSeconds: Math.ceil((entry.sinceMs + WINDOW_MS - nowMs) / 1000),
      };
    },
    note(asker, nowMs) {
      const { count, sinceMs } = read(asker, nowMs) ?? { count: 0, sinceMs: nowMs };
      known.delete(asker);
      if (known.size >= MOST_REMEMBERED) known.delete(known.keys().next().value!);
      known.set(asker, { count: count + 1, sinceMs });
    },
  };
}
