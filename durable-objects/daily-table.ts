/*
 * Rows with an end, in SQLite. Rows that end on the same day, or on nearby days, share a table, so pruning drops a table
 * instead of deleting rows (M2). A table's name carries the version of its schema. A new version reads the tables of earlier
 * ones until their rows have ended, so no upgrade forgets spent payments (M36). Effects: the given storage, inside the
 * caller's transaction.
 */

const SECONDS_A_DAY = 86_400;
/** The platform's SQLite accepts no more SELECTs in one statement. */
const MOST_SELECTS = 5;
/**
 * Rows that end within this many days go to one-day tables, rows within four times as many to four-day tables, and so on.
 * Rows spread over the next year take 20 tables instead of 366, and finding a key takes 4 statements instead of 74. A row is
 * kept at most twice as long as necessary.
 */
const DAYS_BY_DAY = 4;
const WIDER = 4;

export type Value = number | string;
export type Key = ArrayBuffer | string;

export interface StoredRow {
  readonly bucket: number;
  readonly values: readonly Value[];
  /** The row is in a table of an earlier version. */
  readonly isEarlier?: true;
}

export interface TableForm {
  readonly version: number;
  /** Column names and types after the key. */
  readonly columns: readonly string[];
}

export interface TableOptions extends TableForm {
  readonly name: string;
  /** Earlier versions that may still have rows, and how to convert their rows. */
  readonly earlier?: readonly (TableForm & { readonly upgrade: (values: readonly Value[]) => readonly Value[] })[];
}

/** The tables of one version. */
interface Generation {
  readonly form: TableForm;
  readonly upgrade?: (values: readonly Value[]) => readonly Value[];
  /** Tables in use, oldest first, each named by the last day that it covers. */
  buckets: readonly number[];
  /** SELECTs over all buckets, newest first; usually one statement. */
  selects: readonly string[];
  /** By bucket. The text is always the same, so that the platform reuses the prepared statement. */
  inserts: ReadonlyMap<number, string>;
}

/** One kind of row, found by its key. */
export class DailyTable {
  readonly #sql: SqlStorage;
  readonly #name: string;
  readonly #current: Generation;
  /** Newest first; empty once no table of an earlier version is left. */
  #earlier: readonly Generation[];

  constructor(sql: SqlStorage, { name, version, columns, earlier = [] }: TableOptions) {
    this.#sql = sql;
    this.#name = name;
    const found = readTables(sql, name);
    const open = (form: TableForm): Generation => {
      const buckets = found.filter((table) => table.version === form.version).map(({ bucket }) => bucket);
      return this.#withBuckets({ form, buckets: [], selects: [], inserts: new Map() }, buckets);
    };
    this.#current = open({ version, columns });
    this.#earlier = earlier
      .map((form) => ({ ...open(form), upgrade: form.upgrade }))
      .filter(({ buckets }) => buckets.length > 0)
      .toSorted((one, other) => other.form.version - one.form.version);
    const known = new Set([version, ...earlier.map((form) => form.version)]);
    const unknown = found.find((table) => !known.has(table.version));
    // An unreadable table may hold spent payments: fail instead of giving a wrong answer.
    if (unknown !== undefined)
      throw new Error(`${name}: version ${unknown.version} of its tables is not known to this version of the gateway`);
  }

