/*
 * The same mixed load for long: every answer is the one that is due, memory comes to rest, and on disk there is a row for
 * each payment that was used, and for nothing else more than a bound. Half an hour in the long run; the short one shows that
 * it would be seen.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { msat } from '#protocol/msat.ts';
import { countRows } from '#support/object-rows.ts';
import { runAtRate } from '#support/open-loop.ts';
import { type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';
import { createCaller } from './caller.ts';
import { startPair } from './pair.ts';
import { createChance, SEED, sized, tell } from './seed.ts';
import { CALLS_SOLD, CHEAP_SATS, CREDIT_SATS } from './shop.ts';

const SECONDS = sized({ short: 24, long: 1800 });
const PER_SECOND = 100;
const SAMPLES = 12;
/** Those who do not pay: each has a row, and so have they all together, in each of sixteen objects. */
const CLIENTS = 200;
const QUOTA_OBJECTS = 16;
/** Blocks of the pool that lie in one object, and what was asked for: one offer is sold to those who do not pay. */
const POOL_ROWS = 64;
/** Of workerd, from its most in the first half to its most in the second. */
const MOST_GROWTH_MIB = 64;
const MOST_RESIDENT_MIB = 640;
/** Calls that wait for their answer, at this rate. */
const MOST_UNDER_WAY = PER_SECOND;
const PASSES = 10;
const SPENT_KEPT = 50;

let system: TestSystem;

beforeAll(async () => {
  system = await startPair();
  system.origin.respond = (request, response) => void response.writeHead(request.url!.endsWith('/503') ? 503 : 200).end('done');
});
afterAll(() => system.close());

