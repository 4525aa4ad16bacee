/*
 * Alarms that are lost, late or fail: what has ended goes all the same, and what has not is not forgotten.
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ClaimStore } from '#durable-objects/claim-store.ts';
import { DailyTable } from '#durable-objects/daily-table.ts';
import { ALARM_RETRY_MS } from '#durable-objects/prune-alarm.ts';
import { type RateLimiter } from '#durable-objects/rate-limiter.ts';
import { type ReplaySet } from '#durable-objects/replay-set.ts';
import { type Settlements } from '#durable-objects/settlements.ts';

interface Objects {
  readonly REPLAY_SET: DurableObjectNamespace<ReplaySet>;
  readonly SETTLEMENTS: DurableObjectNamespace<Settlements>;
  readonly RATE_LIMITER: DurableObjectNamespace<RateLimiter>;
}
const { REPLAY_SET, SETTLEMENTS, RATE_LIMITER } = env as unknown as Objects;
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2027, 0, 15, 12);
const stubOf = (name: string) => REPLAY_SET.get(REPLAY_SET.idFromName(name));
const alarmOf = (stub: DurableObjectStub<ReplaySet>) => runInDurableObject(stub, (_, { storage }) => storage.getAlarm());

/** A single call of a payment, which can be used until the day after. */
async function use(name: string, payment: number): Promise<string> {
  const paymentHash = Uint8Array.of(payment >> 8, payment & 255, ...new Uint8Array(30)).buffer;
  const endsAtSeconds = Math.floor(Date.now() / 1000) + 90_000;
  const order = { paymentHash, leaseMs: 90_000, endsAtSeconds, limit: 1, cost: 1, draws: [] };
  const session = await stubOf(name).reserve({ ...order, reservationId: crypto.randomUUID() });
  await session.lease?.commit();
  const { kind } = session.answer;
  // An object is not put to sleep while somebody holds a lease.
  session[Symbol.dispose]();
  return kind;
}

function tablesOf(name: string): Promise<number> {
  const like = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name GLOB 'payments_v*'";
  return runInDurableObject(stubOf(name), (_, { storage }) => [...storage.sql.exec(like)].length);
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: START_MS }));
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('an alarm that is lost', () => {
  it('is set again by the first use after the object was woken', async () => {
    await use('lost', 1);
    const alarmMs = await alarmOf(stubOf('lost'));
    expect(alarmMs).toBe(Math.ceil((START_MS + DAY_MS) / DAY_MS) * DAY_MS);
    await runInDurableObject(stubOf('lost'), (_, { storage }) => storage.deleteAlarm());
    await evictDurableObject(stubOf('lost'));
    expect(await use('lost', 1)).not.toBe('granted');
    expect(await alarmOf(stubOf('lost'))).toBe(alarmMs);
  });

  it('leaves no more tables than days that tokens live, after sixty days without one', async () => {
    for (let day = 0; day < 60; day++) {
      vi.setSystemTime(START_MS + day * DAY_MS);
      expect(await use('sixty', day)).toBe('granted');
      await runInDurableObject(stubOf('sixty'), (_, { storage }) => storage.deleteAlarm());
      if (day % 2 === 0) await evictDurableObject(stubOf('sixty'));
    }
    expect(await tablesOf('sixty')).toBeLessThanOrEqual(3);
    expect(await use('sixty', 59)).toBe('spent');
  });

  it('is looked for once after the object was woken, and set no more often than before', async () => {
    await use('once', 1);
    await evictDurableObject(stubOf('once'));
    const asked = await runInDurableObject(stubOf('once'), (_, { storage }) => {
      const counts = { get: vi.spyOn(storage, 'getAlarm'), set: vi.spyOn(storage, 'setAlarm') };
      return Promise.all([2, 3, 4].map((payment) => use('once', payment))).then(async () => {
        await use('once', 5);
        return [counts.get.mock.calls.length, counts.set.mock.calls.length];
      });
    });
    expect(asked).toEqual([1, 0]);
  });
});

