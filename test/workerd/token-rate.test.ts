/*
 * How often one payment may be used (`tokenRate`): a true sliding window that is decided with the claim, in the same object call.
 */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { ClaimStore, type ClaimRequest } from '#durable-objects/claim-store.ts';
import { type ReplaySet } from '#durable-objects/replay-set.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { type Access } from '#protocol/access.ts';
import { makeToken } from '#support/tokens.ts';
import { codeOf, openGateway } from './front-door.ts';
import { watchObjectCalls } from './object-calls.ts';

const namespace = (env as unknown as { REPLAY_SET: DurableObjectNamespace<ReplaySet> }).REPLAY_SET;
const endsAtSeconds = Math.floor(Date.now() / 1000) + 3600;
const BOUND = { limit: 3, windowMs: 1000 };

function order(reservationId: string, changes: Partial<ClaimRequest> = {}): ClaimRequest {
  const paymentHash = new Uint8Array(32).fill(1).buffer;
  const rate = { key: 'payment 1000', bound: BOUND };
  return { paymentHash, reservationId, leaseMs: 90_000, endsAtSeconds, limit: 1000, cost: 1, draws: [], rate, ...changes };
}

/** A book of its own, in which every reservation is a transaction; opened anew for each if that is asked for. */
function openBook(name: string, run: (reserve: (request: ClaimRequest, nowMs: number) => string, reopen: () => void) => void) {
  return runInDurableObject(namespace.get(namespace.idFromName(name)), (_, { storage }) => {
    let book = new ClaimStore(storage.sql);
    const reserve = (request: ClaimRequest, nowMs: number) =>
      storage.transactionSync(() => {
        const { answer } = book.reserve(request, nowMs);
        book.write();
        book.settle();
        return answer.kind === 'granted' ? `granted, ${answer.rate?.remaining} left` : answer.kind;
      });
    run(reserve, () => (book = new ClaimStore(storage.sql)));
  });
}

describe('the rate of a payment', () => {
  it('D21: slides: a call comes back a window after it was made, and what is refused takes nothing', () =>
    openBook('slides', (reserve) => {
      const answers = [0, 400, 800, 999, 1000, 1399, 1400].map((nowMs) => reserve(order(`at ${nowMs}`), nowMs));
      expect(answers).toEqual([
        'granted, 2 left',
        'granted, 1 left',
        'granted, 0 left',
        'rated',
        'granted, 0 left',
        'rated',
        'granted, 0 left',
      ]);
    }));

  it('D21: passes a call exactly when fewer than the limit passed in the window that ends with it, whenever the object is put to sleep', async () => {
    let run = 0;
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 700 }), fc.boolean()), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(steps, (taken) =>
        openBook(`property ${run++}`, (reserve, reopen) => {
          let nowMs = 1_000_000;
          const passed: number[] = [];
          for (const [index, [stepMs, sleeps]] of taken.entries()) {
            nowMs += stepMs;
            if (sleeps) reopen();
            const isFree = passed.filter((instantMs) => instantMs > nowMs - BOUND.windowMs).length < BOUND.limit;
            expect(reserve(order(String(index)), nowMs).startsWith('granted')).toBe(isFree);
            if (isFree) passed.push(nowMs);
          }
        }),
      ),
      { numRuns: 30 },
    );
  });

  it('M10: is not used up by a reservation that is asked for twice, nor told of a payment that is spent', () =>
    openBook('repeated', (reserve) => {
      for (const id of ['a', 'a', 'a', 'b', 'c']) expect(reserve(order(id, { limit: 3 }), 0)).toMatch(/^granted/);
      expect(reserve(order('a', { limit: 3 }), 0)).toMatch(/^granted/);
      expect(reserve(order('d', { limit: 4 }), 0)).toBe('rated');
      expect(reserve(order('d', { limit: 3 }), 0)).toBe('in_flight');
    }));
});

