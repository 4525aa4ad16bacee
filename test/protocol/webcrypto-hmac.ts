/*
 * HMAC-SHA256 on WebCrypto, the way it runs in production, for tests in Node and in workerd alike.
 */
import { type Hmac } from '#protocol/hmac.ts';

const ALGORITHM = { name: 'HMAC', hash: 'SHA-256' };

export const hmac: Hmac = async (key, message) => {
  const imported = await crypto.subtle.importKey('raw', Uint8Array.from(key), ALGORITHM, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign(ALGORITHM, imported, Uint8Array.from(message)));
};
