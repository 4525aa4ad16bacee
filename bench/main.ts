/*
 * `npm run bench`: what the gateway costs beside a bare proxy, on the same raw workerd, in the same run, interleaved.
 * `-- --json` prints one object, `-- --rounds N` and `-- --seconds N` change the length.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { buildWorker } from '#local/build-worker.ts';
import { startWorkerd } from '#local/workerd-process.ts';
import { makeToken, TOKEN_SECRET_HEX } from '#support/tokens.ts';
import { measureLoad } from './load.ts';

const HELP = `Usage: npm run bench -- [--json] [--rounds N] [--seconds N]

Measures on loopback, bounded in time: about 4 x rounds x (seconds + 1) seconds.
`;
const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help === true) {
  process.stdout.write(HELP);
  process.exit(0);
}
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
/** More than any round can use up. */
const TOKENS_A_ROUND = seconds * 8000;
const SERVICE = 'bench';

const directory = mkdtempSync(join(tmpdir(), 'l402-bench-'));
const bundlePath = await buildWorker({ outDirectory: 'dist/bench', entry: 'test/workerd/entries/bench-worker.ts' });
const shippedPath = await buildWorker({ outDirectory: 'dist' });
const secretHex = 'bb'.repeat(32);
const parts = spawn(process.execPath, [new URL('parts.ts', import.meta.url).pathname], {
  env: { ...process.env, BRIDGE_SECRET_HEX: secretHex },
  stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
});
const { originUrl, bridgeUrl } = await new Promise<{ originUrl: string; bridgeUrl: string }>((resolve) => {
  createInterface({ input: parts.stdout! }).once('line', (line) => resolve(JSON.parse(line) as { originUrl: string; bridgeUrl: string }));
});
const startedMs = performance.now();
const workerd = await startWorkerd({
  directory,
  gateways: [
    {
      name: 'gateway',
      port: 0,
      bundlePath,
      variables: { ORIGIN_URL: originUrl, BRIDGE_URL: bridgeUrl, NETWORK: 'regtest' },
      secrets: { TOKEN_SECRET_1: 'TOKEN_SECRET_1', BRIDGE_SECRET: 'BRIDGE_SECRET' },
    },
    { name: 'proxy', port: 0, bundlePath: 'bench/bare-proxy.js', variables: { ORIGIN_URL: originUrl }, secrets: {}, claimsOf: 'gateway' },
  ],
  environment: { TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: secretHex },
  onLine: (line) => {
    if (line.includes('"fault"')) console.error(line);
  },
});
const urlOf = (name: string, path: string) => `http://127.0.0.1:${workerd.ports[name]}${path}`;
const health = await fetch(urlOf('gateway', '/_l402/health'));
if (!health.ok) throw new Error(`the gateway is not healthy: ${health.status}`);
const startupMs = performance.now() - startedMs;

const figures: Record<'proxy' | 'free' | 'single_use' | 'challenge', number[]> = { proxy: [], free: [], single_use: [], challenge: [] };
try {
  for (let round = 0; round <= rounds; round++) {
    const tokens = await Promise.all(Array.from({ length: TOKENS_A_ROUND }, () => makeToken({ service: SERVICE, id: { shardBits: 0 } })));
    const authorizations = tokens.map(({ authorization }) => authorization);
    const measured = {
      proxy: await measureLoad({ url: urlOf('proxy', '/paid'), seconds, expectedStatus: 200 }),
      free: await measureLoad({ url: urlOf('gateway', '/free'), seconds, expectedStatus: 200 }),
      single_use: await measureLoad({ url: urlOf('gateway', '/paid'), seconds, expectedStatus: 200, authorizations }),
      challenge: await measureLoad({ url: urlOf('gateway', '/paid'), seconds, expectedStatus: 402, fromMany: true }),
    };
    // The first round warms everything up.
    if (round > 0) for (const name of Object.keys(figures) as (keyof typeof figures)[]) figures[name].push(measured[name]);
    if (values.json !== true) console.error(`${round === 0 ? 'warm-up' : `round ${round}`}  ${JSON.stringify(measured)}`);
  }
} finally {
  await workerd.kill('SIGTERM');
  parts.disconnect();
  rmSync(directory, { recursive: true });
}

const rps = Object.fromEntries(Object.entries(figures).map(([name, runs]) => [name, Math.round(median(runs))])) as Record<
  keyof typeof figures,
  number
>;
const ratio = (name: 'free' | 'single_use') => round2(median(figures[name].map((value, index) => value / figures.proxy[index]!)));
const report = {
  yardstick: { proxy_rps: rps.proxy },
  free: { rps: rps.free, ratio: ratio('free') },
  single_use: { rps: rps.single_use, ratio: ratio('single_use') },
  challenge: { rps: rps.challenge },
  bundle: { gzip_bytes: gzipSync(readFileSync(shippedPath), { level: 9 }).length },
  startup_ms: Math.round(startupMs),
};
console.log(values.json === true ? JSON.stringify(report) : table(report));

function median(runs: readonly number[]): number {
  const sorted = runs.toSorted((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}

function table({ yardstick, free, single_use: singleUse, challenge, bundle, startup_ms: startup }: typeof report): string {
  return [
    `bare proxy   ${yardstick.proxy_rps} requests/s`,
    `free         ${free.rps} requests/s, ${free.ratio} of the bare proxy`,
    `single use   ${singleUse.rps} requests/s, ${singleUse.ratio} of the bare proxy`,
    `challenge    ${challenge.rps} 402s/s with the embedded node`,
    `bundle       ${bundle.gzip_bytes} bytes gzip`,
    `start        ${startup} ms from nothing to the first answer`,
  ].join('\n');
}
