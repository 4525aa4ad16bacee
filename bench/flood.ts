/*
 * A flood of unpaid requests from one client beside another that pays, whose quota lies in the same object: what the node is
 * asked, what is written, what it costs in memory, and how long those who pay wait. Effects: processes, threads, files in
 * a folder of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'node:http';
import { Worker } from 'node:worker_threads';
import { buildWorker } from '#local/build-worker.ts';
import { startWorkerd } from '#local/workerd-process.ts';
import { decodeIdentifier } from '#protocol/identifier.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { decodeTokenId } from '#protocol/token-id.ts';
import { countRows } from '#support/object-rows.ts';
import { TOKEN_SECRET_HEX } from '#support/tokens.ts';
import type { FloodTold, PayTold, ThreadOrder } from './flood-threads.ts';
import { measureLoad } from './load.ts';
import { readMints, startParts } from './parts-process.ts';
import { readResidentKib } from './process-facts.ts';
import { type FloodReport } from './report.ts';
import { percentile, round2 } from './statistics.ts';

const REQUESTS = 100_000;
const CONNECTIONS = 32;
/** Nobody floods faster than half of what the gateway can take, or than this. */
const FASTEST = 4000;
const CAPACITY_SECONDS = 3;
const CALM_SECONDS = 20;
const WARM_UP_SECONDS = 3;
const PAID_PER_SECOND = 20;
const CALLS_OF_EACH = 10;
const FLOODER = '127.0.0.1';

/** Floods once; some minute. */
export async function measureFlood(): Promise<FloodReport> {
  const directory = mkdtempSync(join(tmpdir(), 'l402-flood-'));
  const bundlePath = await buildWorker({ outDirectory: 'dist/bench', entry: 'test/workerd/entries/flood-worker.ts' });
  const secretHex = 'bb'.repeat(32);
  const parts = await startParts({ secretHex });
  const { originUrl, bridgeUrl, wallet } = parts;
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
    ],
    environment: { TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: secretHex },
    onLine: () => undefined,
  });
  try {
    const port = workerd.ports['gateway']!;
    const localAddress = await findNeighbour(port);
    const payFor = (seconds: number) => {
      const paying = { kind: 'pay', localAddress, wallet, callsOfEach: CALLS_OF_EACH } as const;
      return inThread<PayTold>({ ...paying, port, seconds, perSecond: PAID_PER_SECOND });
    };
    const memory = () => ({ gateway: readResidentKib(workerd.pid), bridge: readResidentKib(parts.pid) });
    await payFor(WARM_UP_SECONDS);
    const url = `http://${FLOODER}:${port}/paid`;
    const { rps: capacity } = await measureLoad({ url, seconds: CAPACITY_SECONDS, expectedStatus: 402, fromMany: false, pid: workerd.pid });
    const calm = await payFor(CALM_SECONDS);
    const before = { ...memory(), mints: await readMints(bridgeUrl) };
    const perSecond = Math.floor(Math.min(FASTEST, capacity / 2));
    const seconds = REQUESTS / perSecond;
    console.error(`flood: ${perSecond}/s of at most ${Math.round(capacity)}/s, for ${Math.ceil(seconds)} s`);
    const [flood, paid] = await Promise.all([
      inThread<FloodTold>({ kind: 'flood', connections: CONNECTIONS, port, perSecond, seconds }),
      payFor(seconds),
    ]);
    const after = memory();
    const asked = (await readMints(bridgeUrl)) - before.mints;
    await workerd.kill('SIGTERM');
    const ofCalm = timesOf(calm);
    const ofFlood = timesOf(paid);
    return {
      requests: flood.sent,
      capacity_rps: Math.round(capacity),
      rps: perSecond,
      answers: flood.answers,
      node_asked: asked,
      node_asked_part: Math.round((asked / flood.sent) * 1e5) / 1e5,
      rows: countQuotaRows(directory),
      gateway_kib: { calm: before.gateway, flood: after.gateway },
      bridge_kib: { calm: before.bridge, flood: after.bridge },
      payer: {
        rps: PAID_PER_SECOND,
        purchases: paid.purchases,
        refused: calm.refused.length + paid.refused.length,
        calm_p50_ms: ofCalm.p50,
        calm_p99_ms: ofCalm.p99,
        p50_ms: ofFlood.p50,
        p99_ms: ofFlood.p99,
        p99_ratio: round2(ofFlood.p99 / ofCalm.p99),
      },
    };
  } finally {
    await workerd.kill('SIGTERM');
    parts.close();
    rmSync(directory, { recursive: true });
  }
}

/** Another address of loopback whose quota lies in the same object: tokens begin with the place where their challenge is counted. */
async function findNeighbour(port: number): Promise<string> {
  const placeOf = async (localAddress: string) => {
    const token = parseToken((JSON.parse(await askUnpaid({ port, localAddress })) as { token: string }).token);
    const identifier = token.ok ? decodeIdentifier(token.value.identifier) : token;
    const id = identifier.ok ? decodeTokenId(identifier.value.tokenId) : identifier;
    if (!id.ok) throw new Error(id.refusal.code);
    return id.value.random[0];
  };
  const place = await placeOf(FLOODER);
  for (let last = 2; last < 255; last++) if ((await placeOf(`127.0.0.${last}`)) === place) return `127.0.0.${last}`;
  throw new Error('every address of this network is counted elsewhere');
}

function askUnpaid(from: { readonly port: number; readonly localAddress: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...from, host: FLOODER, path: '/paid' }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => void (body += chunk));
      response.once('end', () => resolve(body));
    });
    sent.once('error', reject);
    sent.end();
  });
}

function inThread<Told>(order: ThreadOrder): Promise<Told> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('flood-threads.ts', import.meta.url), { workerData: order });
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}

function timesOf({ times }: PayTold): { readonly p50: number; readonly p99: number } {
  return { p50: round2(percentile(times, 50)), p99: round2(percentile(times, 99)) };
}

function countQuotaRows(directory: string): number {
  return [...countRows(directory)].reduce((sum, [table, rows]) => sum + (table.startsWith('Quota.') ? rows : 0), 0);
}
