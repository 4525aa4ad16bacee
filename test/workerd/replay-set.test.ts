/*
 * The replay set as an object on real storage: what it keeps when it is reset, and what it forgets when rows have ended.
 */
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it, vi } from 'vitest';
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

/** How many rows the tables hold whose names begin so: the platform's own are none of ours. */
function rowsOf(name: string, prefix: string): Promise<number> {
  return runInDurableObject(stubOf(name), (_, { storage: { sql } }) => {
    const tables = [...sql.exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '${prefix}*_v*'`)];
    return tables.reduce((sum, { name: table }) => sum + [...sql.exec(`SELECT 1 FROM ${table}`)].length, 0);
  });
}

afterEach(() => void vi.useRealTimers());

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
    const ended = await stubOf('prune').reserve(order());
    await ended.lease!.commit();
    const laterSeconds = order().endsAtSeconds + 2 * 86_400;
    const kept = await stubOf('prune').reserve(order({ paymentHash: hash(2), endsAtSeconds: laterSeconds }));
    await kept.lease!.commit();
    vi.setSystemTime(Date.now() + 2 * 86_400_000);
    await runDurableObjectAlarm(stubOf('prune'));
    expect(await rowsOf('prune', 'payments')).toBe(1);
    const again = order({ paymentHash: hash(2), endsAtSeconds: laterSeconds });
    expect((await stubOf('prune').reserve(again)).answer.kind).toBe('spent');
  });
});

describe('a payment that has ended', () => {
  it('M32: is answered so by the clock of the object, and nothing is written: no payment, counter, proof, use or rate', async () => {
    const ended = {
      endsAtSeconds: Math.floor(Date.now() / 1000),
      draws: [{ key: 'one', limit: 10, cost: 1, period: '' }],
      settlement: 'proved',
      rate: { key: 'one', bound: { limit: 1, windowMs: 60_000 } },
    } as const;
    for (let attempt = 0; attempt < 2; attempt++) {
      const { answer, lease } = await stubOf('ended').reserve(order(ended));
      expect([answer, lease]).toEqual([{ kind: 'ended' }, undefined]);
    }
    expect(await rowsOf('ended', '')).toBe(0);
  });

  it('M32: is not granted again to the reservation that had it, and its outcome is still taken', async () => {
    const request = order({ limit: 2 });
    expect((await stubOf('retried').reserve(request)).answer.kind).toBe('granted');
    vi.setSystemTime(request.endsAtSeconds * 1000);
    expect((await stubOf('retried').reserve(request)).answer).toEqual({ kind: 'ended' });
    const { paymentHash, reservationId, endsAtSeconds } = request;
    expect(await stubOf('retried').finish({ paymentHash, reservationId, outcome: { kind: 'commit' }, endsAtSeconds })).toBe('recorded');
  });

  it('M32: stays ended when the clock is set back after its row was forgotten, also through a reset', async () => {
    const spent = order();
    await (await stubOf('set back').reserve(spent)).lease!.commit();
    const trueMs = Date.now();
    vi.setSystemTime(trueMs + 2 * 86_400_000);
    await runDurableObjectAlarm(stubOf('set back'));
    expect(await rowsOf('set back', 'payments')).toBe(0);
    vi.setSystemTime(trueMs);
    expect((await stubOf('set back').reserve(order())).answer).toEqual({ kind: 'ended' });
    await abortAllDurableObjects();
    expect((await stubOf('set back').reserve(order())).answer).toEqual({ kind: 'ended' });
    const later = order({ paymentHash: hash(2), endsAtSeconds: spent.endsAtSeconds + 3 * 86_400 });
    expect((await stubOf('set back').reserve(later)).answer.kind).toBe('granted');
  });
});

describe('payments that end on as many days as a year has', () => {
  it('M2 M10: are each found on their day, spent or not, also after a reset and after the first of them have been pruned', async () => {
    const DAYS = 366;
    const today = Math.floor(Date.now() / 1000);
    const hashOf = (day: number) => Uint8Array.of(day >> 8, day & 255, ...new Uint8Array(30)).buffer;
    const use = (day: number) => stubOf('year').reserve(order({ paymentHash: hashOf(day), endsAtSeconds: today + 3600 + day * 86_400 }));
    const used = [];
    for (let day = 0; day < DAYS; day++) {
      const { answer, lease } = await use(day);
      used.push(answer.kind);
      await lease?.commit();
    }
    expect(used.filter((kind) => kind !== 'granted')).toEqual([]);
    await stubOf('year').reserve(order());
    await abortAllDurableObjects();
    vi.setSystemTime((today + 2 * 86_400) * 1000);
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
    expect((await stub().reserve(order(many))).answer).toEqual({ kind: 'revoked' });
    await open.lease!.release();
    expect((await stub().reserve(order(many))).answer).toEqual({ kind: 'revoked' });
    await stub().revoke({ paymentHash: hash(4), endsAtSeconds: order().endsAtSeconds });
    await abortAllDurableObjects();
    for (const paymentHash of [hash(3), hash(4)]) {
      expect((await stub().reserve(order({ ...many, paymentHash }))).answer).toEqual({ kind: 'revoked' });
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
