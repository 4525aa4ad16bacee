/* Whether a request came through the gateway within the last five minutes, and its method, host and target have not been changed since. */
import { createHmac, timingSafeEqual } from 'node:crypto';

export function cameThroughGateway({ method, target, headers }, secretHex, nowSeconds = Date.now() / 1000) {
  const [, time, mac] = /^t=(\d{1,12}),k=[a-z0-9-]+,v1=([0-9a-f]{64})$/.exec(headers['x-l402-signature'] ?? '') ?? [];
  if (time === undefined || secretHex.length < 64 || Math.abs(nowSeconds - Number(time)) > 300) return false;
  const text = ['l402-edge v1', time, method, headers['x-forwarded-host'], target, headers['x-l402-claim'] ?? ''].join('\n');
  const expected = createHmac('sha256', Buffer.from(secretHex, 'hex')).update(text).digest();
  return timingSafeEqual(Buffer.from(mac, 'hex'), expected);
}
