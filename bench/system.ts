/*
 * What is measured, started: the origin and the bridge in a process of their own, and one workerd with the gateway, the same
 * gateway once more with objects that count, and the yardsticks. Effects: processes, and files in a folder of its own.
 */
import { spawn } from 'node:child_process';
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
  /** Of the process that holds origin, bridge and node. */
  readonly partsPid: number;
  /** Invoices that the node has made. */
  readonly countMints: () => Promise<number>;
  readonly wallet: WalletAddress;
  /** From nothing to the first answer. */
  readonly startMs: number;
  close(): Promise<void>;
}

/** What parts.ts tells on its first line. */
export interface PartAddresses {
  readonly originUrl: string;
  readonly bridgeUrl: string;
  readonly metricsToken: string;
  readonly wallet: WalletAddress;
}

/** Builds the Workers and starts everything. */
export async function startBenchSystem({ originDelayMs = 0 }: { originDelayMs?: number } = {}): Promise<BenchSystem> {
  const directory = mkdtempSync(join(tmpdir(), 'l402-bench-'));
  const bundlePath = await buildWorker({ outDirectory: 'dist/bench', entry: 'test/workerd/entries/bench-worker.ts' });
  const meteredPath = await buildWorker({ outDirectory: 'dist/bench', entry: 'test/workerd/entries/metered-worker.ts' });
  const secretHex = 'bb'.repeat(32);
  const parts = spawn(process.execPath, [new URL('parts.ts', import.meta.url).pathname], {
    env: { ...process.env, BRIDGE_SECRET_HEX: secretHex, ORIGIN_DELAY_MS: `${originDelayMs}` },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const { originUrl, bridgeUrl, metricsToken, wallet } = await new Promise<PartAddresses>((resolve) => {
    createInterface({ input: parts.stdout! }).once('line', (line) => resolve(JSON.parse(line) as PartAddresses));
  });
  const startedMs = performance.now();
  const gateway = {
    port: 0,
    bundlePath,
    variables: { ORIGIN_URL: originUrl, BRIDGE_URL: bridgeUrl, NETWORK: 'regtest' },
    secrets: { TOKEN_SECRET_1: 'TOKEN_SECRET_1', BRIDGE_SECRET: 'BRIDGE_SECRET' },
  };
  const yardstick = { port: 0, variables: { ORIGIN_URL: originUrl }, secrets: {} };
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
    parts.disconnect();
    rmSync(directory, { recursive: true });
  };
  const health = await fetch(urlOf('gateway', '/_l402/health'));
  if (!health.ok) {
    await close();
    throw new Error(`the gateway is not healthy: ${health.status}`);
  }
  const countMints = async () => {
    const response = await fetch(`${bridgeUrl}/metrics`, { headers: { authorization: `Bearer ${metricsToken}` } });
    return Array.from((await response.text()).matchAll(/mints_total\{[^}]*\} (\d+)/g)).reduce((sum, [, count]) => sum + Number(count), 0);
  };
  return { urlOf, pid: workerd.pid, directory, partsPid: parts.pid!, countMints, wallet, startMs: performance.now() - startedMs, close };
}
