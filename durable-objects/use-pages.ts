/*
 * The pages of open uses that do not fit in their payment's row (use-page-rules.ts decides which). Every reservation of such
 * a payment needs all its open uses, so pages are read once and cached as long as there is memory. The table is created when
 * the first payment needs it; most objects never have one. Effects: the given storage, inside the caller's transaction.
 */
import { formatUses, parseUses } from './open-use-text.ts';
import { type UsePage } from './use-page-rules.ts';

const TABLE = 'use_pages_v1';
/** Most cached uses, over all payments of an object: 10 MB if each draws on four counters. */
export const MOST_USES_KEPT = 16_384;

const NO_PAGES: readonly UsePage[] = [];

/** The pages of one object. */
export class UsePages {
  readonly #sql: SqlStorage;
  /** By payment; the most recently used is last. */
  readonly #kept = new Map<string, readonly UsePage[]>();
  #usesKept = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Reads the pages of a payment, as its row marks them. */
  read(name: string, payment: ArrayBuffer, marks: string): readonly UsePage[] {
    if (marks === '') return NO_PAGES;
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept;
    const closedOf = new Map(JSON.parse(marks) as readonly (readonly [number, number])[]);
    const rows = this.#sql.exec(`SELECT page, uses, ends_at_seconds FROM ${TABLE} WHERE payment = ? ORDER BY page`, payment);
    return [...rows.raw<[number, string, number]>()].flatMap(([number, text, endsAtSeconds]) => {
      const closed = closedOf.get(number);
      return closed === undefined ? [] : [{ number, uses: parseUses(text), closed, endsAtSeconds }];
    });
  }

  /** Writes the changes to disk; returns the pages as stored. */
  write(
    payment: ArrayBuffer,
    { pages, dropped }: { pages: readonly UsePage[]; dropped: readonly number[] },
    endsAtSeconds: number,
  ): readonly UsePage[] {
    for (const number of dropped) this.#sql.exec(`DELETE FROM ${TABLE} WHERE payment = ? AND page = ?`, payment, number);
    return pages.map((page) => {
      if (page.endsAtSeconds >= endsAtSeconds) return page;
      this.#sql.exec(
        `CREATE TABLE IF NOT EXISTS ${TABLE} (payment BLOB NOT NULL, page INTEGER NOT NULL, uses TEXT NOT NULL, ends_at_seconds INTEGER NOT NULL, PRIMARY KEY (payment, page)) WITHOUT ROWID`,
      );
      this.#sql.exec(`INSERT OR REPLACE INTO ${TABLE} VALUES (?, ?, ?, ?)`, payment, page.number, formatUses(page.uses), endsAtSeconds);
      return { ...page, endsAtSeconds };
    });
  }

  /** Caches the pages of a payment for its next call. */
  keep(name: string, pages: readonly UsePage[]): void {
    if (pages.length === 0 && this.#kept.size === 0) return;
    const before = this.#kept.get(name);
    if (before !== undefined) this.#forget(name, before);
    if (pages.length === 0) return;
    this.#kept.set(name, pages);
    this.#usesKept += countUses(pages);
    for (const [oldest, its] of this.#kept) {
      if (this.#usesKept <= MOST_USES_KEPT) return;
      this.#forget(oldest, its);
    }
  }

  /** Drops pages whose payments have ended. */
  prune(nowMs: number): void {
    const [table] = this.#sql.exec(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '${TABLE}'`).raw();
    if (table !== undefined) this.#sql.exec(`DELETE FROM ${TABLE} WHERE ends_at_seconds * 1000 <= ?`, nowMs);
  }

  #forget(name: string, pages: readonly UsePage[]): void {
    this.#kept.delete(name);
    this.#usesKept -= countUses(pages);
  }
}

function countUses(pages: readonly UsePage[]): number {
  return pages.reduce((sum, { uses }) => sum + uses.length, 0);
}

/** Formats the marks in a payment's row: which pages exist, and which of their uses are closed. */
export function formatMarks(pages: readonly UsePage[]): string {
  return pages.length === 0 ? '' : JSON.stringify(pages.map(({ number, closed }) => [number, closed]));
}
