/*
 * The objects behind the policies, in workerd: what they keep when they sleep, and that everyone who asks one namespace is
 * counted together.
 */
import { evictDurableObject, reset, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createDurableQuota, nameQuotaObject, QUOTA_SHARDS, shareBounds } from '#adapters/do-quota.ts';
import { createRateLimits } from '#adapters/do-rate.ts';
import { MOST_USAGES, type Quota as QuotaObject } from '#durable-objects/quota.ts';
import { type QuotaBounds } from '#durable-objects/quota-rules.ts';
import { MOST_RATE_KEYS, type RateLimiter } from '#durable-objects/rate-limiter.ts';
import { nameClient } from '#gateway/request/client-key.ts';
import { parseAddress } from '#protocol/cidr.ts';
import { type ClientKey, type Quota } from '#src/ports.ts';

const { QUOTA, RATE_LIMITER } = env as unknown as {
  readonly QUOTA: DurableObjectNamespace<QuotaObject>;
  readonly RATE_LIMITER: DurableObjectNamespace<RateLimiter>;
};
const clock = () => Date.now();
afterEach(() => void vi.useRealTimers());

describe('the rate limiter', () => {
  const limits = () => createRateLimits({ namespace: RATE_LIMITER, isolates: 1, clock });
  const order = (objectName: string, limit: number) => ({
    count: 'exact' as const,
    objectName,
    checks: [{ key: 'route', bound: { limit, windowMs: 60_000 } }],
  });

  it('D22: two instances over one namespace share one count: of 200 calls at once exactly the limit passes', async () => {
    const instances = [limits(), limits()];
    const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => instances[index % 2]!.take(order('shared', 50))));
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(50);
    expect(
      answers.filter(({ allowed }) => !allowed).every(({ retryAfterSeconds }) => retryAfterSeconds > 0 && retryAfterSeconds <= 60),
    ).toBe(true);
  });

  it('D21: remembers its windows when it has been put to sleep', async () => {
    for (let call = 0; call < 3; call++) expect((await limits().take(order('sleepy', 3))).allowed).toBe(true);
    // Sleep comes when nothing is under way: the timer that writes counts as such.
    await evictDurableObject(RATE_LIMITER.get(RATE_LIMITER.idFromName('sleepy')));
    expect((await limits().take(order('sleepy', 3))).allowed).toBe(false);
  });

  it('wakes itself to drop windows that have ended', async () => {
    await limits().take(order('tidy', 3));
    const stub = RATE_LIMITER.get(RATE_LIMITER.idFromName('tidy'));
    const rowsAfterAlarm = () =>
      runInDurableObject(stub, async (instance: RateLimiter, { storage }) => {
        await instance.alarm();
        return { rows: [...storage.sql.exec('SELECT key FROM rows_v1')].length, hasAlarm: (await storage.getAlarm()) !== null };
      });
    expect(await rowsAfterAlarm()).toEqual({ rows: 1, hasAlarm: true });
    vi.setSystemTime(Date.now() + 61_000);
    expect((await rowsAfterAlarm()).rows).toBe(0);
  });

  it('keeps a bounded number of windows, and forgets the one unused for longest', async () => {
    const stub = RATE_LIMITER.get(RATE_LIMITER.idFromName('many'));
    const again = await runInDurableObject(stub, (instance: RateLimiter) => {
      const take = (key: string) => instance.take([{ key, bound: { limit: 1, windowMs: 3_600_000 } }]).allowed;
      for (let index = 0; index <= MOST_RATE_KEYS; index++) take(`${index}`);
      return [take(`${MOST_RATE_KEYS}`), take('0')];
    });
    expect(again).toEqual([false, true]);
  });

  it('counts shares in each isolate, or asks the platform, where that is configured', async () => {
    const checks = [{ key: 'route', bound: { limit: 4, windowMs: 60_000 } }];
    const asked: string[] = [];
    const binding = { limit: ({ key }: { key: string }) => Promise.resolve({ success: asked.push(key) < 2 }) };
    const shared = createRateLimits({ namespace: RATE_LIMITER, isolates: 2, clock, binding });
    const take = async (count: 'isolate' | 'platform') => (await shared.take({ count, objectName: 'unused', checks })).allowed;
    expect([await take('isolate'), await take('isolate'), await take('isolate')]).toEqual([true, true, false]);
    expect([await take('platform'), await take('platform')]).toEqual([true, false]);
    expect(asked).toEqual(['route', 'route']);
    // Raw workerd has no such binding: the isolate counts.
    const bare = createRateLimits({ namespace: RATE_LIMITER, isolates: 1, clock });
    const allowed = await Promise.all(Array.from({ length: 6 }, () => bare.take({ count: 'platform', objectName: 'unused', checks })));
    expect(allowed.filter((answer) => answer.allowed)).toHaveLength(4);
  });
});