describe('a route with a rate for each payment', () => {
  const tokenRate = { calls: 2, seconds: 60 };
  const gateway = {
    policy: { tokenRate },
    routes: [
      { match: 'GET /pack/*', service: 'pack', priceSats: 1, access: { calls: 100 } },
      { match: 'GET /pass/*', service: 'pass', priceSats: 1, access: { seconds: 3600 } },
      { match: 'GET /off/*', service: 'pack', priceSats: 1, access: { calls: 100 }, policy: { tokenRate: false as const } },
    ],
  };

  function openShop() {
    const calls: string[] = [];
    const door = openGateway(gateway, { bindings: watchObjectCalls(env, (name) => void (name === 'CONTROL' || calls.push(name))) });
    const ask = async (path: string, authorization: string) => {
      calls.length = 0;
      const { status, headers, ...answer } = await read(door.ask(path, { headers: { authorization } }));
      return { status, code: answer.code, limits: headers.get('ratelimit')?.replace(/t=[0-9]+/, 't'), headers, calls: [...calls] };
    };
    return { ask, door };
  }
  const read = async (asked: Promise<Response>) => {
    const response = await asked;
    return { status: response.status, headers: response.headers, code: await codeOf(response) };
  };
  const tokenOf = (service: string, access: Access) => makeToken({ service, terms: { access } });

  it('D21: turns the call after the limit away with 429, in the one object call of the claim, and takes nothing for it', async () => {
    const { ask, door } = openShop();
    const { authorization, token, preimage } = await tokenOf('pack', { kind: 'calls', calls: 100 });
    const narrowed = formatCredential({ scheme: 'L402', token: await attenuate(token, ['methods=GET']), preimage });
    expect(await ask('/pack/1', authorization)).toMatchObject({ status: 200, limits: '"token";r=1;t', calls: ['REPLAY_SET'] });
    expect(await ask('/pack/2', narrowed)).toMatchObject({ status: 200, limits: '"token";r=0;t', calls: ['REPLAY_SET'] });
    const over = await ask('/pack/3', authorization);
    expect(over).toMatchObject({ status: 429, code: 'rate_limited', limits: '"token";r=0;t', calls: ['REPLAY_SET'] });
    expect([over.headers.get('ratelimit-policy'), Number(over.headers.get('retry-after')) > 0]).toEqual(['"token";q=2;w=60', true]);
    expect(over.headers.has('www-authenticate')).toBe(false);
    expect((await ask('/off/4', authorization)).headers.get('l402-remaining')).toBe('97');
    const other = await tokenOf('pack', { kind: 'calls', calls: 100 });
    expect((await ask('/pack/5', other.authorization)).status).toBe(200);
    expect(door.seen).toHaveLength(4);
  });

  it('D21: is not counted where the payment is good for no more calls than that', async () => {
    const { ask } = openShop();
    const { authorization } = await tokenOf('pack', { kind: 'calls', calls: 2 });
    for (const path of ['/pack/1', '/pack/2']) expect(await ask(path, authorization)).toMatchObject({ status: 200, limits: undefined });
  });

  it('M15 D21: of 40 calls at once exactly the limit reaches the origin', async () => {
    const { ask, door } = openShop();
    const { authorization } = await tokenOf('pack', { kind: 'calls', calls: 100 });
    await Promise.all(Array.from({ length: 40 }, () => ask('/pack/race', authorization)));
    expect(door.seen).toEqual(['/pack/race', '/pack/race']);
  });

  it('D21: holds for a pass too, by an object call of its own', async () => {
    const { ask } = openShop();
    const { authorization } = await tokenOf('pass', { kind: 'pass' });
    // Its first use is told to the claims too, in the background.
    const first = await ask('/pass/1', authorization);
    expect(first).toMatchObject({ status: 200, limits: '"token";r=1;t' });
    expect(first.calls.toSorted()).toEqual(['RATE_LIMITER', 'REPLAY_SET']);
    expect(await ask('/pass/1', authorization)).toMatchObject({ status: 200, limits: '"token";r=0;t', calls: ['RATE_LIMITER'] });
    expect(await ask('/pass/1', authorization)).toMatchObject({ status: 429, code: 'rate_limited' });
  });
});

it('D21: counts all calls of a pass in one place, also those of a token that a holder has put a counter on', async () => {
  const routes = [{ match: '/pass/*', service: 'pass', priceSats: 10, access: { seconds: 86_400 } }];
  const door = openGateway({ routes, policy: { tokenRate: { calls: 5, seconds: 3600 } } });
  const { token, preimage } = await makeToken({ service: 'pass', terms: { access: { kind: 'pass' } } });
  const narrowed = await attenuate(token, { maxCalls: 1000 });
  const statuses: number[] = [];
  for (const presented of [token, narrowed, token, narrowed, token, narrowed, token]) {
    const authorization = formatCredential({ scheme: 'L402', token: presented, preimage });
    statuses.push((await door.ask('/pass/a', { headers: { authorization } })).status);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
});
