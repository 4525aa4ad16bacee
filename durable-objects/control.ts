/*
 * The control object: one per gateway, never called on the path of a request. The rules are in control-rules.ts. Operator
 * orders and opened breakers are on disk before the answer; other votes are in memory only, so a restart loses at most their
 * window. Effects: its storage.
 */
import { DurableObject } from 'cloudflare:workers';
import { type Breaker } from './breaker-rules.ts';
import {
  countReports,
  EMPTY_CONTROL,
  revoke,
  setMaintenance,
  takeSnapshot,
  type ControlAnswer,
  type ControlState,
  type Maintenance,
  type MaintenanceOrder,
  type OriginReport,
  type Revocation,
  type SnapshotAnswer,
} from './control-rules.ts';

interface Stored {
  readonly version: number;
  readonly breakers: readonly (readonly [string, Breaker])[];
}

/** A quota shard stays listed this long after its last use. By then an offer with a thousand asks is cold, so the shard needs no refill. */
export const STOCKED_MS = 3_600_000;
/** The id of a challenge holds its shard in one byte. */
const MOST_SHARDS = 256;

export class Control extends DurableObject {
  #state: ControlState;
  /** In memory only: after a restart, the next request reports its shard again. */
  readonly #stockedAtMs = new Map<number, number>();

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    const { kv } = ctx.storage;
    const { version, breakers } = kv.get<Stored>('state_v1') ?? { version: 0, breakers: [] };
    this.#state = {
      ...EMPTY_CONTROL,
      version,
      breakers: new Map(breakers),
      revocations: kv.get<readonly Revocation[]>('revocations_v1') ?? [],
      maintenances: kv.get<readonly Maintenance[]>('maintenances_v1') ?? [],
    };
  }

  /** Returns the snapshot, unless `version` is the latest. */
  read(version: number): SnapshotAnswer {
    return version === this.#state.version ? {} : { snapshot: takeSnapshot(this.#state, Math.floor(Date.now() / 1000)) };
  }

  /** Counts an isolate's reports about origins, and answers like `read`. */
  report(reports: readonly OriginReport[], version: number): SnapshotAnswer {
    this.#become(countReports(this.#state, reports, Date.now()));
    return this.read(version);
  }

  revoke(revocation: Revocation): ControlAnswer {
    const { answer, state } = revoke(this.#state, revocation, Math.floor(Date.now() / 1000));
    this.#become(state);
    return answer;
  }

  setMaintenance(order: MaintenanceOrder): ControlAnswer {
    const { answer, state } = setMaintenance(this.#state, order, Math.floor(Date.now() / 1000));
    this.#become(state);
    return answer;
  }

  /** Notes that a quota shard is in use. */
  noteStocked(shard: number): void {
    if (Number.isInteger(shard) && shard >= 0 && shard < MOST_SHARDS) this.#stockedAtMs.set(shard, Date.now());
  }

  /** Returns the shards in recent use, so that idle ones are not woken just to learn that they need nothing. */
  stockedShards(): readonly number[] {
    const nowMs = Date.now();
    for (const [shard, atMs] of this.#stockedAtMs) if (Math.abs(nowMs - atMs) >= STOCKED_MS) this.#stockedAtMs.delete(shard);
    return [...this.#stockedAtMs.keys()].toSorted((one, other) => one - other);
  }

  #become(state: ControlState): void {
    const before = this.#state;
    if (state.version !== before.version) {
      const { kv } = this.ctx.storage;
      this.ctx.storage.transactionSync(() => {
        const breakers = [...state.breakers].filter(([, { openUntilMs }]) => openUntilMs !== 0);
        kv.put<Stored>('state_v1', { version: state.version, breakers });
        if (state.revocations !== before.revocations) kv.put('revocations_v1', state.revocations);
        if (state.maintenances !== before.maintenances) kv.put('maintenances_v1', state.maintenances);
      });
    }
    this.#state = state;
  }
}
