/*
 * Pushes of payments as the bridge signs them, for the tests of both ends.
 */
import { checkAnswer, signRequest, type BridgeKey } from '#lnd-bridge/request-auth.ts';
import { SETTLEMENTS_PATH } from '#lnd-bridge/contract.ts';
import { formatHex } from '#protocol/bytes.ts';

export interface PushToMake {
  readonly key: BridgeKey;
  readonly nowSeconds?: number;
  readonly nonceHex?: string;
  /** Instead of the path of pushes. */
  readonly pathAndQuery?: string;
  /** Who signs; the bridge if left out. */
  readonly direction?: 'request' | 'push';
}

const randomNonce = () => formatHex(crypto.getRandomValues(new Uint8Array(16)));

/** A push with its signature, and what its answer must be signed for. */
export function makePush(
  body: unknown,
  {
    key,
    nowSeconds = Math.floor(Date.now() / 1000),
    nonceHex = randomNonce(),
    pathAndQuery = SETTLEMENTS_PATH,
    direction = 'push',
  }: PushToMake,
) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const headers = signRequest({ direction, method: 'POST', pathAndQuery, body: text }, { key, nowSeconds, nonceHex });
  const isAnsweredBy = (response: Response, answer: string) =>
    checkAnswer({ direction: 'push', status: response.status, body: answer, nonceHex, header: (name) => response.headers.get(name) }, key);
  return { init: { method: 'POST', headers, body: text }, isAnsweredBy };
}
