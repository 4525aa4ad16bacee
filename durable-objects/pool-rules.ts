/*
 * Challenges made before anyone asks: how many of an offer are wanted, and which may still be issued. Demand is a count that
 * halves every five minutes, so it needs no windows and fades by itself. A rarely requested price stays cold and costs no
 * unwanted invoices. Pure.
 */

/** An invoice with its one token, and the instant until which it can be paid. */
export interface ReadyChallenge {
  /** The id under which quotas count it; the token begins with it. */
  readonly id: string;
  readonly paymentHashHex: string;
  readonly invoice: string;
  readonly token: string;
  readonly endsAtMs: number;
  /** The node that made the invoice, if known. */
  readonly node?: string;
}

/** The node that makes invoices now, and when this was learned. */
export interface KnownNode {
  readonly name: string;
  readonly learnedAtMs: number;
}

/** Whether the current node made the invoice. Invoices of another node cannot be paid (M44). */
export function isOfNode({ node }: Pick<ReadyChallenge, 'node'>, current: KnownNode | undefined): boolean {
  return current === undefined || node === current.name;
}

/** Returns the node that was learned later. Isolates learn of a new node at different times: the latest news is right. */
export function laterNode(known: KnownNode | undefined, told: KnownNode | undefined): KnownNode | undefined {
  return known === undefined || (told !== undefined && told.learnedAtMs > known.learnedAtMs) ? told : known;
}

/** How many challenges of one offer an object keeps, and how much lifetime a challenge must have left to be issued. */
export interface PoolBounds {
  readonly low: number;
  readonly high: number;
  readonly minLifeMs: number;
}

/** How often an offer was asked for recently. */
export interface Demand {
  readonly count: number;
  readonly atMs: number;
}

/** What is in stock of one offer, and the demand for it. */
export interface Stock {
  readonly size: number;
  readonly demand: Demand;
  /** Until then a refill is under way. */
  readonly leaseEndsAtMs: number;
}

/** Most challenges in one delivery: as many as the bridge makes for one order. */
export const MOST_ITEMS_AT_ONCE = 50;
/** A refill that has not arrived after this time is given up; it is longer than the bridge may take. */
export const REFILL_LEASE_MS = 15_000;
/** Below this count an offer is cold; three asks within some minutes exceed it. */
export const WARM_COUNT = 2.5;
const HALF_LIFE_MS = 300_000;
/** The share of the demand to keep in stock: some three and a half minutes of it. */
const STOCKED_PART = 0.5;
/** An offer is refilled when its stock falls to this share of its target. */
const REFILL_PART = 0.5;

export const NO_DEMAND: Demand = { count: 0, atMs: 0 };

/** Returns the count, faded to the present. */
export function fadeDemand({ count, atMs }: Demand, nowMs: number): number {
  return count * 2 ** (-Math.max(0, nowMs - atMs) / HALF_LIFE_MS);
}

/** Counts one more ask. */
export function noteDemand(demand: Demand, nowMs: number): Demand {
  return { count: fadeDemand(demand, nowMs) + 1, atMs: nowMs };
}

/** Returns how many challenges to make now; 0 if there are enough, if the offer is cold, or if a refill is under way. */
export function wantItems({ size, demand, leaseEndsAtMs }: Stock, { low, high }: PoolBounds, nowMs: number): number {
  if (nowMs < leaseEndsAtMs) return 0;
  const count = fadeDemand(demand, nowMs);
  if (count < WARM_COUNT) return 0;
  const target = Math.min(high, Math.max(low, Math.ceil(count * STOCKED_PART)));
  return size > target * REFILL_PART ? 0 : Math.min(MOST_ITEMS_AT_ONCE, target - size);
}

/** Whether enough time is left to pay it. */
export function hasLife(
  { endsAtMs }: Pick<ReadyChallenge, 'endsAtMs'>,
  { minLifeMs }: Pick<PoolBounds, 'minLifeMs'>,
  nowMs: number,
): boolean {
  return endsAtMs - nowMs >= minLifeMs;
}
