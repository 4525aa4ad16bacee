/*
 * HMAC-SHA256 as this layer sees it: a function passed in by the caller. On Workers it is the platform's own, elsewhere the
 * best available, so this layer depends on neither. It may return synchronously: awaiting a ready result costs more than the
 * HMAC. Types only.
 */

export type Hmac = (key: Uint8Array, message: Uint8Array) => Uint8Array | Promise<Uint8Array>;