  /** Finds the row of a key in any table. */
  find(key: Key): StoredRow | undefined {
    const stored = this.#findIn(this.#current, key);
    if (stored !== undefined || this.#earlier.length === 0) return stored;
    for (const generation of this.#earlier) {
      const earlier = this.#findIn(generation, key);
      if (earlier !== undefined) return { bucket: earlier.bucket, values: generation.upgrade!(earlier.values), isEarlier: true };
    }
    return undefined;
  }

  /**
   * Writes a row so that it outlives `endsAtSeconds`. A row that was to end sooner moves to the later table. A row of an
   * earlier version stays but is hidden: it is dropped no later than the new one.
   */
  write(key: Key, values: readonly Value[], { endsAtSeconds, stored }: { endsAtSeconds: number; stored: StoredRow | undefined }): void {
    const current = this.#current;
    const day = Math.floor(endsAtSeconds / SECONDS_A_DAY);
    const isInPlace = stored !== undefined && stored.bucket >= day;
    const bucket = isInPlace ? stored.bucket : Math.max(bucketOf(day, Date.now()), stored?.bucket ?? 0);
    if (!current.inserts.has(bucket)) this.#addBucket(bucket);
    if (stored !== undefined && stored.isEarlier !== true && stored.bucket !== bucket) {
      this.#sql.exec(`DELETE FROM ${this.#tableOf(current, stored.bucket)} WHERE key = ?`, key);
    }
    this.#sql.exec(current.inserts.get(bucket)!, key, ...values);
  }

  /** Drops every table whose last row has ended. Returns the instant up to which rows were dropped; 0: none. */
  prune(nowMs: number): number {
    let droppedUntilMs = 0;
    for (const generation of [this.#current, ...this.#earlier]) {
      const ended = generation.buckets.filter((bucket) => bucketEndMs(bucket) <= nowMs);
      for (const bucket of ended) this.#sql.exec(`DROP TABLE ${this.#tableOf(generation, bucket)}`);
      if (ended.length === 0) continue;
      this.#withBuckets(
        generation,
        generation.buckets.filter((bucket) => !ended.includes(bucket)),
      );
      droppedUntilMs = Math.max(droppedUntilMs, ...ended.map(bucketEndMs));
    }
    this.#earlier = this.#earlier.filter(({ buckets }) => buckets.length > 0);
    return droppedUntilMs;
  }

  /** When the oldest table can be dropped. */
  get nextPruneMs(): number | undefined {
    let oldest = this.#current.buckets[0];
    for (const { buckets } of this.#earlier) oldest = Math.min(oldest ?? Infinity, buckets[0]!);
    return oldest === undefined ? undefined : bucketEndMs(oldest);
  }

  #findIn({ selects }: Generation, key: Key): StoredRow | undefined {
    for (const select of selects) {
      // Raw arrays avoid looking up column names on the hot path.
      const [row] = this.#sql.exec(select, key).raw<[number, ...Value[]]>();
      if (row !== undefined) return { bucket: row[0], values: row.slice(1) };
    }
    return undefined;
  }

  #addBucket(bucket: number): void {
    const { form, buckets } = this.#current;
    const columns = form.columns.map((column) => `, ${column} NOT NULL`).join('');
    this.#sql.exec(`CREATE TABLE ${this.#tableOf(this.#current, bucket)} (key BLOB PRIMARY KEY${columns}) WITHOUT ROWID`);
    this.#withBuckets(this.#current, [...buckets, bucket]);
  }

  #withBuckets(generation: Generation, buckets: readonly number[]): Generation {
    generation.buckets = buckets.toSorted((left, right) => left - right);
    const places = generation.form.columns.map(() => ', ?').join('');
    generation.inserts = new Map(
      generation.buckets.map((bucket) => [bucket, `INSERT OR REPLACE INTO ${this.#tableOf(generation, bucket)} VALUES (?${places})`]),
    );
    const names = generation.form.columns.map((column) => column.split(' ')[0]).join(', ');
    const selects = generation.buckets
      .toReversed()
      .map((bucket) => `SELECT ${bucket}, ${names} FROM ${this.#tableOf(generation, bucket)} WHERE key = ?1`);
    generation.selects = Array.from({ length: Math.ceil(selects.length / MOST_SELECTS) }, (_, at) =>
      selects.slice(at * MOST_SELECTS, (at + 1) * MOST_SELECTS).join(' UNION ALL '),
    );
    return generation;
  }

  #tableOf({ form }: Generation, bucket: number): string {
    return `${this.#name}_v${form.version}_${bucket}`;
  }
}

/** Lists these tables on disk, of all versions. */
function readTables(sql: SqlStorage, name: string): readonly { readonly version: number; readonly bucket: number }[] {
  const names = sql.exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '${name}_v[0-9]*'`);
  return [...names].flatMap((table) => {
    const [, version, bucket] = /_v(\d+)_(\d+)$/.exec(table.name) ?? [];
    return version === undefined ? [] : [{ version: Number(version), bucket: Number(bucket) }];
  });
}

/** Returns the last day of the table for rows that end on this day. */
function bucketOf(day: number, nowMs: number): number {
  const daysAhead = day - Math.floor(nowMs / 1000 / SECONDS_A_DAY);
  let width = 1;
  while (daysAhead >= width * DAYS_BY_DAY) width *= WIDER;
  return (Math.floor(day / width) + 1) * width - 1;
}

function bucketEndMs(bucket: number): number {
  return (bucket + 1) * SECONDS_A_DAY * 1000;
}
