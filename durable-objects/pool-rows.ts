/*
 * The tables of the invoice pool: blocks of challenges, and the demand for each offer. A block is deleted in the same turn in
 * which it is read, before any of its challenges can be issued (M23). Effects: the given storage.
 */
import { type Demand, type ReadyChallenge } from './pool-rules.ts';

/** Challenges of one offer that are stored in one row. */
export interface Block {
  readonly id: number;
  readonly count: number;
  /** When the last of them ends. */
  readonly endsAtMs: number;
}

export interface PoolRows {
  /** Lists all blocks, soonest to end first, without their challenges. */
  listBlocks(): Iterable<{ readonly offer: string; readonly block: Block }>;
  writeBlock(offer: string, items: readonly ReadyChallenge[]): Block;
  /** Deletes a block and returns its challenges, oldest first. */
  takeBlock(id: number): readonly ReadyChallenge[];
  dropBlock(id: number): void;
  dropEndedBlocks(nowMs: number): void;
  listDemands(): Iterable<{ readonly offer: string; readonly demand: Demand }>;
  writeDemand(offer: string, demand: Demand): void;
  dropDemand(offer: string): void;
}

/** Opens the tables, and creates those that do not exist yet. */
export function openPoolRows(sql: SqlStorage): PoolRows {
  sql.exec(
    'CREATE TABLE IF NOT EXISTS pool_v1 (id INTEGER PRIMARY KEY, offer TEXT NOT NULL, ends_at_ms INTEGER NOT NULL, count INTEGER NOT NULL, items TEXT NOT NULL)',
  );
  sql.exec('CREATE TABLE IF NOT EXISTS demand_v1 (offer TEXT PRIMARY KEY, count REAL NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID');
  const dropBlock = (id: number) => void sql.exec('DELETE FROM pool_v1 WHERE id = ?', id);
  return {
    listBlocks: () =>
      sql
        .exec<{ id: number; offer: string; count: number; ends_at_ms: number }>(
          'SELECT id, offer, count, ends_at_ms FROM pool_v1 ORDER BY ends_at_ms',
        )
        .toArray()
        .map(({ id, offer, count, ends_at_ms: endsAtMs }) => ({ offer, block: { id, count, endsAtMs } })),
    writeBlock(offer, items) {
      const endsAtMs = Math.max(...items.map((item) => item.endsAtMs));
      const insert = 'INSERT INTO pool_v1 (offer, ends_at_ms, count, items) VALUES (?, ?, ?, ?) RETURNING id';
      const { id } = sql.exec<{ id: number }>(insert, offer, endsAtMs, items.length, JSON.stringify(items)).one();
      return { id, count: items.length, endsAtMs };
    },
    takeBlock(id) {
      const found = sql.exec<{ items: string }>('SELECT items FROM pool_v1 WHERE id = ?', id).toArray();
      dropBlock(id);
      return found.flatMap(({ items }) => JSON.parse(items) as ReadyChallenge[]);
    },
    dropBlock,
    dropEndedBlocks: (nowMs) => void sql.exec('DELETE FROM pool_v1 WHERE ends_at_ms <= ?', nowMs),
    listDemands: () =>
      sql
        .exec<{ offer: string; count: number; at_ms: number }>('SELECT * FROM demand_v1')
        .toArray()
        .map(({ offer, count, at_ms: atMs }) => ({ offer, demand: { count, atMs } })),
    writeDemand: (offer, { count, atMs }) => void sql.exec('INSERT OR REPLACE INTO demand_v1 VALUES (?, ?, ?)', offer, count, atMs),
    dropDemand: (offer) => void sql.exec('DELETE FROM demand_v1 WHERE offer = ?', offer),
  };
}
