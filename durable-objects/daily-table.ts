/*
 * Rows that end, in SQLite: one table a day of row ends, so that pruning drops a table instead of deleting rows (M2).
 * Effects: the storage it is given, inside the caller's transaction.
 */

const SECONDS_A_BUCKET = 86_400;
/** The platform's SQLite takes no more of them in one statement. */
const MOST_SELECTS = 5;

export type Value = number | string;
export type Key = ArrayBuffer | string;

export interface StoredRow {
  readonly bucket: number;
  readonly values: readonly Value[];
}

export interface TableOptions {
  /** Begins the tables' names, and carries the version of their form. */
  readonly prefix: string;
  /** Column names and types after the key. */
  readonly columns: readonly string[];
}

/** One kind of row, found by its key. */
export class DailyTable {
  readonly #sql: SqlStorage;
  readonly #prefix: string;
  readonly #columns: readonly string[];
  /** Buckets in use, oldest first. */
  #buckets: readonly number[] = [];
  /** Of all buckets, the newest first: as a rule one statement. */
  #selects: readonly string[] = [];

  constructor(sql: SqlStorage, { prefix, columns }: TableOptions) {
    this.#sql = sql;
    this.#prefix = prefix;
    this.#columns = columns;
    const names = sql.exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '${prefix}*'`);
    this.#useBuckets([...names].map(({ name }) => Number(name.slice(prefix.length))));
  }

  /** The row of a key, whichever bucket it is in. */
  find(key: Key): StoredRow | undefined {
    for (const select of this.#selects) {
      // As an array: no names have to be looked up on the hot path.
      const [row] = this.#sql.exec(select, key).raw<[number, ...Value[]]>();
      if (row !== undefined) return { bucket: row[0], values: row.slice(1) };
    }
    return undefined;
  }

  /** Writes a row so that it outlives `endsAtSeconds`. A row that was to end sooner moves to the later bucket. */
  write(key: Key, values: readonly Value[], { endsAtSeconds, stored }: { endsAtSeconds: number; stored: StoredRow | undefined }): void {
    const bucket = Math.max(Math.floor(endsAtSeconds / SECONDS_A_BUCKET), stored?.bucket ?? 0);
    if (!this.#buckets.includes(bucket)) this.#addBucket(bucket);
    if (stored !== undefined && stored.bucket !== bucket) {
      this.#sql.exec(`DELETE FROM ${this.#prefix}${stored.bucket} WHERE key = ?`, key);
    }
    const places = values.map(() => ', ?').join('');
    this.#sql.exec(`INSERT OR REPLACE INTO ${this.#prefix}${bucket} VALUES (?${places})`, key, ...values);
  }

  /** Drops every bucket whose last row has ended. Returns the instant up to which rows were dropped; 0 when none were. */
  prune(nowMs: number): number {
    const ended = this.#buckets.filter((bucket) => bucketEndMs(bucket) <= nowMs);
    for (const bucket of ended) this.#sql.exec(`DROP TABLE ${this.#prefix}${bucket}`);
    this.#useBuckets(this.#buckets.filter((bucket) => !ended.includes(bucket)));
    return Math.max(0, ...ended.map(bucketEndMs));
  }

  /** When the oldest bucket can go. */
  get nextPruneMs(): number | undefined {
    return this.#buckets[0] === undefined ? undefined : bucketEndMs(this.#buckets[0]);
  }

  #addBucket(bucket: number): void {
    const columns = this.#columns.map((column) => `, ${column} NOT NULL`).join('');
    this.#sql.exec(`CREATE TABLE ${this.#prefix}${bucket} (key BLOB PRIMARY KEY${columns}) WITHOUT ROWID`);
    this.#useBuckets([...this.#buckets, bucket]);
  }

  #useBuckets(buckets: readonly number[]): void {
    this.#buckets = buckets.toSorted((left, right) => left - right);
    const names = this.#columns.map((column) => column.split(' ')[0]).join(', ');
    const selects = this.#buckets.toReversed().map((bucket) => `SELECT ${bucket}, ${names} FROM ${this.#prefix}${bucket} WHERE key = ?1`);
    this.#selects = Array.from({ length: Math.ceil(selects.length / MOST_SELECTS) }, (_, at) =>
      selects.slice(at * MOST_SELECTS, (at + 1) * MOST_SELECTS).join(' UNION ALL '),
    );
  }
}

function bucketEndMs(bucket: number): number {
  return (bucket + 1) * SECONDS_A_BUCKET * 1000;
}
