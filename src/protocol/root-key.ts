/*
 * Derivation of a token's root key: secret → key of the epoch (HKDF-SHA256) → key of the token. Nothing is stored per token;
 * the secret suffices to check any token, and one epoch's key reveals nothing about another's. Pure, except for the given
 * HMAC.
 */
import { concatBytes, encodeAscii } from './bytes.ts';
import { type Hmac } from './hmac.ts';
import { type Epoch } from './token-id.ts';

const SALT = encodeAscii('l402-edge');
const PURPOSE = encodeAscii('token epoch v1');
/** An empty or short secret makes tokens that anyone can forge: a configuration error. */
const SMALLEST_SECRET_BYTES = 16;

/** Derives the key of an epoch by HKDF. The info is the purpose, the start and the length of the epoch. One block suffices. */
export async function deriveEpochKey(secret: Uint8Array, { epoch, hmac }: { epoch: Epoch; hmac: Hmac }): Promise<Uint8Array> {
  if (secret.length < SMALLEST_SECRET_BYTES) throw new RangeError(`secret: at least ${SMALLEST_SECRET_BYTES} bytes`);
  const extracted = await hmac(SALT, secret);
  const numbers = new Uint8Array(8);
  const view = new DataView(numbers.buffer);
  view.setUint32(0, epoch.startHours);
  view.setUint32(4, epoch.lengthHours);
  return hmac(extracted, concatBytes(PURPOSE, numbers, Uint8Array.of(1)));
}

/** Derives the root key of one token. */
export function deriveRootKey(epochKey: Uint8Array, { identifier, hmac }: { identifier: Uint8Array; hmac: Hmac }): ReturnType<Hmac> {
  return hmac(epochKey, identifier);
}
