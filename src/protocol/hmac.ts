/*
 * HMAC-SHA256 as this room sees it: a function that is given. On Workers it is WebCrypto, elsewhere
 * whatever the platform does best; the room itself stays free of both.
 */

export type Hmac = (key: Uint8Array, message: Uint8Array) => Promise<Uint8Array>;