function residentMib(): number {
  // Linux only; elsewhere there is no figure, and nothing to hold it against.
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${system.pid}/status`, 'utf8'))![1]) / 1024;
  } catch {
    return 0;
  }
}

interface Sold {
  readonly authorization: string;
  left: number;
}

/** What is asked for in one call, and the answer that is due. */
interface Due {
  readonly path: string;
  readonly status: number;
  readonly authorization?: string;
  readonly client?: string;
  readonly done?: () => void;
}

/** Chooses calls, and counts the payments whose use has left a row. */
function createLoad() {
  const chance = createChance(SEED);
  const spent: string[] = [];
  const counts = { payments: 0 };
  const open: { calls?: Sold; credit?: Sold } = {};
  const sell = async (kind: 'calls' | 'credit'): Promise<string> => {
    const found = open[kind];
    if (found !== undefined && found.left > 0) {
      found.left -= 1;
      return found.authorization;
    }
    counts.payments += 1;
    const isCalls = kind === 'calls';
    const access = isCalls
      ? ({ kind: 'calls', calls: CALLS_SOLD } as const)
      : ({ kind: 'credit', creditMsat: msat(BigInt(CREDIT_SATS * 1000)) } as const);
    const { authorization } = await makeToken({ service: kind, id: { shardBits: 0 }, terms: { access } });
    open[kind] = { authorization, left: (isCalls ? CALLS_SOLD : CREDIT_SATS / CHEAP_SATS) - 1 };
    return authorization;
  };
  const sellOne = async () => {
    counts.payments += 1;
    return (await makeToken({ service: 'call', id: { shardBits: 0 } })).authorization;
  };
  const passes = Promise.all(
    Array.from({ length: PASSES }, () =>
      makeToken({ service: 'pass', terms: { access: { kind: 'pass' }, validUntilSeconds: endOfRun() } }),
    ),
  );
  const kinds: readonly (readonly [number, () => Promise<Due> | Due])[] = [
    [30, async () => ({ path: '/pass/x', status: 200, authorization: chance.pick(await passes).authorization })],
    [15, async () => ({ path: '/calls/x', status: 200, authorization: await sell('calls') })],
    [10, async () => ({ path: '/credit/cheap/x', status: 200, authorization: await sell('credit') })],
    [
      15,
      async () => {
        const authorization = await sellOne();
        const done = () => void (spent.push(authorization) > SPENT_KEPT && spent.shift());
        return { path: '/call/x', status: 200, authorization, done };
      },
    ],
    [5, async () => ({ path: '/call/503', status: 503, authorization: await sellOne() })],
    [5, () => (spent.length === 0 ? { path: '/free', status: 200 } : { path: '/call/x', status: 402, authorization: chance.pick(spent) })],
    [10, () => ({ path: '/call/x', status: 402, client: `10.0.0.${chance.below(CLIENTS)}` })],
    [5, () => ({ path: '/a//b', status: 400 })],
    [5, () => ({ path: '/free', status: 200 })],
  ];
  const weighed = kinds.flatMap(([times, choose]) => Array.from({ length: times }, () => choose));
  return { choose: () => chance.pick(weighed)(), counts, port: () => system.ports[chance.pick(['gateway', 'second'])]! };
}

const endOfRun = () => Math.floor(Date.now() / 1000) + SECONDS + 3600;

describe('a long time of mixed load', () => {
  it(`${SECONDS} s at ${PER_SECOND} calls a second: memory and rows are flat`, { timeout: (SECONDS + 120) * 1000 }, async () => {
    const load = createLoad();
    const caller = createCaller();
    const answers = new Map<string, number>();
    const wrong: string[] = [];
    const memory: number[] = [];
    const rows: { readonly payments: number; readonly counts: ReadonlyMap<string, number> }[] = [];
    const callOnce = async () => {
      const { path, status, client, done, authorization } = await load.choose();
      const headers = client === undefined ? {} : { 'x-forwarded-for': client };
      const answer = await caller.call({ port: load.port(), path, headers, ...(authorization === undefined ? {} : { authorization }) });
      const label = `${path} ${answer === 'cut' ? 'cut' : `${answer.status} ${answer.code}`.trim()}`;
      answers.set(label, (answers.get(label) ?? 0) + 1);
      if (answer === 'cut' || answer.status !== status) wrong.push(label);
      else done?.();
    };
    const calls = new Set<Promise<void>>();
    const start = () => {
      const call = callOnce().finally(() => calls.delete(call));
      calls.add(call);
    };
    for (let sample = 0; sample < SAMPLES; sample++) {
      await runAtRate(start, { perSecond: PER_SECOND, seconds: SECONDS / SAMPLES });
      memory.push(residentMib());
      // Those that are under way have not been counted yet, and may have a row.
      rows.push({ payments: load.counts.payments, counts: countRows(system.directory) });
      system.origin.seen.length = 0;
    }
    await Promise.all(calls);
    caller.hangUp();
    const last = rows.at(-1)!;
    tell(
      `${SECONDS} s: ${[...answers].map(([label, times]) => `${times} x ${label}`).join(', ')}; workerd ${memory.map(Math.round).join(', ')} MiB; ` +
        `${last.payments} payments, rows ${[...last.counts].map(([table, count]) => `${table} ${count}`).join(', ')}`,
    );
    expect(wrong).toEqual([]);
    const most = (from: number, to: number) => Math.max(...memory.slice(from, to));
    expect(most(SAMPLES / 2, SAMPLES) - most(0, SAMPLES / 2)).toBeLessThan(MOST_GROWTH_MIB);
    expect(most(0, SAMPLES)).toBeLessThan(MOST_RESIDENT_MIB);
    for (const { payments, counts } of rows) {
      const sum = (prefix: string) => [...counts].reduce((total, [table, count]) => total + (table.startsWith(prefix) ? count : 0), 0);
      // A pass leaves a row too: that it was sold.
      expect(sum('ReplaySet.payments_')).toBeLessThanOrEqual(payments + PASSES);
      expect(sum('ReplaySet.open_uses_')).toBeLessThanOrEqual(MOST_UNDER_WAY);
      expect(sum('Quota.rows_')).toBeLessThanOrEqual(CLIENTS + QUOTA_OBJECTS);
      // Those who show a payment that is used up are counted by it.
      expect(sum('Quota.paid_')).toBeLessThanOrEqual(payments + QUOTA_OBJECTS);
      expect(sum('Quota.pool_') + sum('Quota.demand_')).toBeLessThanOrEqual(QUOTA_OBJECTS * POOL_ROWS);
    }
  });
});
