/*
 * What is measured, started: the origin and the bridge in a process of their own, and one workerd with the gateway, the same
 * gateway once more with objects that count, and the yardsticks. Effects: processes, and files in a folder of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildWorker } from '#local/build-worker.ts';
import { type WalletAddress } from '#local/embedded-wallet.ts';
import { startWorkerd } from '#local/workerd-process.ts';
import { TOKEN_SECRET_HEX } from '#support/tokens.ts';
import { startParts } from './parts-process.ts';

/** The Workers of the process: the gateway, the gateway that counts, and the yardsticks. */
export type Part = 'gateway' | 'metered' | 'proxy' | 'objects';

export interface BenchSystem {
  readonly urlOf: (part: Part, path: string) => string;
  /** Of the workerd process. */
  readonly pid: number;
  readonly wallet: WalletAddress;
  /** From nothing to the first answer. */
  readonly startMs: number;
  close(): Promise<void>;
}

/** Builds the Workers and starts everything. */
export async function startBenchSystem({ originDelayMs = 0 }: { originDelayMs?: number } = {}): Promise<BenchSystem> {
  const directory = mkdtempSync(join(tmpdir(), 'l402-bench-'));
  const bundlePath = await buildWorker({ outDirectory: 'dist/bench', entry: 'test/workerd/entries/bench-worker.ts' });
  const meteredPath = await buildWorker({ outDirectory: 'dist/bench', entry: 'test/workerd/entries/metered-worker.ts' });
  const secretHex = 'bb'.repeat(32);
  const parts = await startParts({ secretHex, originDelayMs });
  const { originUrl, bridgeUrl, wallet } = parts;
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
    parts.close();
    rmSync(directory, { recursive: true });
  };
  const health = await fetch(urlOf('gateway', '/_l402/health'));
  if (!health.ok) {
    await close();
    throw new Error(`the gateway is not healthy: ${health.status}`);
  }
  return { urlOf, pid: workerd.pid, wallet, startMs: performance.now() - startedMs, close };
}
