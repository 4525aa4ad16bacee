/*
 * The objects behind the fences, in workerd: what they keep when they sleep, and that everyone who asks one namespace is
 * counted together.
 */
import { createExecutionContext, evictDurableObject, reset, runInDurableObject, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createDurableControl, keepSnapshot, type ControlOptions } from '#adapters/do-control.ts';
import { createDurableQuota, nameQuotaObject, QUOTA_SHARDS, shareBounds } from '#adapters/do-quota.ts';
import { createRateLimits } from '#adapters/do-rate.ts';
import { type BreakerSettings, type OriginOutcome } from '#durable-objects/breaker-rules.ts';
import { type Control as ControlObject } from '#durable-objects/control.ts';
import { type OriginReport, type SnapshotAnswer } from '#durable-objects/control-rules.ts';
import { MOST_TALLIES, type Quota as QuotaObject } from '#durable-objects/quota.ts';
import { type QuotaBounds } from '#durable-objects/quota-rules.ts';
import { MOST_RATE_KEYS, type RateLimiter } from '#durable-objects/rate-limiter.ts';
import { nameClient } from '#gateway/client-key.ts';
import { parseAddress } from '#protocol/cidr.ts';
import { type Background, type ClientKey, type Quota } from '#src/ports.ts';

const { QUOTA, RATE_LIMITER, CONTROL } = env as unknown as {
  readonly QUOTA: DurableObjectNamespace<QuotaObject>;
  readonly RATE_LIMITER: DurableObjectNamespace<RateLimiter>;
  readonly CONTROL: DurableObjectNamespace<ControlObject>;
};
const clock = () => Date.now();
const background: Background = (work) => void work;
const never = () => new Promise<void>(() => undefined);
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
      lane: 'unpaid',
      ask: { scope: 'route', challengeId: more.id ?? `c${count++}`, challengeMs: 600_000 },
      bounds: more.bounds ?? bounds,
      totals: more.totals ?? plenty,
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
    const quota = createDurableQuota(QUOTA, { wait });
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

  it('remembers what was used when it has been put to sleep', async () => {
    const quota = createDurableQuota(QUOTA);
    const sleepy = client('203.0.113.77');
    for (let index = 0; index < 5; index++) await ask(quota, sleepy);
    await evictDurableObject(QUOTA.get(QUOTA.idFromName(nameQuotaObject(sleepy))));
    expect((await ask(createDurableQuota(QUOTA), sleepy)).kind).toBe('refused');
  });

  it('M20: a full table gives nobody a fresh start: those in it keep their counts, latecomers share one', async () => {
    const stub = QUOTA.get(QUOTA.idFromName('crowded'));
    const kinds = await runInDurableObject(stub, (instance: QuotaObject) => {
      const totals = { challenges: { perMinute: 1e6, open: 1e6 }, free: { calls: 1e6, periodMs: 1e9 } };
      const free = { ...bounds, free: { calls: 1, periodMs: 1e9 } };
      const visit = (key: string) =>
        instance.ask({
          client: { key },
          lane: 'unpaid',
          ask: { scope: 'r', challengeId: key, challengeMs: 1 },
          bounds: free,
          totals,
          paid: [],
          kept: [],
        }).kind;
      // One of them is the total.
      for (let index = 0; index < MOST_TALLIES - 1; index++) visit(`${index}`);
      return { known: visit('0'), latecomers: Array.from({ length: 30 }, (_, index) => visit(`late ${index}`)) };
    });
    expect(kinds.known).toBe('challenge');
    expect(kinds.latecomers.filter((kind) => kind === 'free')).toHaveLength(10);
  });
});

