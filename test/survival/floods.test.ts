/*
 * Floods at stated rates, of which none pays, beside clients that do: every paid call is answered, and the memory of
 * workerd stays within a number. How long the paid calls take is told, not asserted.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';
import { createCaller, type Answer } from './caller.ts';
import { holdConnections, openHoses, runAtRate } from '#support/open-loop.ts';
import { createChance, SEED, sized, tell } from './seed.ts';

const SECONDS = sized({ short: 3, long: 60 });
const PAID_PER_SECOND = 20;
/** Of the whole process, at the end of each flood. */
const MOST_RESIDENT_MIB = 512;
const IDLE_CONNECTIONS = 5000;
const SLOW_BODIES = 200;

const CLIENTS = 5000;

let system: TestSystem;
let port: number;
let calmP99Ms = Number.NaN;

beforeAll(async () => {
  system = await startTestSystem([{ name: 'gateway', bundle: 'survival' }]);
  system.origin.respond = (_, response) => void response.end('done');
  port = system.ports['gateway']!;
});
afterAll(() => system.close());

function residentMib(): number {
  // Linux only; elsewhere there is no figure, and nothing to hold it against.
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${system.pid}/status`, 'utf8'))![1]) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** Pays at a stated rate while something else goes on, and tells how that went. */
async function payDuring(name: string, flood: () => Promise<string>): Promise<void> {
  const tokens = await Promise.all(Array.from({ length: PAID_PER_SECOND * SECONDS }, () => makeToken({ service: 'call' })));
  const caller = createCaller();
  const before = residentMib();
  const calls: Promise<{ answer: Answer | 'cut'; ms: number }>[] = [];
  const pay = () => {
    const token = tokens.pop();
    if (token === undefined) return;
    const sentMs = performance.now();
    const { authorization } = token;
    calls.push(caller.call({ port, path: '/call/x', authorization }).then((answer) => ({ answer, ms: performance.now() - sentMs })));
  };
  const [told] = await Promise.all([flood(), runAtRate(pay, { perSecond: PAID_PER_SECOND, seconds: SECONDS })]);
  const paid = await Promise.all(calls);
  const after = residentMib();
  caller.hangUp();
  const times = paid.map(({ ms }) => ms).toSorted((one, other) => one - other);
  const p99 = times[Math.floor(times.length * 0.99)]!;
  if (Number.isNaN(calmP99Ms)) calmP99Ms = p99;
  tell(
    `${name}: ${told}; ${paid.length} paid calls at ${PAID_PER_SECOND}/s, p50 ${Math.round(times[times.length >> 1]!)} ms, p99 ${Math.round(p99)} ms (${(p99 / calmP99Ms).toFixed(1)} x calm); ` +
      `workerd ${Math.round(before)} MiB before, ${Math.round(after)} MiB after`,
  );
  expect(paid.filter(({ answer }) => answer === 'cut' || answer.status !== 200)).toEqual([]);
  expect(paid.length).toBeGreaterThanOrEqual(PAID_PER_SECOND * SECONDS - 1);
  if (!Number.isNaN(after)) expect(after).toBeLessThan(MOST_RESIDENT_MIB);
}

/** Writes what chance picks, at a rate, over so many connections. */
async function flood(texts: readonly string[], { perSecond, connections }: { perSecond: number; connections: number }): Promise<string> {
  const chance = createChance(SEED);
  const hoses = openHoses(port, connections);
  await runAtRate(() => hoses.write(chance.pick(texts)), { perSecond, seconds: SECONDS });
  hoses.close();
  return `${perSecond}/s over ${connections} connections (${[...hoses.counts].map(([label, times]) => `${times} x ${label}`).join(', ')})`;
}

const get = (path: string, fields = '') => `GET ${path} HTTP/1.1\r\nhost: gateway.test\r\n${fields}\r\n`;

describe('M22: payers are served', () => {
  // The first calls of a gateway that has just begun are no calm.
  it('from the first call on', () => payDuring('beginning', () => Promise.resolve('nobody else')));

  it('in calm', () => {
    calmP99Ms = Number.NaN;
    return payDuring('calm', () => Promise.resolve('nobody else'));
  });

  it('while one client asks for invoices and pays none', () =>
    payDuring('unpaid, one client', () => flood([get('/flood/x', 'x-forwarded-for: 192.0.2.1\r\n')], { perSecond: 500, connections: 50 })));

  it(`while ${CLIENTS} clients ask for invoices and pay none`, () => {
    const texts = Array.from({ length: CLIENTS }, (_, at) => get('/flood/x', `x-forwarded-for: 10.1.${at >> 8}.${at & 255}\r\n`));
    return payDuring('unpaid, many clients', () => flood(texts, { perSecond: 500, connections: 50 }));
  });

  it('while garbage comes: paths that are none, tokens that are forged, texts that are no credential', async () => {
    const forged = await makeToken({ service: 'call', secret: new Uint8Array(32).fill(1) });
    const texts = [
      get('/a//b'),
      get('/a%2fb'),
      get('/call/../x'),
      get('/race/call/x', `authorization: ${forged.authorization}\r\n`),
      get('/race/call/x', 'authorization: L402 AgEEbHNhdA==:00\r\n'),
      get('/race/call/x'),
    ];
    await payDuring('garbage', () => flood(texts, { perSecond: 500, connections: 50 }));
  });

  it('while headers of 60 KiB come', () => {
    const long = 'A'.repeat(60 * 1024);
    const texts = [
      get('/race/call/x', `authorization: L402 ${long}:${'0'.repeat(64)}\r\n`),
      get('/race/call/x', `x-long: ${long}\r\n`),
      get(`/race/call/${long}`),
    ];
    return payDuring('huge headers', () => flood(texts, { perSecond: 50, connections: 50 }));
  });

  it('while bodies of calls that are paid for come a byte at a time', () =>
    payDuring('slow bodies', async () => {
      const hoses = openHoses(port, SLOW_BODIES);
      const tokens = await Promise.all(Array.from({ length: SLOW_BODIES }, () => makeToken({ service: 'call' })));
      for (const { authorization } of tokens) {
        hoses.write(`POST /call/x HTTP/1.1\r\nhost: gateway.test\r\nauthorization: ${authorization}\r\ncontent-length: 1000000\r\n\r\n`);
      }
      const perSecond = SLOW_BODIES * 5;
      await runAtRate(() => hoses.write('x'), { perSecond, seconds: SECONDS });
      hoses.close();
      return `${SLOW_BODIES} bodies, ${perSecond} bytes a second`;
    }));

  it(`while ${IDLE_CONNECTIONS} connections are open and say nothing, or half of something`, () =>
    payDuring('idle connections', async () => {
      const half = IDLE_CONNECTIONS / 2;
      const releases = [
        await holdConnections(port, { count: half, text: '' }),
        await holdConnections(port, { count: half, text: 'GET /call/x HTTP/1.1\r\nhost: ga' }),
      ];
      await runAtRate(() => undefined, { perSecond: 1, seconds: SECONDS });
      for (const release of releases) release();
      return `${IDLE_CONNECTIONS} connections`;
    }));
});
