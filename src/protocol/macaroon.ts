/*
 * The macaroon signature chain: sig0 = HMAC(K, identifier), each caveat adds a link, K = HMAC(generator key, root key). The
 * location is not signed. Pure, except for the given HMAC.
 */
import { encodeAscii, equalBytes } from './bytes.ts';
import { type Hmac } from './hmac.ts';
import { type Macaroon } from './macaroon-codec.ts';

/** HMAC pads this with zeros to the block size, past 32 bytes, like every macaroon library. */
const GENERATOR_KEY = encodeAscii('macaroons-key-generator');

export interface UnsignedMacaroon {
  readonly location?: Uint8Array | undefined;
  readonly identifier: Uint8Array;
  readonly caveats: readonly Uint8Array[];
}

/** Signs a macaroon with its root key. */
export async function signMacaroon(unsigned: UnsignedMacaroon, { rootKey, hmac }: { rootKey: Uint8Array; hmac: Hmac }): Promise<Macaroon> {
  const { last } = await chain(unsigned, { rootKey, hmac });
  return { location: unsigned.location, identifier: unsigned.identifier, caveats: unsigned.caveats, signature: last };
}

/** Adds a first-party caveat. This needs no key, and a recipient cannot remove the caveat. */
export async function addCaveat(macaroon: Macaroon, { caveat, hmac }: { caveat: Uint8Array; hmac: Hmac }): Promise<Macaroon> {
  const signature = await hmac(macaroon.signature, caveat);
  return { ...macaroon, caveats: [...macaroon.caveats, caveat], signature };
}

/** Returns the signature of the chain at each caveat; `undefined` unless the whole chain was made from this root key. */
export async function verifyChain(
  macaroon: Macaroon,
  { rootKey, hmac }: { rootKey: Uint8Array; hmac: Hmac },
): Promise<readonly Uint8Array[] | undefined> {
  const { signatures, last } = await chain(macaroon, { rootKey, hmac });
  return equalBytes(last, macaroon.signature) ? signatures : undefined;
}

async function chain(
  { identifier, caveats }: UnsignedMacaroon,
  { rootKey, hmac }: { rootKey: Uint8Array; hmac: Hmac },
): Promise<{ readonly signatures: readonly Uint8Array[]; readonly last: Uint8Array }> {
  let last = await hmac(await hmac(GENERATOR_KEY, rootKey), identifier);
  const signatures: Uint8Array[] = [];
  for (const caveat of caveats) {
    last = await hmac(last, caveat);
    signatures.push(last);
  }
  return { signatures, last };
}
