/*
 * Calls that the origin did not answer: what is said of the payment is what is true of it (M11, M16).
 */
import { describe, expect, it } from 'vitest';
import { type Gateway } from '#src/config/config.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { type Lease } from '#src/ports.ts';
import { testGateway } from '#support/test-gateway.ts';
import { makeToken } from '#support/tokens.ts';
import { openGateway } from './front-door.ts';

const unreachable: GateDeps['origin'] = () => Promise.reject(new Error('refused'));
/** Answers never, and gives in when it is told to. */
const silent: GateDeps['origin'] = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
const atOnce: GateDeps['wait'] = () => Promise.resolve();

/** A claim that is granted, and whose outcome cannot be recorded. */
const unrecorded = (): Partial<GateDeps> => {
  const lease: Lease = { finish: () => Promise.reject(new Error('object gone')) };
  return { claims: { reserve: () => Promise.resolve({ kind: 'granted', remaining: 0, left: [], lease }) } };
};

/** What a caller is told, and what was logged as the sale. */
async function buy(parts: Partial<GateDeps>, { gateway = testGateway, ...init }: RequestInit & { gateway?: Gateway } = {}) {
  const door = openGateway(gateway, { parts });
  const { authorization } = await makeToken({ service: 'call' });
  const response = await door.ask('/call/unanswered', { ...init, headers: { authorization } });
  const { status, headers } = response;
  const sale = door.logged.find(([event]) => event === 'use')?.[1];
  const told = { status, remaining: headers.get('l402-remaining'), retryAfter: headers.get('retry-after'), sale: sale?.['outcome'] };
  return { response, told };
}

type Body = { readonly code: string; readonly hint: string; readonly remaining?: number; readonly retry_after_seconds?: number };

describe('a paid call without an answer', () => {
  it('M16: says that the payment is still good when it was released', async () => {
    const { response, told } = await buy({ origin: unreachable });
    expect(told).toEqual({ status: 502, remaining: '1', retryAfter: '5', sale: 'released' });
    const body = await response.json<Body>();
    expect(body).toMatchObject({ code: 'origin_unreachable', remaining: 1, retry_after_seconds: 5 });
    expect(body.hint).toContain('still good');
  });

  it('M11 M16: says that the call was counted when its client went away and no answer came in 25 seconds', async () => {
    const gone = new AbortController();
    const waits: { readonly ms: number; readonly done: () => void }[] = [];
    const wait: GateDeps['wait'] = (ms) => new Promise((done) => void waits.push({ ms, done }));
    const origin: GateDeps['origin'] = (request) => {
      const answer = silent(request);
      gone.abort();
      queueMicrotask(() => waits.find(({ ms }) => ms === 25_000)?.done());
      return answer;
    };
    // Only a time limit beyond those 25 seconds leaves something to watch for.
    const patient = { ...testGateway, originTimeoutSeconds: 60 };
    const { response, told } = await buy({ origin, wait }, { signal: gone.signal, gateway: patient });
    expect(told).toEqual({ status: 504, remaining: '0', retryAfter: null, sale: 'counted' });
    const body = await response.json<Body>();
    expect(body).toMatchObject({ code: 'origin_timeout', remaining: 0 });
    expect(body.hint).toContain('was counted');
    expect(body.hint).not.toContain('still good');
  });

  it.each([
    ['unreachable', { origin: unreachable }, 502],
    ['too slow', { origin: silent, wait: atOnce }, 504],
  ])('M16: promises nothing when the origin was %s and that cannot be recorded: held until the lease ends', async (_, parts, status) => {
    const { response, told } = await buy({ ...unrecorded(), ...parts });
    // testGateway gives its origin one second; a lease has a minute more.
    expect(told).toEqual({ status, remaining: null, retryAfter: '61', sale: 'in_doubt' });
    const body = await response.json<Body>();
    expect(body).not.toHaveProperty('remaining');
    expect(body.hint).toContain('held');
    expect(body.hint).not.toContain('still good');
  });
});

describe('an answer of the origin whose outcome cannot be recorded', () => {
  it('M16: is passed on without a word about what is left when the payment was to be released', async () => {
    const origin: GateDeps['origin'] = () => Promise.resolve(new Response('busy', { status: 503 }));
    expect((await buy({ ...unrecorded(), origin })).told).toMatchObject({ status: 503, remaining: null, sale: 'in_doubt' });
  });

  it('M16: leaves nothing of the payment when the call was done', async () => {
    expect((await buy(unrecorded())).told).toMatchObject({ status: 200, remaining: '0', sale: 'counted' });
  });
});

describe('a free call without an answer', () => {
  it.each([
    ['unreachable', { origin: unreachable }, { status: 502, code: 'origin_unreachable' }],
    ['too slow', { origin: silent, wait: atOnce }, { status: 504, code: 'origin_timeout' }],
  ])('speaks of no payment when the origin was %s', async (_, parts, { status, code }) => {
    const response = await openGateway(testGateway, { parts }).ask('/free/unanswered');
    expect([response.status, response.headers.get('retry-after'), response.headers.has('l402-remaining')]).toEqual([status, '5', false]);
    const body = await response.json<Body>();
    expect(body).toMatchObject({ code });
    expect(body.hint).toContain('Nothing was charged');
  });
});
