/*
 * Rows that are decided upon in memory and remembered on disk. An object without traffic is put to sleep after ten seconds
 * and loses its memory, so counts kept in memory alone could be reset by waiting a little. Changed rows are therefore
 * written together, at most once a second: no answer waits for the disk, a busy row costs one write a second and not one
 * a call, sleep loses nothing, and a crash at most the last second. For counts that guard, not for money: those are
 * durable before they are answered (claim-store.ts). Effects: the storage it is given, one timer.
 */
import { dropOtherVersions } from './table-versions.ts';

export interface KeptRow {
  /** From then on the row says nothing any more. */
  readonly endsAtMs: number;
}

export interface KeptRows<Row extends KeptRow> {
  get(key: string): Row | undefined;
  /** Keeps a row; it becomes the one used last. */
  set(key: string, row: Row): void;
  drop(key: string): void;
  /** The key that was set longest ago. */
  oldestKey(): string | undefined;
  keys(): Iterable<string>;
  readonly size: number;
  /** What all rows weigh together. */
  readonly weight: number;
  /** Drops what has ended; at most once a second, since a full table is asked for room at every call. */
  sweep(nowMs: number): void;
  /** Writes what has changed, and wakes the object for the next sweep as long as there are rows. */
  flush(): Promise<void>;
}

const FLUSH_MS = 1000;
const SWEEP_MS = 1000;
/** Ended rows lie on the disk of an idle object for so long. */
const ALARM_MS = 3_600_000;

export interface KeptRowsOptions<Row extends KeptRow> {
  /** How much of the memory's bound a row takes. */
  readonly weigh: (row: Row) => number;
  /** Where the rows lie on disk. */
  readonly table?: string;
}

/** The rows of an object, read from its disk. */
export function keepRows<Row extends KeptRow>(
  storage: DurableObjectStorage,
  { weigh, table = 'rows_v1' }: KeptRowsOptions<Row>,
): KeptRows<Row> {
  const { sql } = storage;
  dropOtherVersions(sql, table);
  sql.exec(`CREATE TABLE IF NOT EXISTS ${table} (key TEXT PRIMARY KEY, ends_at_ms INTEGER NOT NULL, row TEXT NOT NULL) WITHOUT ROWID`);
  const rows = new Map<string, Row>();
  const changed = new Set<string>();
  let weight = 0;
  let lastSweepMs = 0;
  let isFlushPlanned = false;

  const put = (key: string, row: Row | undefined) => {
    const before = rows.get(key);
    if (before !== undefined) weight -= weigh(before);
    rows.delete(key);
    if (row === undefined) return;
    rows.set(key, row);
    weight += weigh(row);
  };
  for (const { key, row } of sql.exec<{ key: string; row: string }>(`SELECT key, row FROM ${table} ORDER BY ends_at_ms`)) {
    put(key, JSON.parse(row) as Row);
  }

  const change = (key: string, row: Row | undefined) => {
    put(key, row);
    changed.add(key);
    if (isFlushPlanned) return;
    isFlushPlanned = true;
    setTimeout(() => void flush(), FLUSH_MS);
  };

  const flush = async () => {
    isFlushPlanned = false;
    storage.transactionSync(() => {
      for (const key of changed) {
        const row = rows.get(key);
        if (row === undefined) sql.exec(`DELETE FROM ${table} WHERE key = ?`, key);
        else sql.exec(`INSERT OR REPLACE INTO ${table} VALUES (?, ?, ?)`, key, row.endsAtMs, JSON.stringify(row));
      }
    });
    changed.clear();
    if (rows.size === 0) return;
    const alarmMs = await storage.getAlarm();
    const latestMs = Date.now() + ALARM_MS;
    // One that is later was set when the clock was ahead.
    if (alarmMs === null || alarmMs > latestMs) await storage.setAlarm(latestMs);
  };

  return {
    get: (key) => rows.get(key),
    set: change,
    drop: (key) => change(key, undefined),
    oldestKey: () => rows.keys().next().value,
    keys: () => rows.keys(),
    get size() {
      return rows.size;
    },
    get weight() {
      return weight;
    },
    sweep(nowMs) {
      if (Math.abs(nowMs - lastSweepMs) < SWEEP_MS) return;
      lastSweepMs = nowMs;
      for (const [key, { endsAtMs }] of rows) if (endsAtMs <= nowMs) change(key, undefined);
    },
    flush,
  };
}
