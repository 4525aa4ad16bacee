/*
 * The settings of the pool, as written in the configuration and in compiled form: challenges made in advance. Pure.
 */
import * as z from 'zod/mini';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type PoolBounds } from '../ports.ts';
import { total, whole } from './numbers.ts';

export const PoolSchema = z.strictObject({
  /** Fewest invoices kept ready for an offer once there is demand, in all sixteen quota objects together. */
  low: z._default(total, 64),
  /** Most invoices kept ready for an offer, whatever its demand. */
  high: z._default(total, 3200),
  /** An invoice with less lifetime left, in seconds, is not issued. Default: half of `invoiceExpirySeconds`. */
  minLifeSeconds: z.optional(whole(30, 86_400)),
});

/** Compiles the pool's limits, `undefined` if the pool is off; on problems, lists them. */
export function compilePool(
  pool: z.output<typeof PoolSchema> | false,
  { invoiceExpirySeconds }: { invoiceExpirySeconds: number },
): Result<PoolBounds | undefined, readonly string[]> {
  if (pool === false) return accept(undefined);
  const { low, high, minLifeSeconds = Math.floor(invoiceExpirySeconds / 2) } = pool;
  const problems: string[] = [];
  if (low > high) problems.push('pool.low: must not exceed pool.high');
  if (minLifeSeconds >= invoiceExpirySeconds)
    problems.push('pool.minLifeSeconds: must be less than invoiceExpirySeconds, or no pooled invoice could be issued');
  return problems.length > 0 ? refuse(problems) : accept({ low, high, minLifeMs: minLifeSeconds * 1000 });
}
