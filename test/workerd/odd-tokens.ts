/* Tokens that this gateway never sold, signed with its own key: only a test can make them. */
import { sha256 } from '@noble/hashes/sha2.js';
import { encodeAscii } from '#protocol/bytes.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { encodeIdentifier } from '#protocol/identifier.ts';
import { signMacaroon } from '#protocol/macaroon.ts';
import { formatToken } from '#protocol/macaroon-codec.ts';
import { deriveEpochKey, deriveRootKey } from '#protocol/root-key.ts';
import { encodeTokenId, epochAt, TOKEN_ID_RANDOM_BYTES } from '#protocol/token-id.ts';
import { hmac, TOKEN_SECRET } from '#support/tokens.ts';

async function sign(caveats: readonly string[], minterCaveats: number): Promise<string> {
  const preimage = crypto.getRandomValues(new Uint8Array(32));
  const epoch = epochAt(Math.floor(Date.now() / 1000), 168);
  const random = crypto.getRandomValues(new Uint8Array(TOKEN_ID_RANDOM_BYTES));
  const tokenId = encodeTokenId({ keyId: 1, epoch, region: 0, shardBits: 4, access: 'call', minterCaveats, random });
  const identifier = encodeIdentifier({ paymentHash: sha256(preimage), tokenId });
  const rootKey = await deriveRootKey(await deriveEpochKey(TOKEN_SECRET, { epoch, hmac }), { identifier, hmac });
  const macaroon = await signMacaroon({ location: encodeAscii('lsat'), identifier, caveats: caveats.map(encodeAscii) }, { rootKey, hmac });
  return formatCredential({ scheme: 'L402', token: formatToken(macaroon), preimage });
}

/** Says that it was sold with four caveats, and has one. */
export const cutShort = () => sign(['services=call:0'], 4);

/** Has no end (M2). */
export const withoutTerms = () => sign(['services=call:0'], 1);
