/*
 * A flood of one client that does not pay, at a stated rate, beside one that has paid: what the flood costs the node, the
 * memory of both processes, and those who pay. Effects: requests.
 */
import { Worker } from 'node:worker_threads';
import { countRows } from '#support/object-rows.ts';
import { runAtRate } from '#support/open-loop.ts';
import { makeToken } from '#support/tokens.ts';
import type { FloodOrder } from './flood-thread.ts';
import { readResidentKib } from './process-facts.ts';
import { percentile } from './statistics.ts';
import { type BenchSystem } from './system.ts';

export interface FloodOptions {
  readonly requests: number;
  /** Less where that is more than half of what the gateway can take. */
  readonly mostPerSecond: number;
}

export interface FloodFigures {
  readonly requests: number;
  readonly per_second: number;
  /** Answers a second to the same requests at twice the rate, and by status. */
  readonly capacity_rps: number;
  readonly capacity_answers: Readonly<Record<string, number>>;
  /** Answers by status. */
  readonly answers: Readonly<Record<string, number>>;
  /** Invoices that were asked of the node, by anyone. */
  readonly node_asked: number;
  readonly payer: { readonly calls: number; readonly refused: number; readonly calm_p99_ms: number; readonly p99_ms: number };
  /** That the quota objects have got. */
  readonly rows: number;
  /** Beside what they were in calm. */
  readonly gateway_kib: number;
  readonly bridge_kib: number;
}

const CONNECTIONS = 32;
const PAID_PER_SECOND = 20;
/** Beside a long flood the calm is longer, so that its p99 is one. */
const LEAST_CALM_SECONDS = 3;
const MOST_CALM_SECONDS = 20;
const CAPACITY_SECONDS = 2;
/** The two are in one quota object: they are neighbours of one /48. */
const FLOODER = '2001:db8:1:1::1';
const PAYER = '2001:db8:1:2::1';
/** Somebody else altogether. */
const PROBER = '2001:db8:7:1::1';

/** Floods a route that has the quota of a gateway by default. */
export async function measureFlood(system: BenchSystem, { requests, mostPerSecond }: FloodOptions): Promise<FloodFigures> {
  const url = system.urlOf('gateway', '/quota');
  // All of one client, and not of the one that floods.
  const floodBy = (client: string) => `GET /quota HTTP/1.1\r\nhost: gateway.test\r\nx-forwarded-for: ${client}\r\n\r\n`;
  const asked = { port: Number(new URL(url).port), text: floodBy(PROBER), connections: CONNECTIONS };
  // At twice the rate, whatever is answered: beyond its bounds a client gets 429, and that is an answer too.
  const capacityAnswers = await floodInThread({ ...asked, perSecond: 2 * mostPerSecond, seconds: CAPACITY_SECONDS });
  const capacity = Object.values(capacityAnswers).reduce((sum, count) => sum + count, 0) / CAPACITY_SECONDS;
  const perSecond = Math.floor(Math.min(mostPerSecond, capacity / 2));
  const seconds = Math.ceil(requests / perSecond);
  const calmSeconds = Math.min(MOST_CALM_SECONDS, Math.max(LEAST_CALM_SECONDS, Math.floor(seconds / 4)));
  const tokens = await Promise.all(
    Array.from({ length: PAID_PER_SECOND * (calmSeconds + seconds) }, () => makeToken({ service: 'quota', id: { shardBits: 0 } })),
  );
  const times: number[] = [];
  let refused = 0;
  const pay = async () => {
    const sentMs = performance.now();
    const { authorization } = tokens.pop()!;
    const response = await fetch(url, { headers: { authorization, 'x-forwarded-for': PAYER } });
    await response.arrayBuffer();
    times.push(performance.now() - sentMs);
    if (response.status !== 200) refused += 1;
  };
  const payFor = async (forSeconds: number) => {
    times.length = 0;
    const calls: Promise<void>[] = [];
    await runAtRate(() => tokens.length > 0 && calls.push(pay()), { perSecond: PAID_PER_SECOND, seconds: forSeconds });
    await Promise.all(calls);
    return Math.round(percentile(times, 99) * 100) / 100;
  };
  const memory = () => [readResidentKib(system.pid), readResidentKib(system.bridgePid)] as const;
  const calmP99Ms = await payFor(calmSeconds);
  const [gatewayBefore, bridgeBefore] = memory();
  const mintedBefore = await system.countMints();
  const rowsBefore = countQuotaRows(system.directory);
  const order = { ...asked, text: floodBy(FLOODER), perSecond, seconds };
  const [p99Ms, answers] = await Promise.all([payFor(seconds), floodInThread(order)]);
  const [gatewayAfter, bridgeAfter] = memory();
  return {
    requests: perSecond * seconds,
    per_second: perSecond,
    capacity_rps: Math.round(capacity),
    capacity_answers: capacityAnswers,
    answers,
    node_asked: (await system.countMints()) - mintedBefore,
    payer: { calls: times.length, refused, calm_p99_ms: calmP99Ms, p99_ms: p99Ms },
    rows: countQuotaRows(system.directory) - rowsBefore,
    gateway_kib: gatewayAfter - gatewayBefore,
    bridge_kib: bridgeAfter - bridgeBefore,
  };
}

function floodInThread(order: FloodOrder): Promise<FloodFigures['answers']> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('flood-thread.ts', import.meta.url), { workerData: order });
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}

function countQuotaRows(directory: string): number {
  return [...countRows(directory)].reduce((sum, [table, rows]) => sum + (table.startsWith('Quota.') ? rows : 0), 0);
}
