/*
 * The Lightning port over HTTP to the bridge: signed requests, answers whose signature belongs to this very request and
 * whose form is exactly the contract's (M28). Effects: one fetch a call.
 */
import { MintAnswer, type MintRequest } from '#lnd-bridge/contract.ts';
import { checkAnswer, signRequest, type BridgeKey } from '#lnd-bridge/request-auth.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Clock, type InvoiceOrder, type Lightning, type Random } from '../ports.ts';

/** A client waits for its 402: a bridge that takes longer counts as down. */
const TIME_LIMIT_MS = 10_000;
/** No answer of the contract comes near. */
const LARGEST_ANSWER = 16_384;

export interface BridgeOptions {
  /** Without a slash at its end. */
  readonly url: string;
  readonly key: BridgeKey;
  readonly clock: Clock;
  readonly random: Random;
}

/** Lightning behind the bridge at this address. */
export function createBridgeLightning({ url, key, clock, random }: BridgeOptions): Lightning {
  return {
    async mint({ amountMsat, ...order }: InvoiceOrder) {
      const body = JSON.stringify({ amountMsat: String(amountMsat), ...order } satisfies MintRequest);
      const request = { method: 'POST', pathAndQuery: '/v1/invoices', body };
      const nonceHex = formatHex(random(16));
      const response = await fetch(`${url}${request.pathAndQuery}`, {
        method: request.method,
        headers: { 'content-type': 'application/json', ...signRequest(request, { key, nowSeconds: Math.floor(clock() / 1000), nonceHex }) },
        body,
        redirect: 'manual',
        signal: AbortSignal.timeout(TIME_LIMIT_MS),
      });
      const text = await response.text();
      if (text.length > LARGEST_ANSWER) throw new Error('the bridge sent an answer that is too large');
      const header = (name: string) => response.headers.get(name);
      if (!checkAnswer({ status: response.status, body: text, nonceHex, header }, key)) {
        throw new Error(`the bridge answered ${response.status} without a signature of its own`);
      }
      if (response.status !== 200) throw new Error(`the bridge answered ${response.status}`);
      const answer = MintAnswer.safeParse(JSON.parse(text));
      if (!answer.success) throw new Error('the bridge sent an answer that is not of the contract');
      return { invoice: answer.data.invoice };
    },
  };
}
