/*
 * The name of an offer: a digest of everything that stands in its tokens and invoices, and of the key that signs them. What is
 * made beforehand is sold under this name only, so that a changed price, term or key leaves it lying until it ends.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { formatHex } from '#protocol/bytes.ts';
import { usualShardBits } from '#protocol/region.ts';
import { type Quote } from '#schemes/scheme.ts';
import { type PoolBounds } from '../../ports.ts';
import { type GateSettings } from '../gate-deps.ts';

const DIGEST_BYTES = 16;

interface NamedOffer {
  readonly signing: string;
  /** By region. */
  readonly keys: string[];
}

/** Quotes of fixed prices live as long as their routes, which belong to one configuration. */
const named = new WeakMap<Quote, NamedOffer>();

/**
 * The pool of an offer whose price is the same for every request; none for amounts that are no whole satoshi. What a limit may
 * still hold back is not taken out of a pool for nothing.
 */
export function findPool(quote: Quote, { pool, policy }: Pick<GateSettings, 'pool' | 'policy'>): PoolBounds | undefined {
  return policy.rate === undefined && quote.sells.amountMsat % 1000n === 0n ? pool : undefined;
}

/** The name of what is offered now. */
export function nameOffer(
  quote: Quote,
  { signing, region, settings }: { signing: string; region: number; settings: GateSettings },
): string {
  const known = named.get(quote);
  const keys = known?.signing === signing ? known.keys : [];
  const key = keys[region];
  if (key !== undefined) return key;
  const { service, tier, capabilities, sells, digest, description } = quote;
  const { network, settlement, invoiceExpirySeconds, redeemSeconds, claimShardBits = usualShardBits(region) } = settings;
  const terms = [service, tier, capabilities, sells.amountMsat, sells.access, sells.seconds ?? 0, digest, description];
  const place = [network, settlement, invoiceExpirySeconds, redeemSeconds, region, claimShardBits];
  const text = JSON.stringify(['offer v1', signing, terms, place], (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  const made = formatHex(sha256(new TextEncoder().encode(text)).slice(0, DIGEST_BYTES));
  keys[region] = made;
  named.set(quote, { signing, keys });
  return made;
}
