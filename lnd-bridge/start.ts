/*
 * Assembles the bridge, for its own process (main.ts) and for processes that embed it (the local system, tests). Effects:
 * opens ports; uses the system's clock and randomness by default.
 */
import { randomBytes } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { formatHex } from '#protocol/bytes.ts';
import { type Network } from '#protocol/invoice.ts';
import { type BridgeConfig } from './config.ts';
import { createEmbeddedNode, type EmbeddedNode } from './nodes/embedded.ts';
import { createWalletServer, WALLET_HOST } from './nodes/embedded-wallet-server.ts';
import { type Clock, type Log, type Random } from './ports.ts';
import { type BridgeKey } from './request-auth.ts';
import { createBridge } from './server.ts';

export interface RunningBridge {
  readonly url: string;
  readonly network: Network;
  readonly node: EmbeddedNode;
  /** The embedded node's pay endpoint. */
  readonly wallet: { readonly url: string; readonly token: string };
  /** Changes the keys shared with the gateway, without a restart. */
  setKeys(keys: readonly BridgeKey[]): void;
  /** Finishes requests in flight and frees both ports. */
  close(): Promise<void>;
}

export interface StartOptions {
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** The embedded node works in memory and never waits. */
const EMBEDDED_CONCURRENCY = 16;

export const SYSTEM_CLOCK: Clock = { nowSeconds: () => Math.floor(Date.now() / 1000) };
/** Randomness of the system. */
export const SYSTEM_RANDOM: Random = (length) => new Uint8Array(randomBytes(length));

/**
 * Starts bridge, embedded node and wallet endpoint; start-nodes.ts is for real nodes. Throws if a port is not available, and
 * then leaves none open.
 */
export async function startBridge(
  config: BridgeConfig,
  { log, clock = SYSTEM_CLOCK, random = SYSTEM_RANDOM }: StartOptions,
): Promise<RunningBridge> {
  if (config.nodes.length > 0) throw new RangeError('config: names real nodes, and this starts the embedded one');
  const secretKey = config.embedded.nodeKey ?? makeNodeKey(random);
  const token = config.embedded.payToken ?? formatHex(random(32));
  const node = createEmbeddedNode({ secretKey, clock, random });
  const wallet = createWalletServer(node, { port: config.embedded.payPort, token, log });
  const bridge = createBridge(config, { nodes: [{ name: node.kind, node, concurrency: EMBEDDED_CONCURRENCY }], log, clock, random });
  const walletPort = (await wallet.listen()).port;
  const { port } = await bridge.listen().catch(async (error: unknown) => {
    await wallet.close();
    throw error;
  });
  return {
    url: formatUrl(config.host, port),
    network: config.network,
    node,
    wallet: { url: formatUrl(WALLET_HOST, walletPort), token },
    setKeys: bridge.setKeys,
    async close() {
      await Promise.all([bridge.close(), wallet.close()]);
    },
  };
}

/** Creates a key. Nearly every 32 bytes are a valid key; the few others are drawn again. */
function makeNodeKey(random: Random): Uint8Array {
  const key = random(32);
  return secp256k1.utils.isValidSecretKey(key) ? key : makeNodeKey(random);
}

/** Formats the URL to which the bridge is bound. */
export function formatUrl(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
