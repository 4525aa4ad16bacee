/*
 * Cools down the holders of narrowed tokens (M12). After several releases in a row a holder waits; the payer and other holders do
 * not. A holder is named by the first counter of its token: the one that the payer added, however often the token was narrowed
 * after that. If many holders of a payment fail within five minutes, the payment itself cools down, so a payer cannot avoid it by
 * making up holders.
 * Kept in memory: a restarted object forgets it, which costs an origin a few failures. Bounded. Effects: memory.
 */
import { coolsUntilMs } from './claim-rules.ts';

/** Most holders, and most calls in flight, that an object remembers; the oldest is dropped first. */
export const MOST_HOLDERS = 4096;
/** With this many failing holders, the payment itself cools down. */
export const MOST_FAILING_HOLDERS = 8;
/** A holder that has not failed for this long is no longer a failing one: old failures must not stop the siblings. */
export const FAILING_MS = 300_000;

interface Cooling {
  readonly payment: string;
  readonly releases: number;
  readonly untilMs: number;
}

interface Holder {
  /** The payment hash, as text. */
  readonly payment: string;
  /** The first counter of the token. */
  readonly name: string;
}

export class HolderCooling {
  readonly #coolings = new Map<string, Cooling>();
  readonly #holders = new Map<number, Holder>();
  /** The holders of each payment, by when they last failed; the oldest first. */
  readonly #failing = new Map<string, Map<string, number>>();

  /** Returns the instant until which a holder waits. */
  until(holder: string): number {
    return this.#coolings.get(holder)?.untilMs ?? 0;
  }

  /** Whether enough holders of the payment fail for the payment itself to cool down. */
  isWide(payment: string, nowMs: number): boolean {
    const failing = this.#failing.get(payment);
    if (failing === undefined) return false;
    for (const [name, failedAtMs] of failing) {
      if (nowMs < failedAtMs + FAILING_MS) break;
      failing.delete(name);
    }
    return failing.size >= MOST_FAILING_HOLDERS;
  }

  /** A call of a holder has begun. */
  begin(number: number, holder: Holder): void {
    this.#holders.delete(number);
    if (this.#holders.size >= MOST_HOLDERS) this.#holders.delete(this.#holders.keys().next().value!);
    this.#holders.set(number, holder);
  }

  /** Notes that a call was counted: this ends its holder's run of releases. */
  count(number: number): void {
    if (this.#holders.size === 0) return;
    const holder = this.#holders.get(number);
    if (holder === undefined) return;
    this.#holders.delete(number);
    this.#forget(holder.name);
  }

  /** A call was given back. */
  release({ payment, name }: Holder, nowMs: number): void {
    const releases = (this.#coolings.get(name)?.releases ?? 0) + 1;
    this.#forget(name);
    if (this.#coolings.size >= MOST_HOLDERS) this.#forget(this.#coolings.keys().next().value!);
    this.#coolings.set(name, { payment, releases, untilMs: coolsUntilMs(releases, nowMs) });
    const failing = this.#failing.get(payment) ?? new Map<string, number>();
    this.#failing.set(payment, failing.set(name, nowMs));
  }

  #forget(name: string): void {
    const cooling = this.#coolings.get(name);
    if (cooling === undefined) return;
    this.#coolings.delete(name);
    const failing = this.#failing.get(cooling.payment);
    failing?.delete(name);
    if (failing?.size === 0) this.#failing.delete(cooling.payment);
  }
}
