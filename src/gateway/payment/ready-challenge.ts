/*
 * An invoice with its token, ready to be issued: from the moment that the token is made the two belong together, byte for
 * byte (M3). Effects: the issuing scheme.
 */
import { formatHex } from '#protocol/bytes.ts';
import { usualShardBits } from '#protocol/region.ts';
import { type ChallengeIssuer, type PaymentScheme, type Quote } from '#schemes/scheme.ts';
import { type Random, type ReadyChallenge } from '../../ports.ts';
import { type GateSettings } from '../gate-deps.ts';
import { type OrderedInvoice } from './invoice-order.ts';

/** The first byte is the shard. */
const CHALLENGE_ID_BYTES = 8;

export interface ChallengeTerms {
  readonly quote: Quote;
  readonly challengeId: string;
  /** Where its claims live. */
  readonly region: number;
  readonly issuer: ChallengeIssuer;
}

/** Creates the id under which quotas count a challenge. It begins with the shard that counts it. */
export function nameChallenge(shard: number, random: Random): string {
  const bytes = random(CHALLENGE_ID_BYTES);
  bytes[0] = shard;
  return formatHex(bytes);
}

/** Opens the issuer of the first scheme that has one. */
export function openIssuer(schemes: readonly PaymentScheme[]): Promise<ChallengeIssuer> {
  const issuer = schemes.find((scheme) => scheme.issuer !== undefined)?.issuer;
  if (issuer === undefined) throw new Error('no scheme issues tokens');
  return issuer();
}

/** Makes the token of an invoice, which makes the challenge ready to be issued. */
export async function makeChallenge(
  { facts, settlement, node }: OrderedInvoice,
  { quote, challengeId, region, issuer }: ChallengeTerms,
  settings: Pick<GateSettings, 'claimShardBits' | 'redeemSeconds'>,
): Promise<ReadyChallenge> {
  const { paymentHash, invoice, expiresAtSeconds } = facts;
  const token = await issuer.issue({
    paymentHash,
    quote,
    challengeId,
    region,
    shardBits: settings.claimShardBits ?? usualShardBits(region),
    validUntilSeconds: endOfToken(expiresAtSeconds, quote, settings),
    settlement,
  });
  const ready = { id: challengeId, paymentHashHex: formatHex(paymentHash), invoice, token, endsAtMs: expiresAtSeconds * 1000 };
  return node === undefined ? ready : { ...ready, node };
}

/** Returns the end of the token. It is fixed at the challenge: a payer at the last moment still gets all that was sold (M8). */
export function endOfToken(
  expiresAtSeconds: number,
  { sells }: Pick<Quote, 'sells'>,
  { redeemSeconds }: Pick<GateSettings, 'redeemSeconds'>,
): number {
  return expiresAtSeconds + (sells.seconds ?? redeemSeconds);
}
