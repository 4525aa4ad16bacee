/*
 * The replay set: a Durable Object that holds the claims of one share of all payment hashes. A claim is a lease over one RPC
 * session: reserve, then commit or release on the lease. A caller that has lost the session finishes by reservation id. The
 * rules are in claim-rules.ts, the rows in claim-store.ts; this file has only time, transactions and their grouping. Effects:
 * its storage and alarm.
 */
import { DurableObject, RpcTarget } from 'cloudflare:workers';
import { ClaimStore, type ClaimRequest, type FinishRequest, type PaymentRequest } from './claim-store.ts';
import { type FinishAnswer, type Outcome, type ReserveAnswer } from './claim-rules.ts';
import { PruneAlarm } from './prune-alarm.ts';

export type { ClaimRequest, FinishRequest };

/** How long outcomes wait to be written together with a reservation. A lost outcome leaves a use in doubt; it is given back later (M10). */
const OUTCOME_DELAY_MS = 50;

/** The caller's end of a claim. */
export class ClaimLease extends RpcTarget {
  readonly #finish: (outcome: Outcome) => FinishAnswer | Promise<FinishAnswer>;

  constructor(finish: (outcome: Outcome) => FinishAnswer | Promise<FinishAnswer>) {
    super();
    this.#finish = finish;
  }

  /** Commits an answered call; `cost` is set if the call took less than was reserved. */
  commit(cost?: number): FinishAnswer | Promise<FinishAnswer> {
    return this.#finish(cost === undefined ? { kind: 'commit' } : { kind: 'commit', cost });
  }

  /** Releases a call that failed for a known reason; `cools` is false if the call was never sent. */
  release(cools?: false): FinishAnswer | Promise<FinishAnswer> {
    return this.#finish(cools === undefined ? { kind: 'release' } : { kind: 'release', cools });
  }
}

export type LeaseAnswer = { readonly answer: ReserveAnswer; readonly lease?: ClaimLease };

interface Waiting {
  /** Does the work inside the transaction and returns the function that answers the caller after it. */
  readonly run: () => () => void;
  readonly reject: (reason: unknown) => void;
}

export class ReplaySet extends DurableObject {
  readonly #book: ClaimStore;
  readonly #alarm: PruneAlarm;
  #waiting: Waiting[] = [];
  #isFlushing = false;
  #outcomeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#book = new ClaimStore(ctx.storage.sql);
    this.#alarm = new PruneAlarm(ctx.storage, () => this.#book.nextPruneMs);
  }

  /** Reserves units of a payment under a lease, or says why it cannot. */
  async reserve(request: ClaimRequest): Promise<LeaseAnswer> {
    const { answer, number } = await this.#grouped(() => this.#book.reserve(request, Date.now()));
    if (answer.kind !== 'granted' || number === undefined) return { answer };
    const { paymentHash, reservationId, endsAtSeconds, cost } = request;
    return {
      answer,
      lease: new ClaimLease((outcome) =>
        outcome.kind === 'commit' && (outcome.cost ?? cost) === cost
          ? this.#count(number)
          : this.finish({ paymentHash, reservationId, outcome, endsAtSeconds }),
      ),
    };
  }

  /** Records the outcome of a reservation, for a caller whose session is gone (M10). */
  finish(request: FinishRequest): Promise<FinishAnswer> {
    return this.#grouped(() => this.#book.finish(request, Date.now()));
  }

  /** Revokes the payment (M30). */
  revoke(request: PaymentRequest): Promise<void> {
    return this.#grouped(() => this.#book.revoke(request));
  }

  /** Returns whether this payment, whose uses are not counted, was unknown before. */
  noteFirst(request: PaymentRequest): Promise<boolean> {
    return this.#grouped(() => this.#book.noteFirst(request));
  }

  /** Drops what has ended, and sets the alarm for the next rows. */
  override alarm(): Promise<void> {
    return this.#alarm.run(this.#prune);
  }

  readonly #prune = (): void => {
    try {
      this.ctx.storage.transactionSync(() => this.#book.prune(Date.now()));
    } catch (error) {
      // Rolled back: tables that the claim store considers dropped still exist.
      this.#book.reload();
      throw error;
    }
  };

  #count(number: number): FinishAnswer {
    const answer = this.#book.count(number);
    this.#flushLater();
    return answer;
  }

  #flushLater(): void {
    this.#outcomeTimer ??= setTimeout(() => this.#flush(), OUTCOME_DELAY_MS);
  }

  /**
   * Claims that arrive together share one transaction and one durable write: three times the throughput of separate writes.
   * The platform holds every answer until its write is on disk.
   */
  #grouped<Answer>(work: () => Answer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const run = () => {
        const answer = work();
        return () => resolve(answer);
      };
      this.#waiting.push({ run, reject });
      if (this.#isFlushing) return;
      this.#isFlushing = true;
      void scheduler.wait(0).then(() => this.#flush());
    });
  }

  #flush(): void {
    const group = this.#waiting;
    this.#waiting = [];
    this.#isFlushing = false;
    if (this.#outcomeTimer !== undefined) clearTimeout(this.#outcomeTimer);
    this.#outcomeTimer = undefined;
    this.#alarm.makeUp(this.#prune, Date.now());
    try {
      const tell = this.ctx.storage.transactionSync(() => {
        const answers = group.map(({ run }) => run());
        this.#book.write();
        return answers;
      });
      this.#book.settle();
      const setting = this.#alarm.plan();
      if (setting !== undefined) this.ctx.waitUntil(setting);
      for (const answer of tell) answer();
    } catch (error) {
      // The transaction is rolled back: it answers nobody, and tables that it created are gone.
      for (const { reject } of group) reject(error);
      this.#book.reload();
      if (this.#book.hasUnwritten) this.#flushLater();
    }
  }
}
