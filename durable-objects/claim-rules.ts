/*
 * The life of a payment's uses, as rules over one row: units are reserved, then counted or given back. The same rules serve
 * every counted kind of access: a single call is a payment of one unit, a balance is a payment of millisatoshis. Pure: takes
 * the row and the time, returns the answer and the row to write. replay-set.ts stores the rows.
 *
 *   units left ─reserve▶ open ─commit▶ counted
 *                         ├──release▶ given back; after three in a row the payment cools down (M12), or, if the
 *                         │           token is narrowed, its holder does
 *                         └──no outcome before the lease ends: given back, at most three times per payment (M10, M11);
 *                            leases that end within a minute of each other count as one event
 *
 * `used` includes open uses, so the normal case writes the row once, at the reservation. Whether a use is still open is
 * stored outside the row, by its number (open-uses.ts).
 */

import { type RateReading } from './rate-rules.ts';

/** What one payment bought and how much of it is used. */
export interface Payment {
  /** Units reserved and counted; `Infinity` once the payment is revoked. */
  readonly used: number;
  readonly open: readonly OpenUse[];
  /** Consecutive releases. A payment that keeps meeting a broken origin cools down. */
  readonly releases: number;
  /** How many times leases have ended without an outcome. */
  readonly abandonments: number;
  /** When the first lease of the latest such event ended; 0: no such event yet. */
  readonly abandonedAtMs: number;
  readonly coolsUntilMs: number;
  /** How many counters the payment has (M6). */
  readonly counters: number;
}

/** A use that was open when the row was written. */
export interface OpenUse {
  readonly number: number;
  readonly reservationId: string;
  readonly cost: number;
  readonly leaseEndsAtMs: number;
  readonly draws: readonly Draw[];
}

/** What a use takes from a counter that a holder has put on the token (M7). */
export interface Draw {
  readonly key: string;
  readonly cost: number;
  /**
   * The period that the counter counts in; empty if the counter never resets. Names sort in the order of the periods. In a
   * reservation it is the caller's current period, in an open use the period that was counted.
   */
  readonly period: string;
}

export interface Counter {
  readonly used: number;
  readonly period: string;
}

export interface Reservation {
  readonly reservationId: string;
  readonly leaseMs: number;
  /** The units that the payment bought, and the units that this call takes. */
  readonly limit: number;
  readonly cost: number;
  readonly draws: readonly (Draw & { readonly limit: number })[];
}

/**
 * What the caller knows of a payment whose preimage proves nothing (M24). `unproved`: nothing yet. `proved`: the node was
 * paid; the claim store remembers this.
 */
export type Settlement = 'unproved' | 'proved';

export type ReserveAnswer =
  /** What is left of the payment, of each counter in the order of the draws, and of the payment's rate if it has one. */
  | {
      readonly kind: 'granted';
      readonly remaining: number;
      readonly left: readonly number[];
      readonly rate?: RateReading;
      /** This is the first use of the payment. */
      readonly isFirst?: true;
    }
  /** It would have been granted, but the payment's rate is exhausted. Nothing was changed. */
  | { readonly kind: 'rated'; readonly retryAfterSeconds: number; readonly rate: RateReading }
  /** There is no proof yet that the payment was made. Nothing was changed. */
  | { readonly kind: 'unproved' }
  /** The access has ended, by the clock of the object (M32). Nothing was changed. */
  | { readonly kind: 'ended' }
  /** The seller has revoked it (M30). This is final. */
  | { readonly kind: 'revoked' }
  /** This is final: even if every open use were given back, no more than `remaining` would be left. */
  | { readonly kind: 'spent'; readonly remaining: number }
  | { readonly kind: 'counter_spent'; readonly remaining: number }
  | { readonly kind: 'in_flight'; readonly retryAfterSeconds: number }
  | { readonly kind: 'cooling'; readonly retryAfterSeconds: number };

/**
 * The outcome of a use. A commit may report a lower cost than was reserved. A release with `cools: false` is for a call that
 * was never sent: it says nothing about the origin, so the payment does not cool down.
 */
export type Outcome = { readonly kind: 'commit'; readonly cost?: number } | { readonly kind: 'release'; readonly cools?: false };

/** `stale`: the reservation is no longer held. Nothing was changed. */
export type FinishAnswer = 'recorded' | 'stale';

/** Whether the use with this number has no outcome yet. */
export type IsOpen = (number: number) => boolean;

export const RELEASES_BEFORE_COOLING = 3;
export const ABANDONMENTS_FORGIVEN = 3;
/** Leases that end within this time of each other belong to one event: a Worker that dies takes all calls of a payment with it. */
export const ONE_ABANDONMENT_MS = 60_000;
export const FIRST_COOLING_MS = 10_000;
export const LONGEST_COOLING_MS = 3_600_000;
/** Most concurrent calls of one payment; its row lists each of them. */
export const MOST_OPEN_USES = 1024;
export const MOST_COUNTERS = 1000;
/** The share of them for tokens that were narrowed more than once, so that no holder can take all counters from the others. */
export const MOST_DEEP_COUNTERS = 500;
/** Most calls end within this time; an earlier retry gets the same answer. */
const IN_FLIGHT_RETRY_SECONDS = 1;

