/*
 * HMAC-SHA256 on node:crypto, which Workers have too: it answers at once, and imports no key. For who wants the last
 * microseconds (`hmac: 'node'`). Effects: none but the computation.
 */
import { createHmac } from 'node:crypto';
import { type Hmac } from '../ports.ts';

/** The platform's HMAC-SHA256, without a promise. */
export const nodeHmac: Hmac = (key, message) => createHmac('sha256', key).update(message).digest();
