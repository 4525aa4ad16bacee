/*
 * Open uses that have no room in their payment's row, on disk (use-page-rules.ts says which). Pages are read once and kept in
 * memory as long as there is room, since every reservation of such a payment needs to know all its open uses. The table is
 * made when the first payment needs it: most objects never have one. Effects: the storage it is given, inside the caller's
 * transaction.
 */
import { formatUses, parseUses } from './open-use-text.ts';
import { type UsePage } from './use-page-rules.ts';

const TABLE = 'use_pages_v1';
/** Uses whose pages are kept in memory, of all payments of an object: 10 MB when each draws on four counters. */
export const MOST_USES_KEPT = 16_384;

const NO_PAGES: readonly UsePage[] = [];

/** The pages of one object. */
export class UsePages {
  readonly #sql: SqlStorage;
  /** By payment; the one used last is the last. */
  readonly #kept = new Map<string, readonly UsePage[]>();
  #usesKept = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The pages of a payment, as its row marks them. */
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

  /** Brings the disk up to date; returns the pages as they are there. */
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

  /** Keeps the pages of a payment for its next call. */
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

  /** Forgets pages whose payments have ended. */
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

/** Which pages there are, and which of their uses are open no longer, as a payment's row has it. */
export function formatMarks(pages: readonly UsePage[]): string {
  return pages.length === 0 ? '' : JSON.stringify(pages.map(({ number, closed }) => [number, closed]));
}
