/*
 * HMAC-SHA256 on WebCrypto, which every edge runtime has. A recurring key (such as an epoch's) is imported once. Effects:
 * memory, freed with the key.
 */
import { type Hmac } from '../ports.ts';

const ALGORITHM = { name: 'HMAC', hash: 'SHA-256' };

type ImportedKey = ReturnType<typeof crypto.subtle.importKey>;

const imported = new WeakMap<Uint8Array, ImportedKey>();

/** Computes HMAC-SHA256 with the platform. */
export const webcryptoHmac: Hmac = async (key, message) => new Uint8Array(await crypto.subtle.sign('HMAC', await importOnce(key), message));

function importOnce(key: Uint8Array): ImportedKey {
  const known = imported.get(key);
  if (known !== undefined) return known;
  const importing = crypto.subtle.importKey('raw', key, ALGORITHM, false, ['sign']);
  imported.set(key, importing);
  return importing;
}
