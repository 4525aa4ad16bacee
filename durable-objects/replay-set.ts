/*
 * The replay set: a Durable Object that holds the claims of a share of all payment hashes. A claim is a lease over one
 * RPC session: reserve, then commit or release on the lease; who has lost the session finishes by reservation id.
 * The rules are in claim-rules.ts, the rows in claim-table.ts; here are only time, storage and the grouping of writes.
 */
import { DurableObject, RpcTarget } from 'cloudflare:workers';
import { finishClaim, reserveClaim, type FinishAnswer, type Outcome, type ReserveAnswer } from './claim-rules.ts';
import { ClaimTable } from './claim-table.ts';

export interface ClaimRequest {
  readonly paymentHash: ArrayBuffer;
  readonly reservationId: string;
  readonly leaseMs: number;
  /** The row is kept at least until then. */
  readonly endsAtSeconds: number;
}

export interface FinishRequest {
  readonly paymentHash: ArrayBuffer;
  readonly reservationId: string;
  readonly outcome: Outcome;
  readonly endsAtSeconds: number;
}

/** The holder's end of a claim. */
export class ClaimLease extends RpcTarget {
  readonly #finish: (outcome: Outcome) => Promise<FinishAnswer>;

  constructor(finish: (outcome: Outcome) => Promise<FinishAnswer>) {
    super();
    this.#finish = finish;
  }

  commit(): Promise<FinishAnswer> {
    return this.#finish('commit');
  }

  release(): Promise<FinishAnswer> {
    return this.#finish('release');
  }
}

export type LeaseAnswer = { readonly answer: ReserveAnswer; readonly lease?: ClaimLease };

interface Waiting {
  /** Does the work inside the transaction; what it returns tells the caller, after the transaction. */
  readonly run: () => () => void;
  readonly reject: (reason: unknown) => void;
}

export class ReplaySet extends DurableObject {
  #claims: ClaimTable;
  #waiting: Waiting[] = [];

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#claims = new ClaimTable(ctx.storage.sql);
  }

  /** Takes the claim of a payment, or says why it cannot be had. */
  async reserve(request: ClaimRequest): Promise<LeaseAnswer> {
    const { paymentHash, reservationId, leaseMs, endsAtSeconds } = request;
    const answer = await this.#grouped(() => {
      const stored = this.#claims.find(paymentHash);
      const decision = reserveClaim(stored?.claim, { reservationId, leaseMs }, Date.now());
      if (decision.claim !== undefined) this.#claims.write(paymentHash, decision.claim, { endsAtSeconds, stored });
      return decision.answer;
    });
    if (answer.kind !== 'granted') return { answer };
    return {
      answer,
      lease: new ClaimLease((outcome) => this.finish({ paymentHash, reservationId, outcome, endsAtSeconds })),
    };
  }

  /** Records the outcome of a reservation, for a holder whose session is gone (M10). */
  finish({ paymentHash, reservationId, outcome, endsAtSeconds }: FinishRequest): Promise<FinishAnswer> {
    return this.#grouped(() => {
      const stored = this.#claims.find(paymentHash);
      const decision = finishClaim(stored?.claim, { reservationId, outcome }, Date.now());
      if (decision.claim !== undefined) this.#claims.write(paymentHash, decision.claim, { endsAtSeconds, stored });
      return decision.answer;
    });
  }

  /** Drops what has ended, and sleeps until the next bucket does. */
  override async alarm(): Promise<void> {
    const nextMs = this.#claims.prune(Date.now());
    if (nextMs !== undefined) await this.ctx.storage.setAlarm(nextMs);
  }

  /**
   * Claims that arrive together share one transaction and one durable write: three times the throughput of a write each.
   * The platform holds every answer until its write is on disk.
   */
  #grouped<Answer>(work: () => Answer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const run = () => {
        const answer = work();
        return () => resolve(answer);
      };
      this.#waiting.push({ run, reject });
      if (this.#waiting.length === 1) void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    await scheduler.wait(0);
    const group = this.#waiting;
    this.#waiting = [];
    const nextPruneMs = this.#claims.nextPruneMs;
    try {
      const tell = this.ctx.storage.transactionSync(() => group.map(({ run }) => run()));
      if (this.#claims.nextPruneMs !== nextPruneMs) void this.ctx.storage.setAlarm(this.#claims.nextPruneMs!);
      for (const answer of tell) answer();
    } catch (error) {
      // The transaction is undone: nobody gets an answer from it, and tables it made are gone again.
      this.#claims = new ClaimTable(this.ctx.storage.sql);
      for (const { reject } of group) reject(error);
    }
  }
}
