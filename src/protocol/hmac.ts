/*
 * HMAC-SHA256 as this room sees it: a function that is given. On Workers it is the platform's own, elsewhere whatever is
 * best there; the room itself stays free of all. It may answer at once: waiting for what is there already costs
 * more than the HMAC.
 */

export type Hmac = (key: Uint8Array, message: Uint8Array) => Uint8Array | Promise<Uint8Array>;
