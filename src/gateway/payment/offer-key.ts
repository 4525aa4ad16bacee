/*
 * The key of an offer: a digest of everything in its tokens and invoices, and of the key that signs them. Challenges made in
 * advance are sold only under this key, so after a change of price, terms or signing key they are left unused until they end.
 * Effects: memory.
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
 * Returns the pool of an offer with a fixed price; `undefined` for amounts that are not whole satoshis, and if a rate limit
 * for unpaid requests exists: such a limit could still refuse the request, which would waste a pooled invoice.
 */
export function findPool(quote: Quote, { pool, policy }: Pick<GateSettings, 'pool' | 'policy'>): PoolBounds | undefined {
  return policy.rate === undefined && quote.sells.amountMsat % 1000n === 0n ? pool : undefined;
}

/** Returns the key of the current offer. */
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
