/*
 * Where a token's root key comes from: secret → key of the epoch (HKDF-SHA256) → key of the token. Nothing is stored
 * per token; whoever holds the secret can check any token, and an epoch's key says nothing of another's.
 */
import { concatBytes, encodeAscii } from './bytes.ts';
import { type Hmac } from './hmac.ts';
import { type Epoch } from './token-id.ts';

const SALT = encodeAscii('l402-edge');
const PURPOSE = encodeAscii('token epoch v1');
/** An empty or a short secret makes tokens that anyone can forge; it is a fault of the configuration. */
const SMALLEST_SECRET_BYTES = 16;

/** HKDF over the secret; the purpose, the start and the length of the epoch are its info. One block is all it takes. */
export async function deriveEpochKey(secret: Uint8Array, { epoch, hmac }: { epoch: Epoch; hmac: Hmac }): Promise<Uint8Array> {
  if (secret.length < SMALLEST_SECRET_BYTES) throw new RangeError(`secret: at least ${SMALLEST_SECRET_BYTES} bytes`);
  const extracted = await hmac(SALT, secret);
  const numbers = new Uint8Array(8);
  const view = new DataView(numbers.buffer);
  view.setUint32(0, epoch.startHours);
  view.setUint32(4, epoch.lengthHours);
  return hmac(extracted, concatBytes(PURPOSE, numbers, Uint8Array.of(1)));
}

/** The root key of one token. */
export function deriveRootKey(epochKey: Uint8Array, { identifier, hmac }: { identifier: Uint8Array; hmac: Hmac }): ReturnType<Hmac> {
  return hmac(epochKey, identifier);
}
