/*
 * Tokens made by the tests themselves, with the secret that the gateway under test has: any token can be made, bad ones
 * above all, without asking a node.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { formatHex } from '#protocol/bytes.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { type Hmac } from '#protocol/hmac.ts';
import { decodeIdentifier, type Identifier } from '#protocol/identifier.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { msatFromSats } from '#protocol/msat.ts';
import { deriveEpochKey } from '#protocol/root-key.ts';
import { type Terms } from '#protocol/terms.ts';
import { mintToken } from '#protocol/token.ts';
import { epochAt, TOKEN_ID_RANDOM_BYTES, type TokenId } from '#protocol/token-id.ts';
import { hmac } from '../protocol/hmac.ts';

export const TOKEN_SECRET = new Uint8Array(32).fill(7);
export const TOKEN_SECRET_HEX = formatHex(TOKEN_SECRET);
export const OTHER_SECRET = new Uint8Array(32).fill(9);

export { hmac };

export interface TestTokenOptions {
  readonly service: string;
  readonly preimage?: Uint8Array;
  readonly secret?: Uint8Array;
  readonly id?: Partial<Omit<TokenId, 'access' | 'minterCaveats'>>;
  readonly terms?: Partial<Terms>;
  /** For those who make them by the thousand. */
  readonly hmac?: Hmac;
}

export interface TestToken {
  readonly token: string;
  readonly preimage: Uint8Array;
  readonly paymentHash: Uint8Array;
  /** Ready for `Authorization`. */
  readonly authorization: string;
}

/** A token that was paid for: one call of a service at 1,000 satoshi unless told otherwise. */
export async function makeToken(options: TestTokenOptions): Promise<TestToken> {
  const { service, secret = TOKEN_SECRET, preimage = crypto.getRandomValues(new Uint8Array(32)), hmac: sign = hmac } = options;
  const paymentHash = sha256(preimage);
  const nowSeconds = Math.floor(Date.now() / 1000);
  const epoch = options.id?.epoch ?? epochAt(nowSeconds, 168);
  const token = await mintToken({
    paymentHash,
    id: {
      keyId: 1,
      epoch,
      region: 0,
      shardBits: 4,
      random: crypto.getRandomValues(new Uint8Array(TOKEN_ID_RANDOM_BYTES)),
      ...options.id,
    },
    terms: {
      service,
      tier: 0,
      validUntilSeconds: nowSeconds + 3600,
      paidMsat: msatFromSats(1000),
      quoteDigest: '00'.repeat(16),
      ...options.terms,
    },
    epochKey: await deriveEpochKey(secret, { epoch, hmac: sign }),
    hmac: sign,
  });
  return { token, preimage, paymentHash, authorization: formatCredential({ scheme: 'L402', token, preimage }) };
}

/** What a token signs first: the payment hash and the id. */
export function identifierOf(token: string): Identifier {
  const macaroon = parseToken(token);
  const identifier = macaroon.ok ? decodeIdentifier(macaroon.value.identifier) : macaroon;
  if (!identifier.ok) throw new Error(identifier.refusal.code);
  return identifier.value;
}
