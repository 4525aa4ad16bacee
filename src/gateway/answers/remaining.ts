/*
 * What is left of a payment, said in one way everywhere: calls in `L402-Remaining`, a balance in `L402-Remaining-Msat`.
 * Pure.
 */
import { type Charge } from '#schemes/scheme.ts';

export interface Remaining {
  readonly unit: Charge['unit'];
  readonly count: number;
}

/** The narrowest of the limits in the payment's unit: whoever holds a narrowed token has no more than that. */
export function findRemaining({ unit, draws }: Charge, { remaining, left }: { remaining: number; left: readonly number[] }): Remaining {
  const counts = left.filter((_, index) => draws[index]!.unit === unit);
  return { unit, count: Math.min(remaining, ...counts) };
}

/** For the head of an answer. */
export function remainingHeaders({ unit, count }: Remaining): Readonly<Record<string, string>> {
  return { [unit === 'calls' ? 'l402-remaining' : 'l402-remaining-msat']: String(count) };
}

/** For a problem body. */
export function remainingFields({ unit, count }: Remaining): Readonly<Record<string, number>> {
  return { [unit === 'calls' ? 'remaining' : 'remaining_msat']: count };
}
