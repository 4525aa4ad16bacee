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

export class Control extends DurableObject {
  #state: ControlState;

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
