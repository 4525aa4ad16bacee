/*
 * Parts that fail inside the platform, provoked on real objects: a claim object that cannot be reached, and a fault of the Worker
 * while it holds a claim. docs/failure.md names these tests.
 */
import { abortAllDurableObjects } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { createDurableClaims } from '#adapters/do-claims.ts';
import { type ReplaySet } from '#durable-objects/replay-set.ts';
import { defineGateway } from '#src/config/config.ts';
import { openQuota } from '#support/fakes.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, openGateway } from './front-door.ts';

const namespace = (env as unknown as { REPLAY_SET: DurableObjectNamespace<ReplaySet> }).REPLAY_SET;

const shop = defineGateway({
  policy: { concurrency: { most: 100 } },
  routes: [
    { match: 'GET /once/*', service: 'once', priceSats: 1 },
    { match: 'GET /pack/*', service: 'pack', priceSats: 1, access: { calls: 2 } },
    { match: 'GET /purse/*', service: 'purse', priceSats: 1, access: { creditSats: 10 } },
    { match: 'GET /pass/*', service: 'pass', priceSats: 1, access: { seconds: 60 } },
    { match: 'GET /limited/*', service: 'limited', priceSats: 1, policy: { rate: { calls: 1000, seconds: 60 } } },
  ],
});

/** Every stub leads to an object that has been aborted since: whatever is asked of it fails. */
function abortBeforeEachCall(): DurableObjectNamespace<ReplaySet> {
  const reserve = async (name: DurableObjectId, request: Parameters<ReplaySet['reserve']>[0]) => {
    const stub = namespace.get(name);
    // Nobody holds that reservation: the call does nothing but reach the object.
    await stub.finish({ paymentHash: request.paymentHash, reservationId: 'none', outcome: { kind: 'release' }, endsAtSeconds: 0 });
    await abortAllDurableObjects();
    return stub.reserve(request);
  };
  return {
    idFromName: (name: string) => namespace.idFromName(name),
    get: (name: DurableObjectId) => ({ reserve: (request: Parameters<ReplaySet['reserve']>[0]) => reserve(name, request) }),
  } as unknown as DurableObjectNamespace<ReplaySet>;
}

describe('a claim object that cannot be reached', () => {
  it.each([
    ['once', '/once/a', { kind: 'call' }, '0'],
    ['pack', '/pack/a', { kind: 'calls', calls: 2 }, '1'],
    ['purse', '/purse/a', { kind: 'credit', creditMsat: 10_000n as never }, '9000'],
  ] as const)(
    'M17: closes what is counted (%s) with a 503 and no invoice, charges nothing, and the payment is good after',
    async (...row) => {
      const [service, path, access, left] = row;
      const { authorization } = await makeToken({ service, terms: { access } });
      const lightning = startEmbedded();
      const door = openGateway(shop, { parts: { lightning, claims: createDurableClaims(abortBeforeEachCall()) } });
      const refused = await door.ask(path, { headers: { authorization } });
      expect([refused.status, refused.headers.get('retry-after'), refused.headers.has('www-authenticate')]).toEqual([503, '5', false]);
      expect(await codeOf(refused)).toBe('claims_unavailable');
      expect(door.seen).toEqual([]);
      const passed = await openGateway(shop).ask(path, { headers: { authorization } });
      const told = passed.headers.get('l402-remaining') ?? passed.headers.get('l402-remaining-msat');
      expect([passed.status, told]).toEqual([200, left]);
    },
  );

  it('M17: is asked once and no more when it is overloaded: 503 and no invoice, and the payment is good after', async () => {
    const { authorization } = await makeToken({ service: 'once' });
    let asked = 0;
    const reserve = () => {
      asked += 1;
      return Promise.reject(Object.assign(new Error('Durable Object is overloaded'), { overloaded: true }));
    };
    const overloaded = { idFromName: () => undefined, get: () => ({ reserve }) } as unknown as DurableObjectNamespace<ReplaySet>;
    const door = openGateway(shop, { parts: { lightning: startEmbedded(), claims: createDurableClaims(overloaded) } });
    const refused = await door.ask('/once/a', { headers: { authorization } });
    expect([refused.status, await codeOf(refused), refused.headers.get('retry-after')]).toEqual([503, 'claims_unavailable', '5']);
    expect([refused.headers.has('www-authenticate'), asked, door.seen]).toEqual([false, 1, []]);
    expect((await openGateway(shop).ask('/once/a', { headers: { authorization } })).status).toBe(200);
  });

  it('P2: does not concern a pass', async () => {
    const { authorization } = await makeToken({ service: 'pass', terms: { access: { kind: 'pass' } } });
    const door = openGateway(shop, { parts: { claims: createDurableClaims(abortBeforeEachCall()) } });
    for (let calls = 0; calls < 3; calls++) expect((await door.ask('/pass/a', { headers: { authorization } })).status).toBe(200);
    expect(door.seen).toHaveLength(3);
  });
});

