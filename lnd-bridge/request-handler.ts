/*
 * Dispatches a request to its endpoint: path, method, size, signature, replay, rate; cheap checks before expensive ones.
 * Answers after a valid signature are signed too, including refusals. Only signed requests count towards the rate, so that
 * invalid requests of others cannot lock the gateway out. Effects: reads the request; those of the endpoints.
 */
import { type IncomingMessage } from 'node:http';
import { createAdmission } from './admission.ts';
import { type BridgeAnswer, formatRefusal } from './answers.ts';
import { type BridgeConfig } from './config.ts';
import {
  answerHealth,
  answerLookUp,
  answerMetrics,
  answerMint,
  answerMintBatch,
  answerNode,
  type EndpointOptions,
  type IsGone,
} from './endpoints.ts';
import { readBody } from './http-listener.ts';
import { type Clock } from './ports.ts';
import { type BridgeKey, checkRequest, signAnswer } from './request-auth.ts';

export type HandlerConfig = Pick<BridgeConfig, 'maxBodyBytes' | 'maxRequestsPerSecond' | 'maxSkewSeconds' | 'metricsToken'>;

export interface HandlerOptions {
  readonly endpoint: EndpointOptions;
  /** The valid keys. */
  readonly keys: () => readonly BridgeKey[];
  readonly clock: Clock;
}

/** Answers one request; `undefined` if the client has gone. */
export type RequestHandler = (request: IncomingMessage, isGone: IsGone) => Promise<BridgeAnswer | undefined>;

/** Creates the handler of all requests. */
export function createRequestHandler(config: HandlerConfig, { endpoint, keys, clock }: HandlerOptions): RequestHandler {
  const { maxBodyBytes, maxSkewSeconds, metricsToken } = config;
  const admit = createAdmission(config);
  const readHealth = rememberForSecond(() => answerHealth(endpoint), clock);

  async function answerSigned(route: SignedRoute, request: IncomingMessage, isGone: IsGone): Promise<BridgeAnswer | undefined> {
    const body = await readBody(request, maxBodyBytes);
    if (!body.ok) {
      return body.refusal === 'gone' ? undefined : formatRefusal('body_too_large', `a body has at most ${maxBodyBytes} bytes`);
    }
    const pathAndQuery = request.url ?? '';
    const header = (name: string) => readHeader(request, name);
    const valid = keys();
    const signed = { method: route.method, pathAndQuery, body: body.value, header };
    const checked = checkRequest(signed, { keys: valid, nowSeconds: clock.nowSeconds(), maxSkewSeconds });
    if (!checked.ok) return formatRefusal(checked.refusal.code, checked.refusal.detail);
    const { keyId, nonceHex } = checked.value;
    const key = valid.find(({ id }) => id === keyId)!;
    const refused = admit(nonceHex, clock.nowSeconds());
    const answer =
      refused === undefined
        ? await answerRoute(endpoint, { route, body: body.value, hasQuery: pathAndQuery.includes('?'), isGone })
        : formatRefusal(refused.code, refused.detail);
    return withHeaders(answer, signAnswer({ status: answer.status, body: answer.body, nonceHex }, key));
  }

  return async (request, isGone) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    const route = findRoute(path);
    if (route === undefined || (route.name === 'metrics' && metricsToken === undefined))
      return formatRefusal('not_found', 'there is nothing at this path');
    if (request.method !== route.method) {
      return withHeaders(formatRefusal('method_not_allowed', `only ${route.method} is allowed here`), { allow: route.method });
    }
    if (route.name === 'health') return readHealth();
    if (route.name === 'metrics') return answerMetrics(request.headers.authorization, { ...endpoint, token: metricsToken! });
    return answerSigned(route, request, isGone);
  };
}

/** What an endpoint gets of a signed request. */
interface SignedRequest {
  readonly route: SignedRoute;
  readonly body: string;
  readonly hasQuery: boolean;
  readonly isGone: IsGone;
}

async function answerRoute(endpoint: EndpointOptions, { route, body, hasQuery, isGone }: SignedRequest): Promise<BridgeAnswer> {
  if (hasQuery) return formatRefusal('query_refused', 'no query is known here');
  switch (route.name) {
    case 'mint':
      return answerMint(body, endpoint, isGone);
    case 'mint_batch':
      return answerMintBatch(body, endpoint, isGone);
    case 'look_up':
      return answerLookUp(route.paymentHashHex, endpoint, isGone);
    case 'node':
      return answerNode(endpoint);
  }
}

type SignedRoute =
  | { readonly name: 'mint' | 'mint_batch'; readonly method: 'POST' }
  | { readonly name: 'look_up'; readonly method: 'GET'; readonly paymentHashHex: string }
  | { readonly name: 'node'; readonly method: 'GET' };

type Route = SignedRoute | { readonly name: 'health'; readonly method: 'GET' } | { readonly name: 'metrics'; readonly method: 'GET' };

function findRoute(path: string): Route | undefined {
  if (path === '/v1/invoices') return { name: 'mint', method: 'POST' };
  if (path === '/v1/invoices/batch') return { name: 'mint_batch', method: 'POST' };
  if (path === '/v1/node') return { name: 'node', method: 'GET' };
  if (path === '/metrics') return { name: 'metrics', method: 'GET' };
  if (path === '/healthz') return { name: 'health', method: 'GET' };
  const paymentHashHex = /^\/v1\/invoices\/([0-9a-f]{64})$/.exec(path)?.[1];
  return paymentHashHex === undefined ? undefined : { name: 'look_up', method: 'GET', paymentHashHex };
}

/** Caches a result for one second. The health endpoint is open to all, so this limits how often the node is asked. */
function rememberForSecond<Value>(ask: () => Promise<Value>, clock: Clock): () => Promise<Value> {
  let second = -1;
  let remembered: Promise<Value> | undefined;
  return () => {
    const nowSeconds = clock.nowSeconds();
    if (remembered === undefined || nowSeconds !== second) {
      second = nowSeconds;
      remembered = ask();
    }
    return remembered;
  };
}

function withHeaders(answer: BridgeAnswer, headers: Readonly<Record<string, string>>): BridgeAnswer {
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

function readHeader(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
