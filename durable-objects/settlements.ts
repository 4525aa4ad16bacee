/*
 * The settlement object: payments that nodes have seen, as the bridge pushes them, and the index of each feed. There is one
 * per gateway; it is asked at the first use of a token that a preimage alone does not prove (M24). The rules are in
 * settlement-rules.ts. It can only confirm a payment: if it does not know one, the node is asked. Effects: its storage and
 * alarm.
 */
import { DurableObject } from 'cloudflare:workers';
import { DailyTable } from './daily-table.ts';
import { PruneAlarm } from './prune-alarm.ts';
import { takeBatch, type BatchDecision, type SettledBatch } from './settlement-rules.ts';

export interface PushedBatch extends SettledBatch {
  readonly feed: string;
  /** From the signed request, with the end of the time in which it could be replayed. */
  readonly nonceHex: string;
  readonly nonceEndsAtSeconds: number;
}

export type PushAnswer = { readonly index: number } | 'malformed' | 'replayed';

/** Most feeds whose index is known. The one silent for longest is dropped, and starts from zero when it returns. */
const MOST_FEEDS = 16;
/** Most nonces of pushes remembered at once. A bridge sends a few per second at most. */
const MOST_NONCES = 10_000;
/** Most payments stored per day: some 200 MB. Further payments are looked up at the node. */
const MOST_SETTLED_A_DAY = 2_000_000;

export class Settlements extends DurableObject {
  #settled: DailyTable;
  readonly #alarm: PruneAlarm;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    const { sql } = ctx.storage;
    sql.exec('CREATE TABLE IF NOT EXISTS feeds_v1 (feed TEXT PRIMARY KEY, stands_at INTEGER, pushed_at INTEGER) WITHOUT ROWID');
    sql.exec('CREATE TABLE IF NOT EXISTS nonces_v1 (nonce TEXT PRIMARY KEY, ends_at INTEGER) WITHOUT ROWID');
    sql.exec('CREATE TABLE IF NOT EXISTS days_v1 (day INTEGER PRIMARY KEY, payments INTEGER) WITHOUT ROWID');
    this.#settled = openTable(sql);
    this.#alarm = new PruneAlarm(ctx.storage, () => this.#settled.nextPruneMs);
  }

  /** Whether a node has reported this invoice as paid. */
  isSettled(paymentHashHex: string): boolean {
    return this.#settled.find(paymentHashHex) !== undefined;
  }

  /** Accepts a push, or returns the feed's index. */
  take(push: PushedBatch): PushAnswer {
    this.#alarm.makeUp(this.#prune, Date.now());
    try {
      const answer = this.ctx.storage.transactionSync(() => this.#take(push, Math.floor(Date.now() / 1000)));
      const setting = this.#alarm.plan();
      if (setting !== undefined) this.ctx.waitUntil(setting);
      return answer;
    } catch (error) {
      // The transaction is rolled back, and a table that it created is gone.
      this.#settled = openTable(this.ctx.storage.sql);
      throw error;
    }
  }

  /** Drops what has ended, and sets the alarm for the next rows. */
  override alarm(): Promise<void> {
    return this.#alarm.run(this.#prune);
  }

  readonly #prune = (): void => {
    const { sql } = this.ctx.storage;
    try {
      this.ctx.storage.transactionSync(() => this.#settled.prune(Date.now()));
    } catch (error) {
      // Rolled back: tables that this object considers dropped still exist.
      this.#settled = openTable(sql);
      throw error;
    }
  };

  #take({ feed, nonceHex, nonceEndsAtSeconds, ...batch }: PushedBatch, nowSeconds: number): PushAnswer {
    const { sql } = this.ctx.storage;
    sql.exec('DELETE FROM nonces_v1 WHERE ends_at < ?', nowSeconds);
    const known = sql.exec<{ count: number }>('SELECT count(*) AS count FROM nonces_v1').one().count;
    const noted = sql.exec('INSERT OR IGNORE INTO nonces_v1 VALUES (?, ?)', nonceHex, nonceEndsAtSeconds);
    if (known >= MOST_NONCES || noted.rowsWritten === 0) return 'replayed';
    const [row] = sql.exec<{ at: number }>('SELECT stands_at AS at FROM feeds_v1 WHERE feed = ?', feed);
    const taken = takeBatch(row?.at ?? 0, batch, nowSeconds);
    if (taken === 'malformed') return taken;
    this.#keep(taken.kept, nowSeconds);
    if (taken.index !== row?.at) {
      sql.exec('INSERT OR REPLACE INTO feeds_v1 VALUES (?, ?, ?)', feed, taken.index, nowSeconds);
      sql.exec('DELETE FROM feeds_v1 WHERE feed NOT IN (SELECT feed FROM feeds_v1 ORDER BY pushed_at DESC LIMIT ?)', MOST_FEEDS);
    }
    return { index: taken.index };
  }

  #keep(kept: BatchDecision['kept'], nowSeconds: number): void {
    if (kept.length === 0) return;
    const { sql } = this.ctx.storage;
    // Days only move forward (M33): setting the clock back does not reset the count of a day.
    const { newest } = sql.exec<{ newest: number | null }>('SELECT max(day) AS newest FROM days_v1').one();
    const day = Math.max(Math.floor(nowSeconds / 86_400), newest ?? 0);
    sql.exec('DELETE FROM days_v1 WHERE day < ?', day);
    const counted =
      'INSERT INTO days_v1 VALUES (?, ?) ON CONFLICT (day) DO UPDATE SET payments = payments + excluded.payments RETURNING payments';
    if (sql.exec<{ payments: number }>(counted, day, kept.length).one().payments > MOST_SETTLED_A_DAY) return;
    for (const { paymentHashHex, endsAtSeconds } of kept) {
      const stored = this.#settled.find(paymentHashHex);
      this.#settled.write(paymentHashHex, [endsAtSeconds], { endsAtSeconds, stored });
    }
  }
}

function openTable(sql: SqlStorage): DailyTable {
  return new DailyTable(sql, { name: 'settled', version: 1, columns: ['ends_at INTEGER'] });
}
