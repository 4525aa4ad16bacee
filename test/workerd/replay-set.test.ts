/*
 * The replay set as an object on real storage: what it keeps when it is reset, and what it forgets when rows have ended.
 */
import { abortAllDurableObjects, runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { type ClaimRequest, type ReplaySet } from '#durable-objects/replay-set.ts';

const namespace = (env as unknown as { REPLAY_SET: DurableObjectNamespace<ReplaySet> }).REPLAY_SET;
const stubOf = (name: string) => namespace.get(namespace.idFromName(name));
let reservations = 0;

function order(changes: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    paymentHash: new Uint8Array(32).fill(1).buffer,
    reservationId: `r${reservations++}`,
    leaseMs: 90_000,
    endsAtSeconds: Math.floor(Date.now() / 1000) + 3600,
    limit: 1,
    cost: 1,
    draws: [],
    ...changes,
  };
}

const hash = (byte: number) => new Uint8Array(32).fill(byte).buffer;

describe('a replay set that is reset', () => {
  it('M10: keeps an outcome that was told before another reservation was granted', async () => {
    const first = await stubOf('keeps').reserve(order());
    expect(await first.lease!.commit()).toBe('recorded');
    expect((await stubOf('keeps').reserve(order({ paymentHash: hash(2) }))).answer.kind).toBe('granted');
    await abortAllDurableObjects();
    expect((await stubOf('keeps').reserve(order())).answer).toEqual({ kind: 'spent', remaining: 0 });
  });

  it('M10: holds a use without outcome in doubt, and takes its outcome by reservation id', async () => {
    const request = order();
    expect((await stubOf('doubt').reserve(request)).answer.kind).toBe('granted');
    await abortAllDurableObjects();
    expect((await stubOf('doubt').reserve(order())).answer.kind).toBe('in_flight');
    const { paymentHash, reservationId, endsAtSeconds } = request;
    const outcome = { kind: 'commit' } as const;
    expect(await stubOf('doubt').finish({ paymentHash, reservationId, outcome, endsAtSeconds })).toBe('recorded');
    expect((await stubOf('doubt').reserve(order())).answer.kind).toBe('spent');
  });

  it('M2: forgets rows when their day has ended, and not before', async () => {
    const dayBeforeYesterday = Math.floor(Date.now() / 1000) - 2 * 86_400;
    const ended = await stubOf('prune').reserve(order({ endsAtSeconds: dayBeforeYesterday }));
    await ended.lease!.commit();
    const kept = await stubOf('prune').reserve(order({ paymentHash: hash(2) }));
    await kept.lease!.commit();
    await runDurableObjectAlarm(stubOf('prune'));
    expect((await stubOf('prune').reserve(order())).answer.kind).toBe('granted');
    expect((await stubOf('prune').reserve(order({ paymentHash: hash(2) }))).answer.kind).toBe('spent');
  });
});

describe('payments that end on as many days as a year has', () => {
  it('M2 M10: are each found on their day, spent or not, also after a reset and after the first of them have been pruned', async () => {
    const DAYS = 366;
    const today = Math.floor(Date.now() / 1000);
    const hashOf = (day: number) => Uint8Array.of(day >> 8, day & 255, ...new Uint8Array(30)).buffer;
    const use = (day: number) => stubOf('year').reserve(order({ paymentHash: hashOf(day), endsAtSeconds: today + (day - 2) * 86_400 }));
    const used = [];
    for (let day = 0; day < DAYS; day++) {
      const { answer, lease } = await use(day);
      used.push(answer.kind);
      await lease?.commit();
    }
    expect(used.filter((kind) => kind !== 'granted')).toEqual([]);
    await stubOf('year').reserve(order());
    await abortAllDurableObjects();
    await runDurableObjectAlarm(stubOf('year'));
    const again = [];
    for (let day = 2; day < DAYS; day++) again.push((await use(day)).answer.kind);
    expect(again.filter((kind) => kind !== 'spent')).toEqual([]);
  });
});

describe('a payment that is revoked', () => {
  it('M30: buys nothing any more, whatever was left of it, what is given back, and after a reset', async () => {
    const many = { limit: Number.MAX_SAFE_INTEGER, paymentHash: hash(3) };
    const stub = () => stubOf('revoked');
    const open = await stub().reserve(order(many));
    await stub().revoke({ paymentHash: hash(3), endsAtSeconds: order().endsAtSeconds });
    expect((await stub().reserve(order(many))).answer).toEqual({ kind: 'spent', remaining: 0 });
    await open.lease!.release();
    expect((await stub().reserve(order(many))).answer).toEqual({ kind: 'spent', remaining: 0 });
    await stub().revoke({ paymentHash: hash(4), endsAtSeconds: order().endsAtSeconds });
    await abortAllDurableObjects();
    for (const paymentHash of [hash(3), hash(4)]) {
      expect((await stub().reserve(order({ ...many, paymentHash }))).answer).toEqual({ kind: 'spent', remaining: 0 });
    }
  });
});

describe('counters in a replay set', () => {
  it('M7 P12: of 40 calls racing on each of two children of 10, exactly 10 pass on each, and the parent has 80 left', async () => {
    const limit = 100;
    const race = (key: string) =>
      Array.from({ length: 40 }, async () => {
        const { answer, lease } = await stubOf('children').reserve(order({ limit, draws: [{ key, limit: 10, cost: 1, period: '' }] }));
        if (answer.kind === 'granted') await lease!.commit();
        return answer.kind;
      });
    const [one, two] = await Promise.all([Promise.all(race('one')), Promise.all(race('two'))]);
    for (const kinds of [one, two]) expect(kinds.filter((kind) => kind === 'granted')).toHaveLength(10);
    expect((await stubOf('children').reserve(order({ limit }))).answer).toEqual({ kind: 'granted', remaining: 79, left: [] });
  });

  it('M10: of 100 reservations racing for one unit, one is granted', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => stubOf('race').reserve(order())));
    expect(answers.filter(({ answer }) => answer.kind === 'granted')).toHaveLength(1);
  });
});
