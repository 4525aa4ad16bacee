/*
 * Tables of more than one version on one disk: which are read, which are dropped, and which stop everything.
 */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DailyTable, type TableOptions } from '#durable-objects/daily-table.ts';
import { keepRows } from '#durable-objects/kept-rows.ts';
import { type ReplaySet } from '#durable-objects/replay-set.ts';

const { REPLAY_SET } = env as unknown as { readonly REPLAY_SET: DurableObjectNamespace<ReplaySet> };
const DAY_SECONDS = 86_400;
const NOW_SECONDS = Date.UTC(2027, 0, 15, 12) / 1000;
const ENDS_AT = NOW_SECONDS + 2 * DAY_SECONDS;

const FIRST: TableOptions = { name: 'things', version: 1, columns: ['size INTEGER'] };
const SECOND: TableOptions = {
  ...FIRST,
  version: 2,
  columns: ['size INTEGER', 'colour TEXT'],
  earlier: [{ version: 1, columns: ['size INTEGER'], upgrade: ([size]) => [size!, 'grey'] }],
};
const THIRD: TableOptions = {
  ...FIRST,
  version: 3,
  columns: ['colour TEXT'],
  earlier: [
    { version: 1, columns: FIRST.columns, upgrade: () => ['grey'] },
    { version: 2, columns: SECOND.columns, upgrade: ([, colour]) => [colour!] },
  ],
};

const open = (name: string, work: (storage: DurableObjectStorage) => void | Promise<void>) =>
  runInDurableObject(REPLAY_SET.get(REPLAY_SET.idFromName(name)), (_, { storage }) => {
    vi.useFakeTimers({ toFake: ['Date'], now: NOW_SECONDS * 1000 });
    return work(storage);
  });
const tablesOf = ({ sql }: DurableObjectStorage, glob: string) =>
  [...sql.exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE name GLOB '${glob}' ORDER BY name`)].map(({ name }) => name);
const write = (table: DailyTable, key: string, [values, endsAtSeconds = ENDS_AT]: [readonly (string | number)[], number?]) =>
  table.write(key, values, { endsAtSeconds, stored: table.find(key) });

afterEach(() => void vi.useRealTimers());

describe('tables that money depends on', () => {
  it('M36: of earlier versions are read, each row in the newest version that has it, until they have ended', () =>
    open('read', (storage) => {
      const first = new DailyTable(storage.sql, FIRST);
      for (const key of ['a', 'b', 'c']) write(first, key, [[7]]);
      write(new DailyTable(storage.sql, SECOND), 'b', [[8, 'blue']]);
      const third = new DailyTable(storage.sql, THIRD);
      write(third, 'c', [['red']]);
      for (const table of [third, new DailyTable(storage.sql, THIRD)]) {
        expect(['a', 'b', 'c', 'd'].map((key) => table.find(key)?.values)).toEqual([['grey'], ['blue'], ['red'], undefined]);
        expect(table.nextPruneMs).toBe((Math.floor(ENDS_AT / DAY_SECONDS) + 1) * DAY_SECONDS * 1000);
      }
      expect(third.prune(third.nextPruneMs! - 1)).toBe(0);
      expect(tablesOf(storage, 'things_*')).toHaveLength(3);
      expect(third.prune(third.nextPruneMs!)).toBeGreaterThan(ENDS_AT * 1000);
      expect(tablesOf(storage, 'things_*')).toEqual([]);
      expect(third.nextPruneMs).toBeUndefined();
    }));

  it('M36 M2: a row of an earlier version never comes back: it is dropped no later than the one that took its place', () =>
    open('never back', (storage) => {
      write(new DailyTable(storage.sql, FIRST), 'spent', [[7], ENDS_AT + 3 * DAY_SECONDS]);
      const second = new DailyTable(storage.sql, SECOND);
      write(second, 'spent', [[8, 'blue'], ENDS_AT]);
      while (second.nextPruneMs !== undefined) {
        expect(second.find('spent')?.values).toEqual([8, 'blue']);
        second.prune(second.nextPruneMs);
      }
      expect(second.find('spent')).toBeUndefined();
    }));

  it('M36: of a version that is not known stop the object: what cannot be read may have been spent', () =>
    open('rolled back', (storage) => {
      write(new DailyTable(storage.sql, THIRD), 'a', [['red']]);
      expect(() => new DailyTable(storage.sql, SECOND)).toThrow('things: version 3');
      expect(() => new DailyTable(storage.sql, { ...THIRD, version: 4, earlier: [] })).toThrow('things: version 3');
    }));
});

describe('tables that no money depends on', () => {
  it('M36: of other versions are dropped, and no others', () =>
    open('dropped', (storage) => {
      for (const table of ['counts_v1', 'counts_v3', 'counts_vault', 'discounts_v1']) storage.sql.exec(`CREATE TABLE ${table} (key TEXT)`);
      keepRows(storage, { weigh: () => 1, table: 'counts_v2' });
      expect(tablesOf(storage, '*counts_*')).toEqual(['counts_v2', 'counts_vault', 'discounts_v1']);
    }));
});
