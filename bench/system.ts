/*
 * What is measured, started: the origin, the bridge with its node, and one workerd with the gateway, the same gateway once
 * more with objects that count, and the yardsticks. Effects: processes, and files in a folder of its own.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildWorker } from '#local/build-worker.ts';
import { type WalletAddress } from '#local/embedded-wallet.ts';
import { startWorkerd } from '#local/workerd-process.ts';
import { TOKEN_SECRET_HEX } from '#support/tokens.ts';

/** The Workers of the process: the gateway, the gateway that counts, and the yardsticks. */
export type Part = 'gateway' | 'metered' | 'proxy' | 'objects';

export interface BenchSystem {
  readonly urlOf: (part: Part, path: string) => string;
  /** Of the workerd process. */
  readonly pid: number;
  /** Holds what its Durable Objects have written. */
  readonly directory: string;
  /** Of the bridge, which holds the node. */
  readonly bridgePid: number;
  /** Invoices that the node has made. */
  readonly countMints: () => Promise<number>;
  readonly wallet: WalletAddress;
  /** From nothing to the first answer. */
  readonly startMs: number;
  close(): Promise<void>;
}

/** What origin.ts tells on its first line. */
export interface OriginAddress {
  readonly url: string;
}

/** What bridge.ts tells on its first line. */
export interface BridgeAddresses {
  readonly url: string;
  readonly metricsToken: string;
  readonly wallet: WalletAddress;
}

/** Builds the Workers and starts everything. */
export async function startBenchSystem({ originDelayMs = 0 }: { originDelayMs?: number } = {}): Promise<BenchSystem> {
  const directory = mkdtempSync(join(tmpdir(), 'l402-bench-'));
  const bundlePath = await buildWorker({ outDirectory: 'dist/bench', entry: 'test/workerd/entries/bench-worker.ts' });
  const meteredPath = await buildWorker({ outDirectory: 'dist/bench', entry: 'test/workerd/entries/metered-worker.ts' });
  const secretHex = 'bb'.repeat(32);
  const origin = await startPart<OriginAddress>('origin.ts', { ORIGIN_DELAY_MS: `${originDelayMs}` });
  const bridge = await startPart<BridgeAddresses>('bridge.ts', { BRIDGE_SECRET_HEX: secretHex });
  const startedMs = performance.now();
  const gateway = {
    port: 0,
    bundlePath,
    variables: { ORIGIN_URL: origin.told.url, BRIDGE_URL: bridge.told.url, NETWORK: 'regtest' },
    secrets: { TOKEN_SECRET_1: 'TOKEN_SECRET_1', BRIDGE_SECRET: 'BRIDGE_SECRET' },
  };
  const yardstick = { port: 0, variables: { ORIGIN_URL: origin.told.url }, secrets: {} };
  const workerd = await startWorkerd({
    directory,
    gateways: [
      { ...gateway, name: 'gateway' },
      { ...gateway, name: 'metered', bundlePath: meteredPath },
      { ...yardstick, name: 'proxy', bundlePath: 'bench/yardsticks/proxy.js', claimsOf: 'gateway' },
      { ...yardstick, name: 'objects', bundlePath: 'bench/yardsticks/proxy-objects.js' },
    ],
    environment: { TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: secretHex },
    onLine: (line) => {
      if (line.includes('"fault"')) console.error(line);
    },
  });
  const urlOf = (part: Part, path: string) => `http://127.0.0.1:${workerd.ports[part]}${path}`;
  const close = async () => {
    await workerd.kill('SIGTERM');
    for (const { process: part } of [origin, bridge]) part.disconnect();
    rmSync(directory, { recursive: true });
  };
  const health = await fetch(urlOf('gateway', '/_l402/health'));
  if (!health.ok) {
    await close();
    throw new Error(`the gateway is not healthy: ${health.status}`);
  }
  const { metricsToken, wallet } = bridge.told;
  const countMints = async () => {
    const response = await fetch(`${bridge.told.url}/metrics`, { headers: { authorization: `Bearer ${metricsToken}` } });
    return Array.from((await response.text()).matchAll(/mints_total\{[^}]*\} (\d+)/g)).reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const bridgePid = bridge.process.pid!;
  return { urlOf, pid: workerd.pid, directory, bridgePid, countMints, wallet, startMs: performance.now() - startedMs, close };
}

/** A process that tells on its first line where it is, and ends when it is let go. */
async function startPart<Told>(
  file: 'origin.ts' | 'bridge.ts',
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly process: ChildProcess; readonly told: Told }> {
  const part = spawn(process.execPath, [new URL(file, import.meta.url).pathname], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const line = await new Promise<string>((resolve) => createInterface({ input: part.stdout! }).once('line', resolve));
  return { process: part, told: JSON.parse(line) as Told };
}
