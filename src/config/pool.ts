/*
 * The settings of the pool: challenges that are made before anyone asks, as the seller writes them and as the gateway uses
 * them. Pure.
 */
import * as z from 'zod/mini';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type PoolBounds } from '../ports.ts';
import { total, whole } from './numbers.ts';

export const PoolSchema = z.strictObject({
  /** Invoices that lie ready for an offer that is asked for at all, in all sixteen quota objects together. */
  low: z._default(total, 64),
  /** Invoices that lie ready for an offer, however often it is asked for. */
  high: z._default(total, 3200),
  /** An invoice that can be paid for less is not handed out. Half of `invoiceExpirySeconds` if left out. */
  minLifeSeconds: z.optional(whole(30, 86_400)),
});

/** The pool's bounds, nothing when it is off, or what is wrong with them. */
export function compilePool(
  pool: z.output<typeof PoolSchema> | false,
  { invoiceExpirySeconds }: { invoiceExpirySeconds: number },
): Result<PoolBounds | undefined, readonly string[]> {
  if (pool === false) return accept(undefined);
  const { low, high, minLifeSeconds = Math.floor(invoiceExpirySeconds / 2) } = pool;
  const problems: string[] = [];
  if (low > high) problems.push('pool.low: more than pool.high');
  if (minLifeSeconds >= invoiceExpirySeconds)
    problems.push('pool.minLifeSeconds: not less than invoiceExpirySeconds; none would be handed out');
  return problems.length > 0 ? refuse(problems) : accept({ low, high, minLifeMs: minLifeSeconds * 1000 });
}
