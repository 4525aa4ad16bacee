/*
 * The instant up to which an object may have dropped rows. A payment that ends before it stays ended even if the clock is set
 * back later: its row may be gone, and a spent payment would look unused (M32). Effects: the given storage.
 */

const TABLE = 'forgotten_v1';

/** The instant, on disk from the first drop on. */
export class ForgottenUntil {
  readonly #sql: SqlStorage;
  #ms = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    const [table] = sql.exec(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '${TABLE}'`).raw();
    if (table === undefined) return;
    const [row] = sql.exec(`SELECT until_ms FROM ${TABLE}`).raw<[number]>();
    this.#ms = row?.[0] ?? 0;
  }

  get ms(): number {
    return this.#ms;
  }

  /** Moves the instant forward, never back. Call it in the transaction that drops the rows. */
  advance(toMs: number): void {
    if (toMs <= this.#ms) return;
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS ${TABLE} (id INTEGER PRIMARY KEY, until_ms INTEGER NOT NULL)`);
    this.#sql.exec(`INSERT OR REPLACE INTO ${TABLE} VALUES (0, ?)`, toMs);
    this.#ms = toMs;
  }
}
