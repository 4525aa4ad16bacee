/*
 * Mints the one token of an invoice (M3), where the invoice is received; from then on the two belong together, byte for byte.
 * Effects: randomness, the given HMAC.
 */
import { concatBytes, parseHex } from '#protocol/bytes.ts';
import { mintToken } from '#protocol/token.ts';
import { TOKEN_ID_RANDOM_BYTES } from '#protocol/token-id.ts';
import { type Hmac, type KeyRing, type Random } from '../../ports.ts';
import { type ChallengeIssuer, type IssueOrder } from '../scheme.ts';

export interface IssuerOptions {
  readonly keys: KeyRing;
  readonly hmac: Hmac;
  readonly random: Random;
}

/** Opens an issuer that mints tokens with the current signing key. */
export async function openIssuer({ keys, hmac, random }: IssuerOptions): Promise<ChallengeIssuer> {
  const { keyId, epoch, epochKey } = await keys.current();
  return {
    signing: `${keyId}/${epoch.startHours}/${epoch.lengthHours}`,
    issue: ({ paymentHash, quote, challengeId, region, shardBits, validUntilSeconds, settlement }: IssueOrder) =>
      mintToken({
        paymentHash,
        id: { keyId, epoch, region, shardBits, random: startWith(challengeId, random) },
        terms: {
          service: quote.service,
          tier: quote.tier,
          ...(quote.capabilities.length > 0 ? { capabilities: quote.capabilities } : {}),
          validUntilSeconds,
          paidMsat: quote.sells.amountMsat,
          access: quote.sells.access,
          quoteDigest: quote.digest,
          settlement,
        },
        epochKey,
        hmac,
      }),
  };
}

/** Builds the random part of a token id, which begins with the id of its challenge. */
function startWith(challengeId: string, random: Random): Uint8Array {
  const name = parseHex(challengeId);
  if (name === undefined) throw new RangeError('challengeId: hex');
  return concatBytes(name, random(TOKEN_ID_RANDOM_BYTES - name.length));
}