describe('the quota', () => {
  const bounds: QuotaBounds = { challenges: { perMinute: 5, open: 5 } };
  const plenty: QuotaBounds = { challenges: { perMinute: 160_000, open: 160_000 } };
  let count = 0;
  const ask = (quota: Quota, client: ClientKey, more: Partial<{ bounds: QuotaBounds; totals: QuotaBounds; id: string }> = {}) =>
    quota.ask({
      client,
      trafficClass: 'unpaid',
      ask: { scope: 'route', challengeId: more.id ?? `c${count++}`, challengeMs: 600_000 },
      bounds: more.bounds ?? bounds,
      totals: more.totals ?? plenty,
      region: 0,
    });
  const client = (text: string) => nameClient(parseAddress(text));

  it('D22: two instances over one namespace count a client together', async () => {
    const instances = [createDurableQuota(QUOTA), createDurableQuota(QUOTA)];
    const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => ask(instances[index % 2]!, client('192.0.2.1'))));
    expect(answers.filter(({ kind }) => kind === 'challenge')).toHaveLength(5);
  });

  it('M20: a /64 is one client, and all of a /48 get ten times as much', async () => {
    const quota = createDurableQuota(QUOTA);
    const from = async (addresses: readonly string[]) =>
      (await Promise.all(addresses.map((text) => ask(quota, client(text))))).filter(({ kind }) => kind === 'challenge').length;
    expect(await from(Array.from({ length: 100 }, (_, index) => `2001:db8:1:1::${index.toString(16)}`))).toBe(5);
    expect(await from(Array.from({ length: 200 }, (_, index) => `2001:db8:1:${(index + 16).toString(16)}::1`))).toBe(45);
    expect(await from(['2001:db8:2::1'])).toBe(1);
  });

  it('M20: the total is never exceeded, however many networks ask', async () => {
    await reset();
    const quota = createDurableQuota(QUOTA);
    const totals = { challenges: { perMinute: 100, open: 100 } };
    const asked = Array.from({ length: 1000 }, (_, index) => ask(quota, { key: `total ${index}` }, { totals }));
    const given = (await Promise.all(asked)).filter(({ kind }) => kind === 'challenge').length;
    // Each object gives its share, rounded down.
    expect(given).toBeLessThanOrEqual(100);
    expect(given).toBe(QUOTA_SHARDS * shareBounds(totals).challenges.open);
  });

  it('a paid use gives the challenge back with the next ask, without a call of its own', async () => {
    const quota = createDurableQuota(QUOTA);
    const payer = client('198.51.100.1');
    const calls: Promise<unknown>[] = [];
    for (let index = 0; index < 20; index++) {
      expect((await ask(quota, payer, { id: `paid ${index}` })).kind).toBe('challenge');
      quota.giveBack({ client: payer, challengeId: `paid ${index}` }, (work) => void calls.push(work));
    }
    expect(calls).toEqual([]);
  });

  it('a token for many calls gives its challenge back once', async () => {
    const quota = createDurableQuota(QUOTA);
    const payer = client('198.51.100.2');
    for (let index = 0; index < 5; index++) await ask(quota, payer, { id: `many ${index}` });
    const calls: Promise<unknown>[] = [];
    for (let use = 0; use < 500; use++) quota.giveBack({ client: payer, challengeId: 'many 0' }, (work) => void calls.push(work));
    expect([(await ask(quota, payer)).kind, (await ask(quota, payer)).kind, calls.length]).toEqual(['challenge', 'refused', 0]);
  });

  it('sends paid challenges on their own when many wait and nobody asks', async () => {
    const quota = createDurableQuota(QUOTA);
    const payer = { key: 'busy payer' };
    const calls: Promise<unknown>[] = [];
    for (let index = 0; index < 5; index++) await ask(quota, payer, { id: `busy ${index}` });
    for (let index = 0; index < 64; index++)
      quota.giveBack({ client: payer, challengeId: `busy ${index}` }, (work) => void calls.push(work));
    expect(calls).toHaveLength(1);
    await Promise.all(calls);
    // Another instance has nothing that could ride along.
    expect((await ask(createDurableQuota(QUOTA), payer)).kind).toBe('challenge');
  });

  it('M18: is told within a second what was paid, by one call for all that was paid in that second', async () => {
    const waits: (() => void)[] = [];
    const wait = () => new Promise<void>((resolve) => void waits.push(resolve));
    const quota = createDurableQuota(QUOTA, { time: { clock, wait } });
    const payer = { key: 'prompt payer' };
    const works: Promise<unknown>[] = [];
    for (let index = 0; index < 5; index++) await ask(quota, payer, { id: `prompt ${index}` });
    for (let index = 0; index < 5; index++)
      quota.giveBack({ client: payer, challengeId: `prompt ${index}` }, (work) => void works.push(work));
    expect([works.length, waits.length]).toEqual([1, 1]);
    waits[0]!();
    await Promise.all(works);
    // Another instance has nothing that could ride along.
    const others = createDurableQuota(QUOTA);
    const answers = [];
    for (let call = 0; call < 6; call++)
      answers.push((await ask(others, payer, { bounds: { challenges: { perMinute: 9, open: 5 } } })).kind);
    expect(answers).toEqual([...Array.from({ length: 5 }, () => 'challenge'), 'refused']);
  });

  it('M18: is told what was paid though a report was cut off with its request, or failed', async () => {
    const state = { nowMs: 1_000_000, isDown: false };
    const told: string[] = [];
    const giveBack = (paid: readonly { readonly challengeId: string }[]) =>
      state.isDown
        ? Promise.reject(new Error('object gone'))
        : Promise.resolve(void told.push(...paid.map(({ challengeId }) => challengeId)));
    const namespace = { idFromName: (name: string) => name, get: () => ({ giveBack }) } as unknown as DurableObjectNamespace<QuotaObject>;
    const waits: (() => void)[] = [];
    const wait = () => new Promise<void>((resolve) => void waits.push(resolve));
    const quota = createDurableQuota(namespace, { time: { clock: () => state.nowMs, wait } });
    const works: Promise<unknown>[] = [];
    const pay = (challengeId: string) => quota.giveBack({ client: { key: 'payer' }, challengeId }, (work) => void works.push(work));
    // Its request is cut off: this wait never ends.
    pay('first');
    pay('second');
    expect(waits).toHaveLength(1);
    state.nowMs += 5000;
    state.isDown = true;
    pay('third');
    waits[1]!();
    await works[1];
    expect(told).toEqual([]);
    state.isDown = false;
    pay('fourth');
    waits[2]!();
    await works[2];
    expect(told).toEqual(['first', 'second', 'third', 'fourth']);
    pay('fifth');
    waits[3]!();
    await works[3];
    expect(told.slice(4)).toEqual(['fifth']);
  });

  it('remembers what was used when it has been put to sleep', async () => {
    const quota = createDurableQuota(QUOTA);
    const sleepy = client('203.0.113.77');
    for (let index = 0; index < 5; index++) await ask(quota, sleepy);
    await evictDurableObject(QUOTA.get(QUOTA.idFromName(nameQuotaObject(sleepy))));
    expect((await ask(createDurableQuota(QUOTA), sleepy)).kind).toBe('refused');
  });

  it('M20: a full table gives nobody a fresh start: those in it keep their counts, the overflow share one', async () => {
    const stub = QUOTA.get(QUOTA.idFromName('crowded'));
    const kinds = await runInDurableObject(stub, (instance: QuotaObject) => {
      const totals = { challenges: { perMinute: 1e6, open: 1e6 }, free: { calls: 1e6, periodMs: 1e9 } };
      const free = { ...bounds, free: { calls: 1, periodMs: 1e9 } };
      const visit = (key: string) =>
        instance.ask({
          client: { key },
          trafficClass: 'unpaid',
          ask: { scope: 'r', challengeId: key, challengeMs: 1 },
          bounds: free,
          totals,
          paid: [],
          kept: [],
        }).kind;
      // One of them is the total.
      for (let index = 0; index < MOST_USAGES - 1; index++) visit(`${index}`);
      return { known: visit('0'), overflow: Array.from({ length: 30 }, (_, index) => visit(`late ${index}`)) };
    });
    expect(kinds.known).toBe('challenge');
    expect(kinds.overflow.filter((kind) => kind === 'free')).toHaveLength(10);
  });
});
