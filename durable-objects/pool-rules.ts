/*
 * Challenges that are ready before anyone asks: how many of an offer are wanted, and which may still be handed out. Demand is
 * a count that halves every five minutes, so that it needs no windows and dies away by itself; an amount that is seldom asked
 * for stays cold and costs no invoice that nobody wants. Pure.
 */

/** An invoice with its one token, and until when it can be paid. */
export interface ReadyChallenge {
  /** The name under which quotas count it; the token begins with it. */
  readonly id: string;
  readonly paymentHashHex: string;
  readonly invoice: string;
  readonly token: string;
  readonly endsAtMs: number;
  /** Names the node that made the invoice, where that is known. */
  readonly node?: string;
}

/** The node that makes invoices now, and since when somebody knows that. */
export interface KnownNode {
  readonly name: string;
  readonly learnedAtMs: number;
}

/** Whether an invoice can be paid at the node that is there now: what another node made cannot (M44). */
export function isOfNode({ node }: Pick<ReadyChallenge, 'node'>, current: KnownNode | undefined): boolean {
  return current === undefined || node === current.name;
}

/** Isolates learn of another node one after the other: the latest news is right. */
export function laterNode(known: KnownNode | undefined, told: KnownNode | undefined): KnownNode | undefined {
  return known === undefined || (told !== undefined && told.learnedAtMs > known.learnedAtMs) ? told : known;
}

/** How many challenges of one offer an object keeps, and how much of their life must be left when one is handed out. */
export interface PoolBounds {
  readonly low: number;
  readonly high: number;
  readonly minLifeMs: number;
}

/** How often an offer was asked for lately. */
export interface Demand {
  readonly count: number;
  readonly atMs: number;
}

/** What one offer has and what it is asked for. */
export interface Stock {
  readonly size: number;
  readonly demand: Demand;
  /** Until then somebody is bringing more. */
  readonly leaseEndsAtMs: number;
}

/** Challenges that one call brings: as many as one order of the bridge. */
export const MOST_ITEMS_AT_ONCE = 50;
/** Whoever was told to bring more and has not is given up after this: longer than the bridge may take. */
export const REFILL_LEASE_MS = 15_000;
/** Below this an offer is cold: three asks within some minutes are above it. */
export const WARM_COUNT = 2.5;
const HALF_LIFE_MS = 300_000;
/** Of the count: what some three and a half minutes ask for. */
const STOCKED_PART = 0.5;
/** An offer that has less than this part of what it should have gets more. */
const REFILL_PART = 0.5;

export const NO_DEMAND: Demand = { count: 0, atMs: 0 };

/** The count as it stands now. */
export function fadeDemand({ count, atMs }: Demand, nowMs: number): number {
  return count * 2 ** (-Math.max(0, nowMs - atMs) / HALF_LIFE_MS);
}

/** One more has asked. */
export function noteDemand(demand: Demand, nowMs: number): Demand {
  return { count: fadeDemand(demand, nowMs) + 1, atMs: nowMs };
}

/** How many challenges somebody should bring now; 0 when there are enough, when the offer is cold, or when somebody is at it. */
export function wantItems({ size, demand, leaseEndsAtMs }: Stock, { low, high }: PoolBounds, nowMs: number): number {
  if (nowMs < leaseEndsAtMs) return 0;
  const count = fadeDemand(demand, nowMs);
  if (count < WARM_COUNT) return 0;
  const target = Math.min(high, Math.max(low, Math.ceil(count * STOCKED_PART)));
  return size > target * REFILL_PART ? 0 : Math.min(MOST_ITEMS_AT_ONCE, target - size);
}

/** Whether somebody who gets it now has time enough to pay it. */
export function hasLife(
  { endsAtMs }: Pick<ReadyChallenge, 'endsAtMs'>,
  { minLifeMs }: Pick<PoolBounds, 'minLifeMs'>,
  nowMs: number,
): boolean {
  return endsAtMs - nowMs >= minLifeMs;
}
