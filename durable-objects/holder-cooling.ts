/*
 * Cooling of those who hold a narrowed token (M12): calls of theirs that were given back, one after the other, make them wait,
 * and nobody else who uses the payment. A holder is the last counter of its token. Kept in memory: an object that is started
 * anew begins anew, which costs an origin three failures more. Bounded. Effects: memory.
 */
import { coolsUntilMs } from './claim-rules.ts';

/** Holders, and calls under way, that an object remembers; the oldest goes first. */
export const MOST_HOLDERS = 4096;

interface Cooling {
  readonly releases: number;
  readonly untilMs: number;
}

export class HolderCooling {
  readonly #coolings = new Map<string, Cooling>();
  readonly #holders = new Map<number, string>();

  /** Until when a holder waits. */
  until(holder: string): number {
    return this.#coolings.get(holder)?.untilMs ?? 0;
  }

  /** A call of a holder has begun. */
  begin(number: number, holder: string): void {
    keep(this.#holders, number, holder);
  }

  /** A call was counted: the run of releases of its holder is over. */
  count(number: number): void {
    if (this.#holders.size === 0) return;
    const holder = this.#holders.get(number);
    if (holder === undefined) return;
    this.#holders.delete(number);
    this.#coolings.delete(holder);
  }

  /** A call was given back. */
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
