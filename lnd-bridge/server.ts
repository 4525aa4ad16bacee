/*
 * The bridge as a whole: its HTTP server, the nodes behind it, and the feeds of their payments. Effects: sockets, the nodes,
 * the log.
 */
import { formatRefusal } from './answers.ts';
import { type BridgeConfig } from './config.ts';
import { type EndpointOptions } from './endpoints.ts';
import { describeFault } from './fault-text.ts';
import { createPush } from './gateway-push.ts';
import { createHttpListener } from './http-listener.ts';
import { createMetrics } from './metrics.ts';
import { createNodePool } from './node-pool.ts';
import { type Wait } from './nodes/node-answers.ts';
import { systemWait } from './nodes/open-node.ts';
import { type NodeEntry } from './pool-member.ts';
import { type Clock, type Log, type Random } from './ports.ts';
import { createRefusalLog } from './refusal-log.ts';
import { type BridgeKey } from './request-auth.ts';
import { createRequestHandler } from './request-handler.ts';
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
  const handle = createRequestHandler(config, { endpoint, keys: () => keys, clock });
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
