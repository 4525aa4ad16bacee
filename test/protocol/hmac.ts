/*
 * The HMAC of the protocol suite: in Node what the Worker has by default, in workerd what it has with `hmac: 'node'`. So the
 * whole suite runs on both adapters.
 */
import { nodeHmac } from '#adapters/node-hmac.ts';
import { webcryptoHmac } from '#adapters/webcrypto-hmac.ts';
import { type Hmac } from '#protocol/hmac.ts';

export const hmac: Hmac = navigator.userAgent === 'Cloudflare-Workers' ? nodeHmac : webcryptoHmac;
