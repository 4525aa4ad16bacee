/*
 * What is left of a payment, in the same form everywhere: calls in `L402-Remaining`, a balance in `L402-Remaining-Msat`.
 * Pure.
 */
import { type Charge } from '#schemes/scheme.ts';

export interface Remaining {
  readonly unit: Charge['unit'];
  readonly count: number;
}

/** Returns the narrowest limit in the payment's unit: the holder of a narrowed token has no more than that. */
export function findRemaining({ unit, draws }: Charge, { remaining, left }: { remaining: number; left: readonly number[] }): Remaining {
  const counts = left.filter((_, index) => draws[index]!.unit === unit);
  return { unit, count: Math.min(remaining, ...counts) };
}

/** Formats it for the headers of a response. */
export function remainingHeaders({ unit, count }: Remaining): Readonly<Record<string, string>> {
  return { [unit === 'calls' ? 'l402-remaining' : 'l402-remaining-msat']: String(count) };
}

/** Formats it for a problem body. */
export function remainingFields({ unit, count }: Remaining): Readonly<Record<string, number>> {
  return { [unit === 'calls' ? 'remaining' : 'remaining_msat']: count };
}
