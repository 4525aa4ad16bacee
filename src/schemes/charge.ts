/*
 * What one request takes from a payment, in the unit of the sale, and from each counter that holders have put on its token.
 * Pure.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { type Access } from '#protocol/access.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Counter } from '#protocol/counters.ts';
import { type Msat } from '#protocol/msat.ts';
import { type CredentialRefusal } from '#protocol/refusal.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Charge } from './scheme.ts';

/** The limit of a pass: more than can ever be used. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;
/** Enough to tell the thousand counters of a payment apart. */
const COUNTER_KEY_BYTES = 16;

interface Asked {
  readonly counters: readonly Counter[];
  /** The price of this request, or the price of the sale if both have the same quote. */
  readonly priceMsat: Msat;
  readonly nowSeconds: number;
}

/** Returns the charge for a request; `undefined` for a pass without counters. */
export function chargeFor(access: Access, { counters, priceMsat, nowSeconds }: Asked): Result<Charge | undefined, CredentialRefusal> {
  if (access.kind === 'pass' && counters.length === 0) return accept(undefined);
  const callMsat = priceOfCall(access, priceMsat);
  const draws: Charge['draws'][number][] = [];
  for (const { key, unit, limit, period } of counters) {
    if (unit === 'msat' && callMsat === undefined) {
      return refuse({ code: 'caveat_exhausted', detail: 'an amount cannot be counted on a pass' });
    }
    const cost = unit === 'calls' ? 1 : Number(callMsat);
    if (cost > limit) return refuse({ code: 'caveat_exhausted', detail: 'the token was narrowed to less than this costs' });
    draws.push({ key: nameCounter(key), unit, limit, cost, period: period === 'month' ? formatMonth(nowSeconds) : '' });
  }
  switch (access.kind) {
    case 'call':
      return accept({ unit: 'calls', limit: 1, cost: 1, draws });
    case 'calls':
      return accept({ unit: 'calls', limit: access.calls, cost: 1, draws });
    case 'pass':
      return accept({ unit: 'calls', limit: UNLIMITED, cost: 1, draws });
    case 'credit':
      return accept({ unit: 'msat', limit: Number(access.creditMsat), cost: Number(priceMsat), draws });
  }
}

/** Returns a call's share of the payment, rounded up, so that a limit in satoshis is never exceeded. */
function priceOfCall(access: Access, priceMsat: Msat): bigint | undefined {
  switch (access.kind) {
    case 'call':
    case 'credit':
      return priceMsat;
    case 'calls':
      return (priceMsat + BigInt(access.calls) - 1n) / BigInt(access.calls);
    case 'pass':
      return undefined;
  }
}

/** Hashes the signature: a reader of the rows could use the signature itself to drop the later caveats. */
function nameCounter(signature: Uint8Array): string {
  return formatHex(sha256(signature).slice(0, COUNTER_KEY_BYTES));
}

function formatMonth(nowSeconds: number): string {
  return new Date(nowSeconds * 1000).toISOString().slice(0, 7);
}
