/*
 * The quota object: a share of all clients that have not paid, one call for each of their requests. Which share is fixed
 * by the adapter; a /48 and its clients are always in the same. The rules are in quota-rules.ts; tallies are kept as
 * kept-rows.ts says: a crash gives back at most one second of freebies, sleep gives back nothing. Whatever must be handed
 * out once and durably before the answer (invoices of a pool) belongs into a table of its own beside these rows.
 */
import { DurableObject } from 'cloudflare:workers';
import { keepRows, type KeptRows } from './kept-rows.ts';
import {
  askQuota,
  EMPTY_TALLY,
  giveBackChallenge,
  weighTally,
  widenBounds,
  type ClientKey,
  type PaidChallenge,
  type QuotaAnswer,
  type QuotaAsk,
  type QuotaBounds,
  type Tally,
} from './quota-rules.ts';

export interface QuotaRequest {
  readonly client: ClientKey;
  readonly ask: QuotaAsk;
  /** What one client gets. */
  readonly bounds: QuotaBounds;
  /** What all clients of this object get together. */
  readonly totals: QuotaBounds;
  /** Challenges that were paid meanwhile: they are given back first. */
  readonly paid: readonly PaidChallenge[];
}

/** Clients and networks of one object. */
export const MOST_TALLIES = 20_000;
/** Instants, challenges and free calls in all tallies of one object: some 30 MB. */
export const MOST_TALLIED = 500_000;

const TOTAL = 'total';
/**
 * For those who come when the table is full. A tally that still counts is never thrown away: that would give its owner a
 * fresh start. Latecomers share one, with the bounds of a large network; so they are served, and filling the table gains
 * no one more than that.
 */
const LATECOMERS = 'latecomers';

export class Quota extends DurableObject {
  readonly #tallies: KeptRows<Tally>;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#tallies = keepRows<Tally>(ctx.storage, weighTally);
  }

  /** Decides about one request without a verified token: a free call, an invoice, or neither. */
  ask({ client, ask, bounds, totals, paid }: QuotaRequest): QuotaAnswer {
    this.giveBack(paid);
    const nowMs = Date.now();
    const names = this.#namesOf(client, nowMs);
    const levels = names.map((name) => ({
      tally: this.#tallies.get(name) ?? EMPTY_TALLY,
      bounds: name === TOTAL ? totals : name.startsWith('client ') ? bounds : widenBounds(bounds),
    }));
    const { answer, tallies } = askQuota(levels, ask, nowMs);
    for (const [index, tally] of (tallies ?? []).entries()) this.#tallies.set(names[index]!, tally);
    return answer;
  }

  /** A payment has been used: its challenge no longer counts against anyone. Saying it twice changes nothing. */
  giveBack(paid: readonly PaidChallenge[]): void {
    for (const challenge of paid) {
      for (const name of [...tallyNames(challenge.client), LATECOMERS, TOTAL]) {
        const tally = this.#tallies.get(name);
        const changed = tally === undefined ? undefined : giveBackChallenge(tally, challenge);
        if (changed !== undefined) this.#tallies.set(name, changed);
      }
    }
  }

  /** Drops tallies that say nothing any more. */
  override async alarm(): Promise<void> {
    this.#tallies.sweep(Date.now());
    await this.#tallies.flush();
  }

  #namesOf(client: ClientKey, nowMs: number): readonly string[] {
    const own = tallyNames(client);
    const isFull = () => this.#tallies.size + own.length > MOST_TALLIES || this.#tallies.weight >= MOST_TALLIED;
    if (own.every((name) => this.#tallies.get(name) !== undefined) || !isFull()) return [...own, TOTAL];
    this.#tallies.sweep(nowMs);
    return isFull() ? [LATECOMERS, TOTAL] : [...own, TOTAL];
  }
}

function tallyNames({ key, group }: ClientKey): readonly string[] {
  return group === undefined ? [`client ${key}`] : [`client ${key}`, `group ${group}`];
}