/** A payment that has not been used yet. */
export const UNUSED: Payment = { used: 0, open: [], releases: 0, abandonments: 0, abandonedAtMs: 0, coolsUntilMs: 0, counters: 0 };

export interface Settled {
  readonly payment: Payment;
  /** Uses whose lease has ended. */
  readonly ended: readonly number[];
  readonly givenBack: readonly Draw[];
}

/** Brings a row up to date: removes counted uses and decides those whose lease has ended without an outcome. */
export function settlePayment(payment: Payment | undefined, isOpen: IsOpen, nowMs: number): Settled {
  let { used, releases, abandonments, abandonedAtMs } = payment ?? UNUSED;
  const open: OpenUse[] = [];
  const abandoned: OpenUse[] = [];
  const givenBack: Draw[] = [];
  for (const use of payment?.open ?? []) {
    if (!isOpen(use.number)) releases = 0;
    else if (nowMs < use.leaseEndsAtMs) open.push(use);
    else abandoned.push(use);
  }
  for (const { leaseEndsAtMs, cost, draws } of abandoned.toSorted((one, other) => one.leaseEndsAtMs - other.leaseEndsAtMs)) {
    if (Math.abs(leaseEndsAtMs - abandonedAtMs) >= ONE_ABANDONMENT_MS) {
      // Given back in the payer's favour, but not for ever: making Workers fail must not yield free calls.
      if (abandonments === ABANDONMENTS_FORGIVEN) continue;
      abandonments += 1;
      abandonedAtMs = leaseEndsAtMs;
    }
    used -= cost;
    givenBack.push(...draws);
  }
  const ended = abandoned.map(({ number }) => number);
  return { payment: { ...(payment ?? UNUSED), used, open, releases, abandonments, abandonedAtMs }, ended, givenBack };
}

export interface Reserved {
  readonly answer: ReserveAnswer;
  /** The use that was granted. */
  readonly number?: number;
  /** The row to write; `undefined`: nothing has changed. */
  readonly payment?: Payment;
  /** The counters to write, in the order of the draws. */
  readonly counters?: readonly Counter[];
}

/** Decides whether units may be used now, on a row that `settlePayment` has brought up to date. */
export function reserveUnits(
  { payment, counters }: { payment: Payment; counters: readonly (Counter | undefined)[] },
  { limit, cost, draws, reservationId, leaseMs }: Reservation,
  { nextNumber, nowMs, holderCoolsUntilMs = 0 }: { nextNumber: () => number; nowMs: number; holderCoolsUntilMs?: number },
): Reserved {
  const room = limit - payment.used;
  // The same reservation asked twice is a repeated message, not a second call.
  const known = payment.open.find((use) => use.reservationId === reservationId);
  if (known !== undefined) {
    const left = draws.map(({ limit: most, period }, index) => most - usedInPeriod(counters[index], periodOf(counters[index], period)));
    return { answer: { kind: 'granted', remaining: Math.max(0, room), left }, number: known.number };
  }
  if (payment.used === Infinity) return { answer: { kind: 'revoked' } };
  const untilMs = Math.max(payment.coolsUntilMs, holderCoolsUntilMs);
  if (nowMs < untilMs) return { answer: { kind: 'cooling', retryAfterSeconds: Math.max(1, Math.ceil((untilMs - nowMs) / 1000)) } };
  const wait: Reserved = { answer: { kind: 'in_flight', retryAfterSeconds: IN_FLIGHT_RETRY_SECONDS } };
  if (room < cost) {
    const held = payment.open.reduce((sum, use) => sum + use.cost, 0);
    return room + held < cost ? { answer: { kind: 'spent', remaining: Math.max(0, room + held) } } : wait;
  }
  if (payment.open.length === MOST_OPEN_USES) return wait;
  const drawn: Counter[] = [];
  for (const [index, draw] of draws.entries()) {
    const period = periodOf(counters[index], draw.period);
    const used = usedInPeriod(counters[index], period);
    if (used + draw.cost > draw.limit) {
      const held = heldOf(payment, { key: draw.key, period });
      return used - held + draw.cost > draw.limit ? { answer: { kind: 'counter_spent', remaining: draw.limit - used + held } } : wait;
    }
    drawn.push({ used: used + draw.cost, period });
  }
  const added = counters.filter((counter) => counter === undefined).length;
  const most = draws.length > 1 ? MOST_DEEP_COUNTERS : MOST_COUNTERS;
  if (added > 0 && payment.counters + added > most) return { answer: { kind: 'counter_spent', remaining: 0 } };
  const number = nextNumber();
  const use = {
    number,
    reservationId,
    cost,
    leaseEndsAtMs: nowMs + leaseMs,
    draws: draws.map(({ key, cost: drawCost }, index) => ({ key, cost: drawCost, period: drawn[index]!.period })),
  };
  return {
    answer: { kind: 'granted', remaining: room - cost, left: draws.map((draw, index) => draw.limit - drawn[index]!.used) },
    number,
    payment: {
      ...payment,
      used: payment.used + cost,
      open: [...payment.open, use],
      coolsUntilMs: 0,
      counters: payment.counters + added,
    },
    counters: drawn,
  };
}