const gone = () => Promise.reject(new Error('object gone'));

describe('a policy that holds a call for longer than its lease can bear', () => {
  it.each([
    [51, 503, 'origin_busy', 0],
    [49, 200, undefined, 1],
  ])('M10: after %i s in all the call is sent no more: nobody else may have the payment meanwhile', async (...row) => {
    const [seconds, status, code, reached] = row;
    let nowMs = Date.now();
    const take = () => {
      nowMs += seconds * 1000;
      return Promise.resolve({ allowed: true, retryAfterSeconds: 0, readings: [] });
    };
    const { authorization } = await makeToken({ service: 'limited' });
    const door = openGateway(shop, { clock: () => nowMs, parts: { rates: { take } } });
    const answer = await door.ask('/limited/a', { headers: { authorization } });
    expect([answer.status, await codeOf(answer), door.seen.length]).toEqual([status, code, reached]);
  });
});

describe('an object behind the policies that cannot be reached', () => {
  it.each([
    ['a rate limit cannot be counted', { rates: { take: gone } }, 'rate_unavailable'],
    ['no place at the origin comes free', { places: { enter: () => Promise.resolve(undefined) } }, 'origin_busy'],
  ])('M12: where %s, a call is not sent; its payment is given back and does not cool down', async (_, parts, code) => {
    const { authorization } = await makeToken({ service: 'limited' });
    const door = openGateway(shop, { parts });
    for (let calls = 0; calls < 4; calls++) {
      const refused = await door.ask('/limited/a', { headers: { authorization } });
      expect([refused.status, await codeOf(refused), refused.headers.get('l402-remaining')]).toEqual([503, code, '1']);
    }
    expect(door.seen).toEqual([]);
    expect((await openGateway(shop).ask('/limited/a', { headers: { authorization } })).status).toBe(200);
  });

  it('a quota that cannot be asked is no matter of those who have paid', async () => {
    const { authorization } = await makeToken({ service: 'once' });
    const quota = { ...openQuota, ask: gone };
    const door = openGateway(shop, { parts: { quota, lightning: startEmbedded() } });
    const refused = await door.ask('/once/a');
    expect([refused.status, await codeOf(refused), refused.headers.has('www-authenticate')]).toEqual([503, 'quota_unavailable', false]);
    expect((await door.ask('/once/a', { headers: { authorization } })).status).toBe(200);
  });
});

describe('a fault of the Worker itself', () => {
  const broken = () => Promise.reject(new Error('a bug'));

  it('M11: before anything was sent gives the payment back', async () => {
    const { authorization } = await makeToken({ service: 'once' });
    const door = openGateway(shop, { parts: { originProof: broken } });
    const failed = await door.ask('/once/a', { headers: { authorization } });
    expect([failed.status, await codeOf(failed), failed.headers.has('www-authenticate')]).toEqual([500, 'internal_fault', false]);
    expect(door.logged.filter(([event]) => event === 'fault')).toMatchObject([['fault', { message: 'a bug' }]]);
    expect(door.seen).toEqual([]);
    expect((await openGateway(shop).ask('/once/a', { headers: { authorization } })).status).toBe(200);
  });
});
