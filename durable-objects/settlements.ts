/*
 * The settlement object: payments that nodes have seen, as their bridge pushes them, and how far each feed has got. One for
 * a gateway, asked at the first use of a token that a preimage alone does not prove (M24). The rules are in
 * settlement-rules.ts. It only ever knows that a payment was made: of what it does not know the node is asked.
 */
import { DurableObject } from 'cloudflare:workers';
import { DailyTable } from './daily-table.ts';
import { PruneAlarm } from './prune-alarm.ts';
import { takeBatch, type BatchDecision, type SettledBatch } from './settlement-rules.ts';

export interface PushedBatch extends SettledBatch {
  readonly feed: string;
  /** Of the signed request, and how long it could come again. */
  readonly nonceHex: string;
  readonly nonceEndsAtSeconds: number;
}

export type PushAnswer = { readonly index: number } | 'malformed' | 'replayed';

/** Feeds whose place is known; the one that was silent for longest makes room, and begins anew when it comes back. */
const MOST_FEEDS = 16;
/** Pushes whose nonces are remembered at once. A bridge sends a few a second at most. */
const MOST_NONCES = 10_000;
/** Payments that are taken on one day: some 200 MB. What comes beyond is looked up. */
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

  /** Whether a node has said that this invoice is paid. */
  isSettled(paymentHashHex: string): boolean {
    return this.#settled.find(paymentHashHex) !== undefined;
  }

  /** Takes a push, or says where the feed stands. */
  take(push: PushedBatch): PushAnswer {
    this.#alarm.makeUp(this.#prune, Date.now());
    try {
      const answer = this.ctx.storage.transactionSync(() => this.#take(push, Math.floor(Date.now() / 1000)));
      const setting = this.#alarm.plan();
      if (setting !== undefined) this.ctx.waitUntil(setting);
      return answer;
    } catch (error) {
      // The transaction is undone, and a table that it made is gone again.
      this.#settled = openTable(this.ctx.storage.sql);
      throw error;
    }
  }

  /** Drops what has ended, and sleeps until the next rows do. */
  override alarm(): Promise<void> {
    return this.#alarm.run(this.#prune);
  }

  readonly #prune = (): void => {
    const { sql } = this.ctx.storage;
    try {
      this.ctx.storage.transactionSync(() => this.#settled.prune(Date.now()));
    } catch (error) {
      // Undone: tables that this one takes for dropped are there.
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
    // Days only move forward (M33): a clock that is set back does not empty the count of a day.
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
