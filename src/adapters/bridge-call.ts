/*
 * One call to the bridge: a signed request, and an answer whose signature belongs to this very request and whose form is
 * exactly the contract's (M28). Over the public network, or through a binding to a service or a VPC. Effects: one fetch per
 * call.
 */
import { checkAnswer, signRequest, type BridgeKey } from '#lnd-bridge/request-auth.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Clock, type Random } from '../ports.ts';
import { type ServiceBinding } from './pricing-service.ts';

/** Far above the largest answer of the contract about one invoice. */
const LARGEST_ANSWER = 16_384;

export interface BridgeOptions {
  /** Without a trailing slash. */
  readonly url: string;
  /** A binding through which the bridge is reached; it makes the host of the URL irrelevant. */
  readonly binding?: ServiceBinding | undefined;
  readonly key: BridgeKey;
  readonly clock: Clock;
  readonly random: Random;
}

export interface BridgeRequest<Answer> {
  readonly method: 'GET' | 'POST';
  readonly pathAndQuery: string;
  /** Empty: no body. */
  readonly body: string;
  readonly limitMs: number;
  /** In bytes. Default: that of one invoice. */
  readonly largestAnswer?: number;
  /** From the contract. */
  readonly schema: { readonly safeParse: (value: unknown) => { readonly success: boolean; readonly data?: Answer | undefined } };
}

/** Sends a request and returns the answer; throws if it is not one of this bridge and of the contract. */
export type BridgeCall = <Answer>(request: BridgeRequest<Answer>) => Promise<Answer>;

/** Creates the function that calls the bridge at this URL. */
export function createBridgeCall({ url, binding, key, clock, random }: BridgeOptions): BridgeCall {
  const send: ServiceBinding['fetch'] = (address, init) => (binding === undefined ? fetch(address, init) : binding.fetch(address, init));
  return async ({ limitMs, largestAnswer = LARGEST_ANSWER, schema, ...request }) => {
    const { method, pathAndQuery, body } = request;
    const nonceHex = formatHex(random(16));
    const response = await send(`${url}${pathAndQuery}`, {
      method,
      headers: { 'content-type': 'application/json', ...signRequest(request, { key, nowSeconds: Math.floor(clock() / 1000), nonceHex }) },
      body: body === '' ? null : body,
      redirect: 'manual',
      signal: AbortSignal.timeout(limitMs),
    });
    const text = await response.text();
    if (text.length > largestAnswer) throw new Error('the bridge sent an answer that is too large');
    const header = (name: string) => response.headers.get(name);
    if (!checkAnswer({ status: response.status, body: text, nonceHex, header }, key)) {
      // The most common mistake when setting up a bridge: it signs nothing for keys that it does not know.
      const hint = response.status === 401 ? ': do BRIDGE_KEY_ID, BRIDGE_SECRET and the clocks agree with those of the bridge?' : '';
      throw new Error(`the bridge answered ${response.status} without a signature of its own${hint}`);
    }
    if (response.status !== 200) throw new Error(`the bridge answered ${response.status}`);
    const { data } = schema.safeParse(JSON.parse(text));
    if (data === undefined) throw new Error('the bridge sent an answer that is not of the contract');
    return data;
  };
}
