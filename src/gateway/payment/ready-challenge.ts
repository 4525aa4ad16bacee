/*
 * The one token of an invoice (M3), minted where the invoice is taken; from then on the two go together, byte for byte.
 */
import { formatHex } from '#protocol/bytes.ts';
import { usualShardBits } from '#protocol/region.ts';
import { mintToken } from '#protocol/token.ts';
import { nameChallenge } from '#schemes/token-reading.ts';
import { type Quote } from '#schemes/scheme.ts';
import { type KeyRing, type ReadyChallenge } from '../../ports.ts';
import { type GateDeps, type GateSettings } from '../gate-deps.ts';
import { type OrderedInvoice } from './invoice-order.ts';

/** The key that signs. */
export type SigningKey = Awaited<ReturnType<KeyRing['current']>>;

/** An invoice with its token, ready to be handed out. */
export async function makeChallenge(
  { facts, settlement, node }: OrderedInvoice,
  { quote, random, region, signing }: { quote: Quote; random: Uint8Array; region: number; signing: SigningKey },
  { hmac, settings }: Pick<GateDeps, 'hmac' | 'settings'>,
): Promise<ReadyChallenge> {
  const { paymentHash, invoice, expiresAtSeconds } = facts;
  const { keyId, epoch, epochKey } = signing;
  const token = await mintToken({
    paymentHash,
    id: { keyId, epoch, region, shardBits: settings.claimShardBits ?? usualShardBits(region), random },
    terms: {
      service: quote.service,
      tier: quote.tier,
      ...(quote.capabilities.length > 0 ? { capabilities: quote.capabilities } : {}),
      validUntilSeconds: endOfToken(expiresAtSeconds, quote, settings),
      paidMsat: quote.sells.amountMsat,
      access: quote.sells.access,
      quoteDigest: quote.digest,
      settlement,
    },
    epochKey,
    hmac,
  });
  const ready = { id: nameChallenge(random), paymentHashHex: formatHex(paymentHash), invoice, token, endsAtMs: expiresAtSeconds * 1000 };
  return node === undefined ? ready : { ...ready, node };
}

/** Fixed at the challenge: whoever pays at the last moment still has all of what was sold (M8). */
export function endOfToken(
  expiresAtSeconds: number,
  { sells }: Pick<Quote, 'sells'>,
  { redeemSeconds }: Pick<GateSettings, 'redeemSeconds'>,
): number {
  return expiresAtSeconds + (sells.seconds ?? redeemSeconds);
}
