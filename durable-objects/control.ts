/*
 * The control object: one for a gateway, asked off the path of requests. The rules are in control-rules.ts. What an
 * operator has ordered, and which origins are down, is on disk before it is answered; votes that have not opened a breaker
 * are in memory only, and a restart forgets no more than their window.
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

/** For so long a place of the quota may still want challenges that nobody asks for: what was asked for a thousand times is cold then. */
export const STOCKED_MS = 3_600_000;
/** A place is a byte in the name of a challenge. */
const MOST_SHARDS = 256;

export class Control extends DurableObject {
  #state: ControlState;
  /** In memory only: after a restart, whoever asks next says it again. */
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

  /** The snapshot, unless `version` is the newest. */
  read(version: number): SnapshotAnswer {
    return version === this.#state.version ? {} : { snapshot: takeSnapshot(this.#state, Math.floor(Date.now() / 1000)) };
  }

  /** Counts what an isolate has seen of its origins, and answers as `read` does. */
  report(reports: readonly OriginReport[], version: number): SnapshotAnswer {
    this.#become(countReports(this.#state, reports, Date.now()));
    return this.read(version);
  }

  /** Revokes a token, an epoch or a key. */
  revoke(revocation: Revocation): ControlAnswer {
    const { answer, state } = revoke(this.#state, revocation, Math.floor(Date.now() / 1000));
    this.#become(state);
    return answer;
  }

  /** Begins or ends a maintenance. */
  setMaintenance(order: MaintenanceOrder): ControlAnswer {
    const { answer, state } = setMaintenance(this.#state, order, Math.floor(Date.now() / 1000));
    this.#become(state);
    return answer;
  }

  /** Remembers that a place of the quota is in use. */
  noteStocked(shard: number): void {
    if (Number.isInteger(shard) && shard >= 0 && shard < MOST_SHARDS) this.#stockedAtMs.set(shard, Date.now());
  }

  /** The places that were in use lately, so that nobody has to wake the others to learn that they want nothing. */
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
