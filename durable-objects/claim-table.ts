/*
 * Claims in SQLite, one table a day of row ends: pruning drops a table instead of deleting rows (M2). Table names carry
 * the schema version. Effects: the storage it is given, inside the caller's transaction.
 */
import { type Claim } from './claim-rules.ts';

const SECONDS_A_BUCKET = 86_400;
const PREFIX = 'claims_v1_';
const STATES = ['reserved', 'good', 'spent'] as const;

type Row = {
  bucket: number;
  state: number;
  reservation_id: string;
  lease_ends_at_ms: number;
  releases: number;
  abandonments: number;
  cools_until_ms: number;
};

export interface StoredClaim {
  readonly claim: Claim;
  readonly bucket: number;
}

/** The claim rows of one object. */
export class ClaimTable {
  readonly #sql: SqlStorage;
  /** Buckets in use, oldest first. */
  #buckets: readonly number[];
  #select = '';

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    const names = sql.exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '${PREFIX}*'`);
    this.#buckets = [];
    this.#useBuckets([...names].map(({ name }) => Number(name.slice(PREFIX.length))));
  }

  /** The row of a payment, whichever bucket it is in. */
  find(paymentHash: ArrayBuffer): StoredClaim | undefined {
    if (this.#buckets.length === 0) return undefined;
    const [row] = this.#sql.exec<Row>(this.#select, paymentHash);
    if (row === undefined) return undefined;
    return {
      bucket: row.bucket,
      claim: {
        state: STATES[row.state]!,
        reservationId: row.reservation_id,
        leaseEndsAtMs: row.lease_ends_at_ms,
        releases: row.releases,
        abandonments: row.abandonments,
        coolsUntilMs: row.cools_until_ms,
      },
    };
  }

  /** Writes a row so that it outlives `endsAtSeconds`. A row that was to end sooner moves to the later bucket. */
  write(
    paymentHash: ArrayBuffer,
    claim: Claim,
    { endsAtSeconds, stored }: { endsAtSeconds: number; stored: StoredClaim | undefined },
  ): void {
    const bucket = Math.max(Math.floor(endsAtSeconds / SECONDS_A_BUCKET), stored?.bucket ?? 0);
    if (!this.#buckets.includes(bucket)) this.#addBucket(bucket);
    if (stored !== undefined && stored.bucket !== bucket) {
      this.#sql.exec(`DELETE FROM ${PREFIX}${stored.bucket} WHERE payment_hash = ?`, paymentHash);
    }
    this.#sql.exec(
      `INSERT OR REPLACE INTO ${PREFIX}${bucket} VALUES (?, ?, ?, ?, ?, ?, ?)`,
      paymentHash,
      STATES.indexOf(claim.state),
      claim.reservationId,
      claim.leaseEndsAtMs,
      claim.releases,
      claim.abandonments,
      claim.coolsUntilMs,
    );
  }

  /** Drops every bucket whose last row has ended; tells when the next one will. */
  prune(nowMs: number): number | undefined {
    const live = this.#buckets.filter((bucket) => bucketEndMs(bucket) > nowMs);
    for (const bucket of this.#buckets) if (!live.includes(bucket)) this.#sql.exec(`DROP TABLE ${PREFIX}${bucket}`);
    this.#useBuckets(live);
    return live[0] === undefined ? undefined : bucketEndMs(live[0]);
  }

  /** When the oldest bucket can go. */
  get nextPruneMs(): number | undefined {
    return this.#buckets[0] === undefined ? undefined : bucketEndMs(this.#buckets[0]);
  }

  #addBucket(bucket: number): void {
    this.#sql.exec(
      `CREATE TABLE ${PREFIX}${bucket} (payment_hash BLOB PRIMARY KEY, state INTEGER NOT NULL, reservation_id TEXT NOT NULL,
        lease_ends_at_ms INTEGER NOT NULL, releases INTEGER NOT NULL, abandonments INTEGER NOT NULL,
        cools_until_ms INTEGER NOT NULL) WITHOUT ROWID`,
    );
    this.#useBuckets([...this.#buckets, bucket]);
  }

  #useBuckets(buckets: readonly number[]): void {
    this.#buckets = buckets.toSorted((left, right) => left - right);
    this.#select = this.#buckets
      .map((bucket) => `SELECT ${bucket} AS bucket, * FROM ${PREFIX}${bucket} WHERE payment_hash = ?1`)
      .join(' UNION ALL ');
  }
}

function bucketEndMs(bucket: number): number {
  return (bucket + 1) * SECONDS_A_BUCKET * 1000;
}
