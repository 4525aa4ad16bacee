/*
 * The quota object: a share of all clients that have not paid, one call for each of their requests. Which share is fixed
 * by the adapter; a /48 and its clients are always in the same. Those who show a payment that is used up have a traffic class of their
 * own, which no crowd of others can fill (M19). Usage counts are kept as kept-rows.ts says: a crash gives back at most one second
 * of freebies, sleep gives back nothing. The invoices that the object hands out are durable before the answer, in tables of
 * their own (invoice-pool.ts).
 */
import { DurableObject } from 'cloudflare:workers';
import { openInvoicePool, type InvoicePool } from './invoice-pool.ts';
import { laterNode, type KnownNode, type PoolBounds, type ReadyChallenge } from './pool-rules.ts';
import { runAlarm } from './prune-alarm.ts';
import { type PaidChallenge, type QuotaAnswer } from './quota-rules.ts';
import { openUsageStore, type KeptChallenge, type UsageAsk, type UsageStore } from './usage-store.ts';

export type { KeptChallenge };

export interface QuotaRequest extends UsageAsk {
  readonly trafficClass: QuotaClass;
  /** Challenges that were paid meanwhile: they are given back first. */
  readonly paid: readonly PaidChallenge[];
  /** Challenges that were made meanwhile, so that they can be given again. */
  readonly kept: readonly (KeptChallenge & { readonly trafficClass: QuotaClass })[];
}

/** Those who have not paid, and those whose payment is used up. */
export type QuotaClass = 'unpaid' | 'paid';

/** What an offer has room for, and its name. */
export interface StockedOffer {
  readonly key: string;
  readonly bounds: PoolBounds;
  /** As whoever brings them knows it. */
  readonly node?: KnownNode | undefined;
}

/** Clients and networks of one object. */
export const MOST_USAGES = 10_000;
/** Instants, challenges and free calls in all usage counts of one object: some 10 MB. An isolate may hold all sixteen objects. */
export const MOST_COUNTED = 150_000;
/** The same for payments that are used up. */
const MOST_PAID_USAGES = 2500;
const MOST_PAID_COUNTED = 40_000;
/** Ended invoices lie on the disk of an idle object for so long. */
const ALARM_MS = 3_600_000;

export class Quota extends DurableObject {
  readonly #classes: Readonly<Record<QuotaClass, UsageStore>>;
  readonly #pool: InvoicePool;
  #node: KnownNode | undefined;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#classes = {
      unpaid: openUsageStore(ctx.storage, { table: 'rows_v2', mostUsages: MOST_USAGES, mostCounted: MOST_COUNTED }),
      paid: openUsageStore(ctx.storage, { table: 'paid_v2', mostUsages: MOST_PAID_USAGES, mostCounted: MOST_PAID_COUNTED }),
    };
    this.#pool = openInvoicePool(ctx.storage);
  }

  /** Decides about one request without a payment that is good for it: a free call, an invoice, or neither. */
  ask({ trafficClass, paid, kept, ...order }: QuotaRequest): QuotaAnswer {
    this.giveBack(paid);
    for (const challenge of kept) this.#classes[challenge.trafficClass].keep(challenge);
    const nowMs = Date.now();
    this.#node = laterNode(this.#node, order.ask.offer?.node);
    const offer = order.ask.offer === undefined ? undefined : { ...order.ask.offer, node: this.#node };
    let refill = 0;
    const takeReady = (): ReadyChallenge | undefined => {
      if (offer?.pool === undefined) return undefined;
      const taken = this.#pool.take(offer.key, { ...offer.pool, node: offer.node }, nowMs);
      ({ refill } = taken);
      return taken.item;
    };
    const answer = this.#classes[trafficClass].ask({ ...order, ask: { ...order.ask, offer } }, takeReady, nowMs);
    return refill > 0 && answer.kind === 'challenge' ? { ...answer, refill } : answer;
  }

  /** A payment has been used: its challenge no longer counts against anyone. Saying it twice changes nothing. */
  giveBack(paid: readonly PaidChallenge[]): void {
    for (const challenge of paid) {
      // Who paid a challenge of the other traffic class is not known by the payment that the traffic class is counted for.
      if (!this.#classes.unpaid.giveBack(challenge)) this.#classes.paid.giveBackAnywhere(challenge);
    }
  }

  /** Takes challenges of an offer into the pool. */
  stock({ key, bounds, node }: StockedOffer, items: readonly ReadyChallenge[]): void {
    this.#node = laterNode(this.#node, node);
    this.#pool.stock(key, items, bounds);
    if (this.#pool.size > 0) this.ctx.waitUntil(this.#planAlarm());
  }

  /** How many challenges of each offer somebody should bring. */
  want(offers: readonly StockedOffer[]): readonly number[] {
    const nowMs = Date.now();
    return offers.map(({ key, bounds }) => this.#pool.want(key, bounds, nowMs));
  }

  /** Drops what says nothing any more. */
  override alarm(): Promise<void> {
    return runAlarm(this.ctx.storage, () => this.#dropEnded());
  }

  async #dropEnded(): Promise<void> {
    const nowMs = Date.now();
    this.#pool.prune(nowMs);
    for (const trafficClass of Object.values(this.#classes)) {
      trafficClass.sweep(nowMs);
      await trafficClass.flush();
    }
    if (this.#pool.size > 0) await this.#planAlarm();
  }

  async #planAlarm(): Promise<void> {
    const { storage } = this.ctx;
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now() + ALARM_MS);
  }
}
