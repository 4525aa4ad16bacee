/*
 * The settlement object as it is on disk: what it forgets and when, what a failed write leaves, and how many feeds it knows.
 */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DailyTable } from '#durable-objects/daily-table.ts';
import { type PushedBatch, type Settlements } from '#durable-objects/settlements.ts';

const { SETTLEMENTS } = env as unknown as { readonly SETTLEMENTS: DurableObjectNamespace<Settlements> };
const START_MS = Date.UTC(2027, 0, 15, 12);
const DAY_MS = 86_400_000;

afterEach(() => void vi.useRealTimers());

let nonces = 0;
const hashOf = (index: number) => index.toString(16).padStart(64, '0');

/** A push of these payments, made now. */
function push(feed: string, fromIndex: number, indexes: readonly number[]): PushedBatch {
  const nowSeconds = Math.floor(Date.now() / 1000);
  return {
    feed,
    fromIndex,
    settled: indexes.map((index) => ({ index, paymentHashHex: hashOf(index), settledAtSeconds: nowSeconds })),
    nonceHex: (nonces += 1).toString(16).padStart(32, '0'),
    nonceEndsAtSeconds: nowSeconds + 120,
  };
}

const open = (name: string, work: (object: Settlements, storage: DurableObjectStorage) => Promise<void> | void) =>
  runInDurableObject(SETTLEMENTS.get(SETTLEMENTS.idFromName(name)), (object: Settlements, { storage }) => work(object, storage));

describe('the settlement object', () => {
  it('M24: knows a payment for two days, forgets it by dropping its table, and still knows how far the feed is', () =>
    open('forgets', async (object, storage) => {
      vi.useFakeTimers({ toFake: ['Date'], now: START_MS });
      expect(object.take(push('lnd', 0, [1, 2]))).toEqual({ index: 2 });
      const alarmMs = await storage.getAlarm();
      expect(alarmMs).toBe(Math.ceil((START_MS + 2 * DAY_MS) / DAY_MS) * DAY_MS);
      vi.setSystemTime(START_MS + 2 * DAY_MS - 1);
      await object.alarm();
      expect([object.isSettled(hashOf(1)), object.isSettled(hashOf(3))]).toEqual([true, false]);
      vi.setSystemTime(alarmMs!);
      await object.alarm();
      expect(object.isSettled(hashOf(1))).toBe(false);
      expect([...storage.sql.exec("SELECT name FROM sqlite_master WHERE name GLOB 'settled_v1_*'")]).toEqual([]);
      expect(object.take(push('lnd', 0, []))).toEqual({ index: 2 });
    }));

  it('M24: takes nothing of a push whose write fails, and all of it when it is sent again', () =>
    open('fails', (object) => {
      const write = vi.spyOn(DailyTable.prototype, 'write').mockImplementationOnce(function (this: DailyTable, ...row) {
        write.mockRestore();
        this.write(...row);
        throw new Error('the disk is full');
      });
      expect(() => object.take(push('lnd', 0, [1, 2]))).toThrow('the disk is full');
      expect(object.isSettled(hashOf(1))).toBe(false);
      expect(object.take(push('lnd', 0, []))).toEqual({ index: 0 });
      expect(object.take(push('lnd', 0, [1, 2]))).toEqual({ index: 2 });
      expect(object.isSettled(hashOf(1))).toBe(true);
    }));

  it('M24: knows the place of sixteen feeds; the one that was silent for longest begins anew', () =>
    open('feeds', (object) => {
      vi.useFakeTimers({ toFake: ['Date'], now: START_MS });
      for (let feed = 0; feed <= 16; feed++) {
        vi.setSystemTime(START_MS + feed * 1000);
        expect(object.take(push(`lnd-${feed}`, 0, [5]))).toEqual({ index: 5 });
      }
      expect(object.take(push('lnd-1', 0, []))).toEqual({ index: 5 });
      expect(object.take(push('lnd-0', 0, []))).toEqual({ index: 0 });
    }));

  it('M33: takes no more payments of a day when the clock is set back to the day before', () =>
    open('set back', (object, storage) => {
      vi.useFakeTimers({ toFake: ['Date'], now: START_MS });
      expect(object.take(push('lnd', 0, [1]))).toEqual({ index: 1 });
      storage.sql.exec('UPDATE days_v1 SET payments = 2000000');
      vi.setSystemTime(START_MS - DAY_MS);
      expect(object.take(push('lnd', 1, [2]))).toEqual({ index: 2 });
      expect([object.isSettled(hashOf(1)), object.isSettled(hashOf(2))]).toEqual([true, false]);
      vi.setSystemTime(START_MS + DAY_MS);
      expect(object.take(push('lnd', 2, [3]))).toEqual({ index: 3 });
      expect(object.isSettled(hashOf(3))).toBe(true);
    }));

  it('M28: forgets a nonce only when the request that it belongs to is stale', () =>
    open('nonces', (object, storage) => {
      vi.useFakeTimers({ toFake: ['Date'], now: START_MS });
      const recorded = push('lnd', 0, [1]);
      expect(object.take(recorded)).toEqual({ index: 1 });
      vi.setSystemTime(START_MS + 120_000);
      expect(object.take(recorded)).toBe('replayed');
      vi.setSystemTime(START_MS + 121_000);
      expect(object.take(push('lnd', 1, [2]))).toEqual({ index: 2 });
      expect(storage.sql.exec<{ count: number }>('SELECT count(*) AS count FROM nonces_v1').one().count).toBe(1);
    }));
});
