/*
 * A bridge on a free loopback port with a clock that stands still until told otherwise, and a caller that signs.
 * Used by the tests of this folder only.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { onTestFinished } from 'vitest';
import { createEmbeddedNode, type EmbeddedNode } from '#lnd-bridge/nodes/embedded.ts';
import { type Wait } from '#lnd-bridge/nodes/node-answers.ts';
import { type LightningNode, type LogEntry, type Random } from '#lnd-bridge/ports.ts';
import { type BridgeKey, checkAnswer, signRequest } from '#lnd-bridge/request-auth.ts';
import { type NodeEntry } from '#lnd-bridge/pool-member.ts';
import { createBridge, type ServerConfig } from '#lnd-bridge/server.ts';
import { encodeAscii, formatHex } from '#protocol/bytes.ts';

export const KEY: BridgeKey = { id: 'k1', secret: sha256(encodeAscii('key of the tests')) };
export const PREVIOUS_KEY: BridgeKey = { id: 'k0', secret: sha256(encodeAscii('previous key of the tests')) };
export const START_SECONDS = 1_800_000_000;

export interface TestClock {
  nowSeconds(): number;
  set(nowSeconds: number): void;
}

export function createTestClock(): TestClock {
  let now = START_SECONDS;
  return {
    nowSeconds: () => now,
    set(nowSeconds) {
      now = nowSeconds;
    },
  };
}

/** Bytes that never repeat and are the same in every run. */
export function createTestRandom(): Random {
  let count = 0;
  return (length) => sha256(encodeAscii(`random ${count++}`)).slice(0, length);
}

export function createTestNode(
  clock: TestClock,
  { ledgerCapacity = 1000, secretKey = sha256(encodeAscii('node')) }: { ledgerCapacity?: number; secretKey?: Uint8Array } = {},
): EmbeddedNode {
  return createEmbeddedNode({ secretKey, clock, random: createTestRandom(), ledgerCapacity });
}

export interface Call {
  readonly method?: string;
  readonly path?: string;
  readonly body?: unknown;
  readonly key?: BridgeKey;
  readonly nonceHex?: string;
  readonly signedAtSeconds?: number;
  /** Sent instead of what was signed. */
  readonly altered?: {
    readonly method?: string;
    readonly path?: string;
    readonly body?: string;
    readonly headers?: Record<string, string>;
  };
}

export interface CallAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
  /** Whether the answer carries the bridge's signature for this very request. */
  readonly isSigned: boolean;
}

export interface TestBridge {
  readonly url: string;
  readonly clock: TestClock;
  readonly logged: readonly LogEntry[];
  call(call: Call): Promise<CallAnswer>;
  setKeys(keys: readonly BridgeKey[]): void;
  close(): Promise<void>;
}

let nonces = 0;

export function nextNonceHex(): string {
  return formatHex(sha256(encodeAscii(`nonce ${nonces++}`))).slice(0, 32);
}

/** Starts a bridge before a node; closed when the test ends, unless the test does it. */
export async function startTestBridge({
  node,
  nodes,
  clock = createTestClock(),
  config = {},
  wait,
}: {
  node?: LightningNode;
  nodes?: readonly NodeEntry[];
  clock?: TestClock;
  config?: Partial<ServerConfig>;
  wait?: Wait;
} = {}): Promise<TestBridge> {
  const logged: LogEntry[] = [];
  const limits = {
    maxBodyBytes: 16_384,
    maxRequestsPerSecond: 500,
    maxSkewSeconds: 60,
    maxMintsPerSecond: 500,
    queueCapacity: 256,
    metricsToken: undefined,
    gatewayUrl: undefined,
  };
  const only = node ?? createTestNode(clock);
  const bridge = createBridge(
    { host: '127.0.0.1', port: 0, keys: [KEY, PREVIOUS_KEY], network: 'regtest', ...limits, ...config },
    {
      nodes: nodes ?? [{ name: only.kind, node: only, concurrency: 16 }],
      log: (entry) => logged.push(entry),
      clock,
      random: createTestRandom(),
      ...(wait === undefined ? {} : { wait }),
    },
  );
  const { port } = await bridge.listen();
  const url = `http://127.0.0.1:${port}`;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= bridge.close());
  onTestFinished(close);
  return {
    url,
    clock,
    logged,
    close,
    setKeys: bridge.setKeys,
    call: (call) => callBridge(url, { nowSeconds: clock.nowSeconds(), ...call }),
  };
}

/** One signed call over a real socket. */
export async function callBridge(url: string, call: Call & { readonly nowSeconds: number }): Promise<CallAnswer> {
  const { method = 'POST', path = '/v1/invoices', key = KEY, nonceHex = nextNonceHex(), altered = {} } = call;
  const body = call.body === undefined ? '' : JSON.stringify(call.body);
  const signed = signRequest({ method, pathAndQuery: path, body }, { key, nowSeconds: call.signedAtSeconds ?? call.nowSeconds, nonceHex });
  const sent = altered.body ?? body;
  const response = await fetch(url + (altered.path ?? path), {
    method: altered.method ?? method,
    headers: { ...signed, ...altered.headers },
    ...(sent === '' ? {} : { body: sent }),
  });
  const text = await response.text();
  const isSigned = checkAnswer({ status: response.status, body: text, nonceHex, header: (name) => response.headers.get(name) }, key);
  return { status: response.status, body: JSON.parse(text) as Record<string, unknown>, headers: response.headers, isSigned };
}

/** An order that fits the contract. */
export function anOrder(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return { amountMsat: '10000', memo: 'weather', expirySeconds: 600, idempotencyKey: nextNonceHex(), ...changes };
}
