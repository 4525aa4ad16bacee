/*
 * HMAC-SHA256 on WebCrypto, for platforms without node:crypto. Workers have both, and deps.ts takes the faster. Effects:
 * none but the computation.
 */
import { type Hmac } from '../ports.ts';

const ALGORITHM = { name: 'HMAC', hash: 'SHA-256' };

/** The platform's HMAC-SHA256. */
export const webcryptoHmac: Hmac = async (key, message) => {
  const imported = await crypto.subtle.importKey('raw', key, ALGORITHM, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, message));
};
