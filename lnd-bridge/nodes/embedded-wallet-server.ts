/*
 * The pay endpoint of the embedded node, `POST /v1/pay {"invoice"}`: only on loopback, on a separate port, behind a separate
 * token, because it returns preimages (M28). For development: this is how a client "pays". Effects: sockets.
 */
import { type IncomingMessage } from 'node:http';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import * as z from 'zod/mini';
import { equalBytes } from '#protocol/bytes.ts';
import { createHttpListener, type HttpAnswer, type HttpListener, parseJson, readBody } from '../http-listener.ts';
import { type Log } from '../ports.ts';
import { type EmbeddedNode } from './embedded.ts';

const PayRequest = z.strictObject({ invoice: z.string().check(z.maxLength(4096)) });
const MAX_BODY_BYTES = 8192;

const REFUSAL_STATUS = {
  body_invalid: 400,
  invoice_malformed: 400,
  token_wrong: 401,
  network_refused: 403,
  not_found: 404,
  invoice_unknown: 404,
  method_not_allowed: 405,
  invoice_expired: 410,
  body_too_large: 413,
  fault: 500,
} as const;

export const WALLET_HOST = '127.0.0.1';

/** Creates the pay endpoint of a node. The host is not a setting: only this machine may ask for preimages. */
export function createWalletServer(
  node: EmbeddedNode,
  { port, token, log }: { port: number; token: string; log: Log },
): Pick<HttpListener, 'close'> & { listen(): Promise<{ port: number }> } {
  const tokenHash = sha256(utf8ToBytes(token));

  async function handle(request: IncomingMessage): Promise<HttpAnswer | undefined> {
    if (request.url !== '/v1/pay') return no('not_found', 'there is nothing at this path');
    if (request.method !== 'POST') return { ...no('method_not_allowed', 'only POST is allowed here'), headers: { allow: 'POST' } };
    const given = /^Bearer ([A-Za-z0-9_-]+)$/i.exec(request.headers.authorization ?? '')?.[1];
    // Hashes have equal lengths, so the comparison does not reveal even the token's length.
    if (given === undefined || !equalBytes(sha256(utf8ToBytes(given)), tokenHash)) {
      return { ...no('token_wrong', 'the token of the wallet is missing or wrong'), headers: { 'www-authenticate': 'Bearer' } };
    }
    const body = await readBody(request, MAX_BODY_BYTES);
    if (!body.ok) return body.refusal === 'gone' ? undefined : no('body_too_large', `a body has at most ${MAX_BODY_BYTES} bytes`);
    const order = PayRequest.safeParse(parseJson(body.value));
    if (!order.success) return no('body_invalid', 'the body is {"invoice": "..."} and nothing else');
    const paid = node.pay(order.data.invoice);
    if (!paid.ok) return no(paid.refusal.code, paid.refusal.detail);
    const { preimageHex, amountMsat } = paid.value;
    return { status: 200, body: JSON.stringify({ preimageHex, amountMsat: String(amountMsat), feeMsat: '0' }) };
  }

  const listener = createHttpListener({
    handle,
    onFault(error) {
      log({ event: 'fault', name: error instanceof Error ? error.name : 'unknown', place: 'embedded wallet' });
      return no('fault', 'the wallet has failed');
    },
  });
  return { listen: () => listener.listen({ host: WALLET_HOST, port }), close: () => listener.close() };
}

function no(code: keyof typeof REFUSAL_STATUS, detail: string): HttpAnswer {
  return { status: REFUSAL_STATUS[code], body: JSON.stringify({ code, detail }) };
}
