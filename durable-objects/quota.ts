/*
 * The quota object: one shard of all clients that have not paid, called once for each of their requests. The adapter fixes
 * the shard; a /48 and its clients always share one. Clients that present a used-up payment have their own traffic class,
 * which no crowd of others can fill (M19). Usages are kept as kept-rows.ts describes: a crash forgets at most one second of
 * free calls and challenges, sleep forgets nothing. Pooled invoices have their own tables and are durable before the answer
 * (invoice-pool.ts). Effects: its storage and alarm.
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
  /** Challenges paid in the meantime; they are given back first. */
  readonly paid: readonly PaidChallenge[];
  /** Challenges made in the meantime, so that they can be issued again. */
  readonly kept: readonly (KeptChallenge & { readonly trafficClass: QuotaClass })[];
}

/** `unpaid`: clients that have not paid. `paid`: clients whose payment is used up. */
export type QuotaClass = 'unpaid' | 'paid';

/** The key of an offer, and how many challenges it keeps. */
export interface StockedOffer {
  readonly key: string;
  readonly bounds: PoolBounds;
  /** As the caller that delivers the challenges knows it. */
  readonly node?: KnownNode | undefined;
}

/** Most clients and networks of one object. */
export const MOST_USAGES = 10_000;
/** Most instants, challenges and free calls in all usages of one object: some 10 MB. An isolate may hold all sixteen objects. */
export const MOST_COUNTED = 150_000;
/** The same for payments that are used up. */
const MOST_PAID_USAGES = 2500;
const MOST_PAID_COUNTED = 40_000;
/** How long ended invoices may stay on the disk of an idle object. */
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

  /** Decides one request without a usable payment: a free call, an invoice, or neither. */
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

  /** Records that payments were used: their challenges no longer count against anyone. Idempotent. */
  giveBack(paid: readonly PaidChallenge[]): void {
    for (const challenge of paid) {
      // The `paid` traffic class counts by used-up payment, and a new payment does not reveal which. So all its usages are
      // searched.
      if (!this.#classes.unpaid.giveBack(challenge)) this.#classes.paid.giveBackAnywhere(challenge);
    }
  }

  /** Adds challenges of an offer to the pool. */
  stock({ key, bounds, node }: StockedOffer, items: readonly ReadyChallenge[]): void {
    this.#node = laterNode(this.#node, node);
    this.#pool.stock(key, items, bounds);
    if (this.#pool.size > 0) this.ctx.waitUntil(this.#planAlarm());
  }

  /** Returns how many challenges of each offer the caller should make. */
  want(offers: readonly StockedOffer[]): readonly number[] {
    const nowMs = Date.now();
    return offers.map(({ key, bounds }) => this.#pool.want(key, bounds, nowMs));
  }

  /** Drops what has ended. */
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