describe('an alarm whose work fails', () => {
  it('M2: is set again for later, and nothing that is spent is forgotten meanwhile', async () => {
    await use('fails', 1);
    const dueMs = (await alarmOf(stubOf('fails')))!;
    vi.setSystemTime(dueMs);
    await use('fails', 2);
    vi.spyOn(console, 'error').mockReturnValue();
    const drop = vi.spyOn(DailyTable.prototype, 'prune');
    drop.mockImplementation(function (this: DailyTable, nowMs) {
      drop.mockRestore();
      this.prune(nowMs);
      throw new Error('the disk is full');
    });
    await runInDurableObject(stubOf('fails'), (object) => object.alarm());
    expect(await alarmOf(stubOf('fails'))).toBe(dueMs + ALARM_RETRY_MS);
    expect(await tablesOf('fails')).toBe(2);
    expect(await use('fails', 2)).toBe('spent');
    await runInDurableObject(stubOf('fails'), (object) => object.alarm());
    expect(await tablesOf('fails')).toBe(1);
  });

  it('M10: keeps no call from being claimed, though the work is late too', async () => {
    await use('late', 1);
    vi.setSystemTime(START_MS + 3 * DAY_MS);
    const faults = vi.spyOn(console, 'error').mockReturnValue();
    vi.spyOn(ClaimStore.prototype, 'prune').mockImplementation(() => {
      throw new Error('the disk is full');
    });
    for (let payment = 2; payment < 5; payment++) expect(await use('late', payment)).toBe('granted');
    // Tried once an hour, not with each call.
    expect(faults).toHaveBeenCalledTimes(1);
  });

  it('is set again in the settlement object and in the rate limiter too', async () => {
    vi.spyOn(console, 'error').mockReturnValue();
    const push = { feed: 'lnd', fromIndex: 0, nonceHex: '00', nonceEndsAtSeconds: START_MS / 1000 + 120 };
    const settled = [{ index: 1, paymentHashHex: 'ab'.repeat(32), settledAtSeconds: START_MS / 1000 }];
    await runInDurableObject(SETTLEMENTS.get(SETTLEMENTS.idFromName('fails')), async (object: Settlements, { storage }) => {
      object.take({ ...push, settled });
      await vi.waitFor(async () => expect(await storage.getAlarm()).not.toBeNull());
      vi.spyOn(DailyTable.prototype, 'prune').mockImplementation(() => {
        throw new Error('the disk is full');
      });
      await object.alarm();
      expect(await storage.getAlarm()).toBe(Date.now() + ALARM_RETRY_MS);
    });
    await runInDurableObject(RATE_LIMITER.get(RATE_LIMITER.idFromName('fails')), async (object: RateLimiter, { storage }) => {
      object.take([{ key: 'route', bound: { limit: 3, windowMs: 60_000 } }]);
      vi.spyOn(storage, 'transactionSync').mockImplementation(() => {
        throw new Error('the disk is full');
      });
      await object.alarm();
      expect(await storage.getAlarm()).toBe(Date.now() + ALARM_RETRY_MS);
    });
  });
});

describe('rows that end all over a year', () => {
  it('lie in a few tables, and are found with a few statements', async () => {
    const MOST_TABLES = 20;
    const MOST_STATEMENTS = 4;
    await runInDurableObject(stubOf('year'), (_, { storage: { sql } }) => {
      const open = () => new DailyTable(sql, { name: 'rows', version: 1, columns: ['day INTEGER'] });
      const table = open();
      const keyOf = (day: number) => `row ${day}`;
      for (let day = 0; day < 366; day++) {
        table.write(keyOf(day), [day], { endsAtSeconds: (START_MS + day * DAY_MS) / 1000, stored: undefined });
      }
      expect([...sql.exec("SELECT 1 FROM sqlite_master WHERE name GLOB 'rows_v1_*'")].length).toBeLessThanOrEqual(MOST_TABLES);
      const statements = vi.spyOn(sql, 'exec');
      expect(open().find('unknown')).toBeUndefined();
      // One of them is the opening's own.
      expect(statements.mock.calls.length - 1).toBeLessThanOrEqual(MOST_STATEMENTS);
      for (let day = 0; day < 366; day++) {
        table.prune(START_MS + day * DAY_MS);
        expect(table.find(keyOf(day))?.values).toEqual([day]);
      }
      table.prune(START_MS + 2 * 366 * DAY_MS);
      expect([...sql.exec("SELECT 1 FROM sqlite_master WHERE name GLOB 'rows_v1_*'")].length).toBe(0);
    });
  });
});
