/*
 * Cooling of the holders of narrowed tokens (M12): a holder whose calls are given back several times in a row has to wait;
 * other users of the payment do not. A holder is identified by the last counter of its token. Kept in memory: a restarted
 * object starts fresh, which costs an origin three more failures. Bounded. Effects: memory.
 */
import { coolsUntilMs } from './claim-rules.ts';

/** Most holders, and most calls in flight, that an object remembers; the oldest is dropped first. */
export const MOST_HOLDERS = 4096;

interface Cooling {
  readonly releases: number;
  readonly untilMs: number;
}

export class HolderCooling {
  readonly #coolings = new Map<string, Cooling>();
  readonly #holders = new Map<number, string>();

  /** Returns the instant until which a holder waits. */
  until(holder: string): number {
    return this.#coolings.get(holder)?.untilMs ?? 0;
  }

  /** Notes that a call of a holder has begun. */
  begin(number: number, holder: string): void {
    keep(this.#holders, number, holder);
  }

  /** Notes that a call was counted: this ends its holder's run of releases. */
  count(number: number): void {
    if (this.#holders.size === 0) return;
    const holder = this.#holders.get(number);
    if (holder === undefined) return;
    this.#holders.delete(number);
    this.#coolings.delete(holder);
  }

  /** Notes that a call was given back. */
  release(holder: string, nowMs: number): void {
    const releases = (this.#coolings.get(holder)?.releases ?? 0) + 1;
    keep(this.#coolings, holder, { releases, untilMs: coolsUntilMs(releases, nowMs) });
  }
}

function keep<Key, Value>(kept: Map<Key, Value>, key: Key, value: Value): void {
  kept.delete(key);
  if (kept.size >= MOST_HOLDERS) kept.delete(kept.keys().next().value!);
  kept.set(key, value);
}
