/*
 * Rows decided in memory and stored on disk. The platform puts an idle object to sleep after ten seconds, and it loses its
 * memory; counts kept in memory alone could be reset by a short wait. So changed rows are written together, at most once a
 * second: no answer waits for the disk, a busy row costs one write a second instead of one per call, sleep loses nothing, and
 * a crash loses at most the last second. For protective counts, not for money: money is durable before the answer
 * (claim-store.ts). Effects: the given storage, one timer.
 */
import { dropOtherVersions } from './table-versions.ts';

export interface KeptRow {
  /** The row is meaningless from this instant on. */
  readonly endsAtMs: number;
}

export interface KeptRows<Row extends KeptRow> {
  get(key: string): Row | undefined;
  /** Stores a row and makes it the most recently used. */
  set(key: string, row: Row): void;
  drop(key: string): void;
  /** The key that was set longest ago. */
  oldestKey(): string | undefined;
  keys(): Iterable<string>;
  readonly size: number;
  /** The total weight of all rows. */
  readonly weight: number;
  /** Drops ended rows; at most once a second, because a full table calls this on every request. */
  sweep(nowMs: number): void;
  /** Writes the changes, and sets the alarm for the next sweep while there are rows. */
  flush(): Promise<void>;
}

const FLUSH_MS = 1000;
const SWEEP_MS = 1000;
/** How long ended rows may stay on the disk of an idle object. */
const ALARM_MS = 3_600_000;

export interface KeptRowsOptions<Row extends KeptRow> {
  /** How much of the memory limit a row takes. */
  readonly weigh: (row: Row) => number;
  /** The table that holds the rows. */
  readonly table?: string;
}

/** Opens the rows of an object from its disk. */
export function keepRows<Row extends KeptRow>(
  storage: DurableObjectStorage,
  { weigh, table = 'rows_v1' }: KeptRowsOptions<Row>,
): KeptRows<Row> {
  const disk = openTable<Row>(storage.sql, table);
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
  for (const [key, row] of disk.readAll()) put(key, row);

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
      for (const key of changed) disk.write(key, rows.get(key));
    });
    changed.clear();
    if (rows.size > 0) await planSweep(storage);
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

/** Opens the table that holds the rows. */
function openTable<Row extends KeptRow>(sql: SqlStorage, table: string) {
  dropOtherVersions(sql, table);
  sql.exec(`CREATE TABLE IF NOT EXISTS ${table} (key TEXT PRIMARY KEY, ends_at_ms INTEGER NOT NULL, row TEXT NOT NULL) WITHOUT ROWID`);
  return {
    /** Reads every row, soonest to end first, one at a time: there may be many. */
    *readAll(): Iterable<readonly [key: string, row: Row]> {
      for (const { key, row } of sql.exec<{ key: string; row: string }>(`SELECT key, row FROM ${table} ORDER BY ends_at_ms`)) {
        yield [key, JSON.parse(row) as Row];
      }
    },
    /** Writes a row. `undefined`: deletes it. */
    write(key: string, row: Row | undefined): void {
      if (row === undefined) sql.exec(`DELETE FROM ${table} WHERE key = ?`, key);
      else sql.exec(`INSERT OR REPLACE INTO ${table} VALUES (?, ?, ?)`, key, row.endsAtMs, JSON.stringify(row));
    },
  };
}

/** Sets the alarm for the next sweep, unless it is already set. */
async function planSweep(storage: DurableObjectStorage): Promise<void> {
  const alarmMs = await storage.getAlarm();
  const latestMs = Date.now() + ALARM_MS;
  // A later alarm was set while the clock was ahead.
  if (alarmMs === null || alarmMs > latestMs) await storage.setAlarm(latestMs);
}