/**
 * Returns the period that a draw counts in: its own, or the counter's if that is later (M33). A counter never returns to a
 * past period, so a late request or a slow clock does not reset it.
 */
function periodOf(counter: Counter | undefined, period: string): string {
  return counter !== undefined && counter.period > period ? counter.period : period;
}

function usedInPeriod(counter: Counter | undefined, period: string): number {
  return counter !== undefined && counter.period === period ? counter.used : 0;
}

function heldOf({ open }: Payment, { key, period }: Pick<Draw, 'key' | 'period'>): number {
  return open
    .flatMap(({ draws }) => draws)
    .filter((draw) => draw.key === key && draw.period === period)
    .reduce((sum, draw) => sum + draw.cost, 0);
}

/** Returns a counter after a use is given back. A use counted in a past period leaves the counter unchanged (M33). */
export function giveBack(counter: Counter, { cost, period }: Draw): Counter {
  return counter.period === period ? { used: Math.max(0, counter.used - cost), period } : counter;
}

export interface Finished {
  readonly answer: FinishAnswer;
  /** The use that is now closed. */
  readonly number?: number;
  /** The row to write; `undefined` in the normal case. */
  readonly payment?: Payment;
  readonly givenBack: readonly Draw[];
  /** The holder of the narrowed token of a call that was given back: this holder cools down. */
  readonly cooledHolder?: string | undefined;
}

/** The holder of a narrowed token, named by its first counter, which no later holder can change. `undefined`: the payer. */
export function holderOf(draws: readonly Pick<Draw, 'key'>[]): string | undefined {
  return draws[0]?.key;
}

/** Records the outcome of a reservation. Idempotent. */
export function finishUse(
  payment: Payment | undefined,
  { reservationId, outcome }: { reservationId: string; outcome: Outcome },
  { isOpen, nowMs, isWide = () => false }: { isOpen: IsOpen; nowMs: number; isWide?: () => boolean },
): Finished {
  const use = payment?.open.find((candidate) => candidate.reservationId === reservationId);
  if (payment === undefined || use === undefined) return { answer: 'stale', givenBack: [] };
  if (!isOpen(use.number)) return { answer: outcome.kind === 'commit' ? 'recorded' : 'stale', givenBack: [] };
  const { number } = use;
  const open = payment.open.filter((candidate) => candidate !== use && isOpen(candidate.number));
  if (outcome.kind === 'commit') {
    // Holders' counters keep the reserved cost: they are limits, not balances.
    const surplus = use.cost - (outcome.cost ?? use.cost);
    if (surplus <= 0) return { answer: 'recorded', number, givenBack: [] };
    return { answer: 'recorded', number, payment: { ...payment, open, used: payment.used - surplus, releases: 0 }, givenBack: [] };
  }
  // A use that was counted since the row was written ends the run of releases.
  const inARow = payment.open.every((candidate) => isOpen(candidate.number));
  // Where many holders fail, it is the payment.
  const holder = isWide() ? undefined : holderOf(use.draws);
  const wasSent = outcome.cools !== false;
  const cools = wasSent && holder === undefined;
  const releases = (inARow ? payment.releases : 0) + (cools ? 1 : 0);
  const coolsUntil = cools ? coolsUntilMs(releases, nowMs) : payment.coolsUntilMs;
  return {
    answer: 'recorded',
    number,
    payment: { ...payment, open, used: payment.used - use.cost, releases, coolsUntilMs: coolsUntil },
    givenBack: use.draws,
    cooledHolder: wasSent ? holder : undefined,
  };
}

/** Returns the payment as revoked: it buys nothing more, whatever was left or is given back later (M30). */
export function revokePayment(payment: Payment | undefined): Payment {
  return { ...(payment ?? UNUSED), used: Infinity };
}

/** Returns the end of the cooling period after this many consecutive releases. */
export function coolsUntilMs(releases: number, nowMs: number): number {
  // 0 and not `nowMs`: an object that moves may wake up on a machine whose clock is behind.
  if (releases < RELEASES_BEFORE_COOLING) return 0;
  // Caps the exponent.
  const doublings = releases - RELEASES_BEFORE_COOLING;
  return nowMs + (doublings > 20 ? LONGEST_COOLING_MS : Math.min(FIRST_COOLING_MS * 2 ** doublings, LONGEST_COOLING_MS));
}
