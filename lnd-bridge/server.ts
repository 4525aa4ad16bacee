/*
 * The bridge's HTTP server: path, method, size, signature, replay, rate, then the endpoint; cheap checks before expensive
 * ones. Answers after a valid signature are signed too, including refusals. Only signed requests count towards the rate, so
 * that invalid requests of others cannot lock the gateway out. Effects: sockets, the node, the log.
 */
import { type IncomingMessage } from 'node:http';
import { createNonceMemory, createRateLimit } from './admission.ts';
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
import { describeFault } from './fault-text.ts';
import { createPush } from './gateway-push.ts';
import { createHttpListener, readBody } from './http-listener.ts';
import { createMetrics } from './metrics.ts';
import { createNodePool } from './node-pool.ts';
import { type Wait } from './nodes/node-answers.ts';
import { systemWait } from './nodes/open-node.ts';
import { type NodeEntry } from './pool-member.ts';
import { type Clock, type Log, type Random } from './ports.ts';
import { createRefusalLog } from './refusal-log.ts';
import { type BridgeKey, checkRequest, signAnswer } from './request-auth.ts';
import { startFeed, type SettlementFeed } from './settlement-feed.ts';

export interface BridgeOptions {
  /** For the nonces of pushes. */
  readonly random: Random;
  /** Default: the system's timer. */
  readonly wait?: Wait;
  /** In the order in which they are asked; at least one. */
  readonly nodes: readonly NodeEntry[];
  readonly log: Log;
  readonly clock: Clock;
}

export interface Bridge {
  /** Binds to the configured host and port. */
  listen(): Promise<{ port: number }>;
  /** Replaces the valid keys; the first one signs pushes. Requests in progress are answered under their own key. */
  setKeys(keys: readonly BridgeKey[]): void;
  /** Finishes requests in flight, then resolves. */
  close(): Promise<void>;
}

export type ServerConfig = Pick<
  BridgeConfig,
  | 'host'
  | 'port'
  | 'keys'
  | 'network'
  | 'maxBodyBytes'
  | 'maxRequestsPerSecond'
  | 'maxMintsPerSecond'
  | 'maxSkewSeconds'
  | 'queueCapacity'
  | 'metricsToken'
  | 'gatewayUrl'
>;

/** Creates a bridge for these nodes; it does not listen yet. */
export function createBridge(config: ServerConfig, { nodes, log, clock, random, wait = systemWait }: BridgeOptions): Bridge {
  const stranger = nodes.find(({ node }) => node.network !== config.network)?.node;
  if (stranger !== undefined) throw new RangeError(`node: is on ${stranger.network}, the bridge is set to ${config.network}`);
  let { keys } = config;
  const metrics = createMetrics();
  const stopwatchMs = () => performance.now();
  const pool = createNodePool(nodes, { ...config, clock, log, metrics, stopwatchMs });
  const endpoint: EndpointOptions = { pool, network: config.network, metrics, log, stopwatchMs };
  const rate = createRateLimit(config.maxRequestsPerSecond);
  // A request signed at the far end of the window is valid for twice the skew. The capacity is all that the rate allows in
  // that time, so it is reached only if the clock is set back.
  const keepSeconds = 2 * config.maxSkewSeconds;
  const nonces = createNonceMemory({ capacity: config.maxRequestsPerSecond * (keepSeconds + 1), keepSeconds });
  const readHealth = rememberForSecond(() => answerHealth(endpoint), clock);

  async function handle(request: IncomingMessage, isGone: IsGone): Promise<BridgeAnswer | undefined> {
    const pathAndQuery = request.url ?? '';
    const [path = '', query] = splitOnce(pathAndQuery, '?');
    const route = findRoute(path);
    if (route === undefined || (route.name === 'metrics' && config.metricsToken === undefined))
      return formatRefusal('not_found', 'there is nothing at this path');
    if (request.method !== route.method) {
      return withHeaders(formatRefusal('method_not_allowed', `only ${route.method} is allowed here`), { allow: route.method });
    }
    if (route.name === 'health') return readHealth();
    if (route.name === 'metrics') return answerMetrics(request.headers.authorization, { metrics, pool, token: config.metricsToken! });
    const body = await readBody(request, config.maxBodyBytes);
    if (!body.ok) {
      return body.refusal === 'gone' ? undefined : formatRefusal('body_too_large', `a body has at most ${config.maxBodyBytes} bytes`);
    }
    const signed = { method: request.method, pathAndQuery, body: body.value, header: (name: string) => readHeader(request, name) };
    const checked = checkRequest(signed, { keys, nowSeconds: clock.nowSeconds(), maxSkewSeconds: config.maxSkewSeconds });
    if (!checked.ok) return formatRefusal(checked.refusal.code, checked.refusal.detail);
    const { keyId, nonceHex } = checked.value;
    const key = keys.find(({ id }) => id === keyId)!;
    const answer = admit(nonceHex) ?? (await answerRoute(route, { body: body.value, query, isGone }));
    return withHeaders(answer, signAnswer({ status: answer.status, body: answer.body, nonceHex }, key));
  }

  /** Admits a request. Replays are checked first and not counted: repeating a recorded request must not use up the gateway's rate. */
  function admit(nonceHex: string): BridgeAnswer | undefined {
    const nowSeconds = clock.nowSeconds();
    if (nonces.has(nonceHex)) return formatRefusal('replayed', 'this request was here before');
    if (!rate.take(nowSeconds)) return formatRefusal('rate_exceeded', `at most ${config.maxRequestsPerSecond} requests a second`);
    if (nonces.remember(nonceHex, nowSeconds) === 'full') return formatRefusal('replay_memory_full', 'too many requests to remember');
    return undefined;
  }

  async function answerRoute(
    route: SignedRoute,
    { body, query, isGone }: { body: string; query: string | undefined; isGone: IsGone },
  ): Promise<BridgeAnswer> {
    if (query !== undefined) return formatRefusal('query_refused', 'no query is known here');
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

  const refusals = createRefusalLog({ log, clock });
  const listener = createHttpListener({
    async handle(request, isGone) {
      const answer = await handle(request, isGone);
      if (answer?.refused !== undefined) {
        metrics.countRefusal(answer.refused);
        refusals.note({ code: answer.refused, status: answer.status });
      }
      return answer;
    },
    onFault(error) {
      log({ event: 'fault', ...describeFault(error) });
      return formatRefusal('fault', 'the bridge has failed; its log says how');
    },
    onLost({ minted = [] }) {
      // The invoices exist on the node, but nobody has them: the same order returns them while they are open.
      metrics.countLostAnswers(minted.length);
      for (const paymentHashHex of minted) log({ event: 'answer_lost', paymentHashHex });
    },
  });
  let feeds: readonly SettlementFeed[] = [];
  return {
    async listen() {
      const bound = await listener.listen(config);
      if (config.gatewayUrl === undefined) return bound;
      const push = createPush({ url: config.gatewayUrl, keys: () => keys, clock, random });
      feeds = nodes.flatMap((entry) => startFeed(entry, { push, clock, wait, log, metrics }) ?? []);
      return bound;
    },
    setKeys(changed) {
      keys = changed;
    },
    async close() {
      await Promise.all([...feeds.map((feed) => feed.close()), listener.close()]).finally(refusals.flush);
    },
  };
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

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function readHeader(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