describe('the control object and its snapshot', () => {
  const breaker: BreakerSettings = {
    windowMs: 60_000,
    failuresInARow: 3,
    failureRatio: 0.5,
    slowRatio: 0.8,
    leastVoters: 10,
    openMs: 60_000,
    longestOpenMs: 60_000,
  };
  const options: ControlOptions = { refreshSeconds: 10, staleMaxSeconds: 300, breaker, clock, wait: never, log: () => undefined };
  const token = { identifier: new Uint8Array(66).fill(0xab), keyId: 1, epochStartHours: 168 };
  const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;

  it('M30: what one instance orders another knows within its interval, and after the object has been put to sleep', async () => {
    const one = createDurableControl(CONTROL, options);
    let nowMs = Date.now();
    const two = createDurableControl(CONTROL, { ...options, clock: () => nowMs });
    expect((await two.read(background)).index?.isRevoked(token)).toBe(false);
    expect(await one.revoke({ revoked: { kind: 'token', identifierHex: 'ab'.repeat(66) }, endsAtSeconds: inAnHour() })).toBe('recorded');
    expect(await one.setMaintenance({ route: '*', isOn: true })).toBe('recorded');
    expect((await two.read(background)).index?.isRevoked(token)).toBe(false);
    nowMs += 10_000;
    const context = createExecutionContext();
    // The request that finds it due does not wait for it; the next one knows.
    expect((await two.read((work) => context.waitUntil(work))).index?.isRevoked(token)).toBe(false);
    await waitOnExecutionContext(context);
    expect((await two.read(background)).index?.isRevoked(token)).toBe(true);
    await evictDurableObject(CONTROL.get(CONTROL.idFromName('control/1')));
    const three = await createDurableControl(CONTROL, options).read(background);
    expect([three.isStale, three.index?.isRevoked(token), three.index?.maintenances.length]).toEqual([false, true, 1]);
  });

  it.each([
    [{ kind: 'key', keyId: 1 } as const, true],
    [{ kind: 'key', keyId: 2 } as const, false],
    [{ kind: 'epoch', keyId: 1, startHours: 168 } as const, true],
    [{ kind: 'epoch', keyId: 1, startHours: 336 } as const, false],
    [{ kind: 'epoch', keyId: 2, startHours: 168 } as const, false],
    [{ kind: 'token', identifierHex: 'ab'.repeat(66) } as const, true],
    [{ kind: 'token', identifierHex: 'ac'.repeat(66) } as const, false],
  ])('M30: %o revokes our token: %s', async (revoked, expected) => {
    const snapshot = { version: 1, breakers: [], revocations: [{ revoked, endsAtSeconds: inAnHour() }], maintenances: [] };
    const control = keepSnapshot(() => Promise.resolve({ snapshot }), options);
    expect((await control.read(background)).index?.isRevoked(token)).toBe(expected);
  });

  /** A control port whose object answers as told, on a clock of its own. */
  function scripted(more: Partial<ControlOptions> = {}) {
    const state = { nowMs: 1_000_000, isDown: false, calls: 0, reports: [] as OriginReport[], works: [] as Promise<unknown>[] };
    const exchange = (reports: readonly OriginReport[], version: number): Promise<SnapshotAnswer> => {
      state.calls += 1;
      state.reports.push(...reports);
      if (state.isDown) return Promise.reject(new Error('object gone'));
      const breakers = [{ origin: 'http://tired', openUntilMs: 1_000_000 }];
      return Promise.resolve(version === 7 ? {} : { snapshot: { version: 7, breakers, revocations: [], maintenances: [] } });
    };
    const control = keepSnapshot(exchange, { ...options, clock: () => state.nowMs, ...more });
    const read = () => control.read((work) => void state.works.push(work));
    const settle = () => Promise.all(state.works);
    return { state, control, read, settle };
  }

  it('M30: a hundred first requests of an isolate wait for one call, and those after them for none', async () => {
    const { state, read } = scripted();
    const views = await Promise.all(Array.from({ length: 100 }, read));
    expect(views.every(({ isStale, index }) => !isStale && index !== undefined)).toBe(true);
    for (let request = 0; request < 100; request++) await read();
    expect(state.calls).toBe(1);
  });

  it('M30: asks anew on its interval, once, with the version it has, also when the clock is set back', async () => {
    const { state, read, settle } = scripted();
    await read();
    state.nowMs += 9999;
    await read();
    expect(state.calls).toBe(1);
    state.nowMs += 1;
    await Promise.all([read(), read(), read()]);
    await settle();
    expect(state.calls).toBe(2);
    state.nowMs -= 10_000;
    await read();
    expect(state.calls).toBe(3);
  });

  it('M30: is stale when the object has been gone for longer than allowed; nobody waits, and it recovers', async () => {
    const { state, read, settle } = scripted();
    await read();
    state.isDown = true;
    for (let seconds = 0; seconds <= 300; seconds += 10) {
      expect((await read()).isStale).toBe(false);
      await settle();
      state.nowMs += 10_000;
    }
    const stale = await read();
    expect([stale.isStale, stale.index !== undefined]).toEqual([true, true]);
    await settle();
    state.isDown = false;
    state.nowMs += 1000;
    expect((await read()).isStale).toBe(true);
    await settle();
    expect((await read()).isStale).toBe(false);
  });

  it('M30: has none when the object cannot be reached at all, and asks again no more than once a second', async () => {
    const { state, read, settle } = scripted();
    state.isDown = true;
    expect(await read()).toEqual({ index: undefined, isStale: true });
    for (let request = 0; request < 50; request++) expect((await read()).isStale).toBe(true);
    await settle();
    expect(state.calls).toBe(1);
    state.nowMs += 1000;
    await read();
    await settle();
    expect(state.calls).toBe(2);
  });

  it('M30: an object that never answers holds the first request for a bounded time only', async () => {
    const control = keepSnapshot(() => new Promise(() => undefined), {
      ...options,
      wait: (ms) => (ms === 2000 ? Promise.resolve() : never()),
    });
    expect(await control.read(background)).toEqual({ index: undefined, isStale: true });
  });

  it('an isolate that slept through the limit asks first and is not stale', async () => {
    const { state, read } = scripted();
    await read();
    state.nowMs += 3_600_000;
    expect((await read()).isStale).toBe(false);
    expect(state.calls).toBe(2);
  });

  it('M12: sends what it has seen of origins in batches, one vote a voter; failures sooner', async () => {
    const { state, control, read, settle } = scripted();
    await read();
    const vote = (outcome: OriginOutcome, payment: string) =>
      control.report({ origin: 'http://o', outcome, voters: [payment, 'client'] }, (work) => void state.works.push(work));
    for (let call = 0; call < 1000; call++) vote('ok', 'one');
    for (let payment = 0; payment < 1000; payment++) vote('ok', `${payment}`);
    expect(state.calls).toBe(1);
    state.nowMs += 1000;
    vote('failed', 'one');
    await settle();
    expect(state.calls).toBe(2);
    const [{ votes }] = state.reports as [OriginReport];
    expect(votes).toHaveLength(256);
    expect(votes.at(-1)).toEqual({ outcome: 'failed', voters: ['one', 'client'] });
  });

  it('M12: looks at an origin for itself when a call has failed there, or when it is half open, and reports a probe of its own', async () => {
    const probed: string[] = [];
    const probe = (origin: string) => Promise.resolve<OriginOutcome>(probed.push(origin) > 0 ? 'failed' : 'ok');
    const { state, control, read, settle } = scripted({ probe });
    await read();
    await settle();
    expect(probed).toEqual(['http://tired']);
    state.nowMs += 1000;
    control.report({ origin: 'http://o', outcome: 'failed', voters: ['p', 'c'] }, (work) => void state.works.push(work));
    await settle();
    expect(probed.slice(1)).toEqual(['http://o', 'http://tired']);
    expect(state.reports.at(-2)).toMatchObject({ origin: 'http://o', votes: [{ outcome: 'failed', voters: [] }] });
  });

  it('M12: one voter each in three isolates open a breaker that all of them then see', async () => {
    let at = Date.now();
    const isolates = Array.from({ length: 3 }, () => createDurableControl(CONTROL, { ...options, clock: () => at }));
    const works: Promise<unknown>[] = [];
    const note: Background = (work) => void works.push(work);
    for (const isolate of isolates) await isolate.read(note);
    at += 2000;
    for (const [index, isolate] of isolates.entries()) {
      isolate.report({ origin: 'http://down', outcome: 'failed', voters: [`p${index}`, `c${index}`] }, note);
    }
    await Promise.all(works);
    at += 10_000;
    for (const isolate of isolates) await isolate.read(note);
    await Promise.all(works);
    for (const isolate of isolates) expect((await isolate.read(note)).index?.openUntilMs.has('http://down')).toBe(true);
  });
});
