/*
 * The macaroon signature chain: sig0 = HMAC(K, identifier), each caveat the next link, K the root key behind
 * the fixed generator key. Location is not signed. No effects but the HMAC that is handed in.
 */
import { encodeAscii, equalBytes } from './bytes.ts';
import { type Hmac } from './hmac.ts';
import { type Macaroon } from './macaroon-codec.ts';

/** HMAC pads this with zeros to 32 bytes and beyond, as every macaroon library does. */
const GENERATOR_KEY = encodeAscii('macaroons-key-generator');

export interface UnsignedMacaroon {
  readonly location?: Uint8Array;
  readonly identifier: Uint8Array;
  readonly caveats: readonly Uint8Array[];
}

/** Signs a macaroon with its root key. */
export async function signMacaroon(unsigned: UnsignedMacaroon, { rootKey, hmac }: { rootKey: Uint8Array; hmac: Hmac }): Promise<Macaroon> {
  const signature = await chain(unsigned, { rootKey, hmac });
  return { location: unsigned.location, identifier: unsigned.identifier, caveats: unsigned.caveats, signature };
}

/** Adds a first-party caveat: needs no key, and cannot be undone by whoever gets the result. */
export async function addCaveat(macaroon: Macaroon, { caveat, hmac }: { caveat: Uint8Array; hmac: Hmac }): Promise<Macaroon> {
  const signature = await hmac(macaroon.signature, caveat);
  return { ...macaroon, caveats: [...macaroon.caveats, caveat], signature };
}

/** Whether the whole chain was made from this root key. */
export async function checkSignature(macaroon: Macaroon, { rootKey, hmac }: { rootKey: Uint8Array; hmac: Hmac }): Promise<boolean> {
  return equalBytes(await chain(macaroon, { rootKey, hmac }), macaroon.signature);
}

async function chain(macaroon: UnsignedMacaroon | Macaroon, { rootKey, hmac }: { rootKey: Uint8Array; hmac: Hmac }): Promise<Uint8Array> {
  let signature = await hmac(await hmac(GENERATOR_KEY, rootKey), macaroon.identifier);
  for (const caveat of macaroon.caveats) signature = await hmac(signature, caveat);
  return signature;
}
