/*
 * The control object and the snapshot that isolates keep of it: how often it is asked, what it tells, and what is known when it
 * cannot be reached (M30, M12).
 */
import { createExecutionContext, evictDurableObject, reset, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';
import { LONGEST_RETRY_MS, createDurableControl, keepSnapshot, type ControlOptions } from '#adapters/do-control.ts';
import { type BreakerSettings, type OriginOutcome } from '#durable-objects/breaker-rules.ts';
import { type Control as ControlObject } from '#durable-objects/control.ts';
import { type OriginReport, type SnapshotAnswer } from '#durable-objects/control-rules.ts';
import { type Background } from '#src/ports.ts';

const { CONTROL } = env as unknown as { readonly CONTROL: DurableObjectNamespace<ControlObject> };
const clock = () => Date.now();
const background: Background = (work) => void work;
const never = () => new Promise<void>(() => undefined);
afterEach(() => reset());

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
  const options: ControlOptions = {
    refreshSeconds: 10,
    staleMaxSeconds: 300,
    breaker,
    clock,
    wait: never,
    random: (length) => new Uint8Array(length).fill(255),
    log: () => undefined,
  };
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
    state.nowMs += LONGEST_RETRY_MS;
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

  it('M30: asks an object that is down less and less often, each isolate at moments of its own, and at the usual pace when it is back', async () => {
    const chance = { byte: 255 };
    const { state, read, settle } = scripted({ random: (length) => new Uint8Array(length).fill(chance.byte) });
    await read();
    state.isDown = true;
    state.nowMs += 10_000;
    const gaps: number[] = [];
    for (let lastMs = state.nowMs; gaps.length < 7; state.nowMs += 100) {
      const before = state.calls;
      await read();
      await settle();
      if (state.calls === before) continue;
      gaps.push((state.nowMs - lastMs) / 1000);
      lastMs = state.nowMs;
      if (gaps.length === 5) chance.byte = 0;
    }
    expect(gaps).toEqual([0, 1, 2, 4, 8, 15, 7.5]);
    state.isDown = false;
    state.nowMs += 7500;
    await read();
    await settle();
    const { calls } = state;
    state.nowMs += 9900;
    await read();
    expect(state.calls).toBe(calls);
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
