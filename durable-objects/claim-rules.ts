/*
 * The life of a payment's uses, as rules over one row: units are reserved, then counted, or given back. One rule serves
 * every counted kind of access: a single call is a payment of one unit, a balance is one of so many millisatoshi.
 * Pure: row and time go in, the answer and the row to write come out. replay-set.ts is the shell that stores the rows.
 *
 *   room left ─reserve▶ open ─commit▶ counted
 *                        ├──release▶ given back, and the payment cools down after three in a row (M12); of a narrowed
 *                        │           token its holder does
 *                        └──no outcome by the end of the lease: given back, three times a payment at most (M10, M11);
 *                           what is abandoned within a minute is so by one event
 *
 * `used` counts open uses too, so the good case writes a row once: at the reservation. Whether a use is still open is
 * known outside the row, by its number (open-uses.ts).
 */

import { type RateReading } from './rate-rules.ts';

/** What one payment bought, and what has become of it. */
export interface Payment {
  /** Units reserved and counted; `Infinity` when the payment has been revoked. */
  readonly used: number;
  readonly open: readonly OpenUse[];
  /** Releases one after the other; a payment that keeps meeting a broken origin cools down. */
  readonly releases: number;
  /** How often leases have ended without anyone saying what became of the calls. */
  readonly abandonments: number;
  /** When the first lease of the latest of these events ended; 0 before there was one. */
  readonly abandonedAtMs: number;
  readonly coolsUntilMs: number;
  /** How many counters of its own the payment has (M6). */
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
   * The period that the counter counts in; empty when it never starts anew. Names sort as periods do. In an order it is the
   * one that the caller is in, in an open use the one that was counted in.
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
  /** Units that the payment bought, and those that this call takes. */
  readonly limit: number;
  readonly cost: number;
  readonly draws: readonly (Draw & { readonly limit: number })[];
}

/**
 * What the caller knows of a payment whose preimage proves nothing (M24): `unproved`, nothing yet; `proved`, that the node was
 * paid, which is remembered with the claims.
 */
export type Settlement = 'unproved' | 'proved';

export type ReserveAnswer =
  /** What is left of the payment, of each counter in the order of the draws, and of its rate where it has one. */
  | {
      readonly kind: 'granted';
      readonly remaining: number;
      readonly left: readonly number[];
      readonly rate?: RateReading;
      /** No use of the payment was asked for before. */
      readonly isFirst?: true;
    }
  /** It would have been granted, and is used as often as it may be. Nothing was changed. */
  | { readonly kind: 'rated'; readonly retryAfterSeconds: number; readonly rate: RateReading }
  /** Nobody has said yet that the payment was made. Nothing was changed. */
  | { readonly kind: 'unproved' }
  /** What it bought has ended, by the clock of the object (M32). Nothing was changed. */
  | { readonly kind: 'ended' }
  /** The seller has taken it back (M30). That is final. */
  | { readonly kind: 'revoked' }
  /** This is final: no use that is still open could leave more than `remaining`, were it given back. */
  | { readonly kind: 'spent'; readonly remaining: number }
  | { readonly kind: 'counter_spent'; readonly remaining: number }
  | { readonly kind: 'in_flight'; readonly retryAfterSeconds: number }
  | { readonly kind: 'cooling'; readonly retryAfterSeconds: number };

/**
 * What became of a use. A commit may say that less was used than was reserved. A release with `cools: false` is of a call
 * that was never sent: it says nothing about the origin, and the payment does not cool down for it.
 */
export type Outcome = { readonly kind: 'commit'; readonly cost?: number } | { readonly kind: 'release'; readonly cools?: false };

/** `stale`: nobody holds this reservation any more. Nothing was changed. */
export type FinishAnswer = 'recorded' | 'stale';

/** Whether the use of this number has no outcome yet. */
export type IsOpen = (number: number) => boolean;

export const RELEASES_BEFORE_COOLING = 3;
export const ABANDONMENTS_FORGIVEN = 3;
/** Leases that end so close together belong to one event: a Worker that dies takes all calls of a payment with it. */
export const ONE_ABANDONMENT_MS = 60_000;
export const FIRST_COOLING_MS = 10_000;
export const LONGEST_COOLING_MS = 3_600_000;
/** Calls with one payment at the same time; each stands in its row. */
export const MOST_OPEN_USES = 1024;
export const MOST_COUNTERS = 1000;
/** Of them, for calls of tokens that were narrowed more than once: no holder can take all from those whom the payer gives theirs. */
export const MOST_DEEP_COUNTERS = 500;
/** Most calls end within this time; a client that asks sooner only meets the same answer. */
const IN_FLIGHT_RETRY_SECONDS = 1;

/** A payment that nobody has used yet. */
export const UNUSED: Payment = { used: 0, open: [], releases: 0, abandonments: 0, abandonedAtMs: 0, coolsUntilMs: 0, counters: 0 };

export interface Settled {
  readonly payment: Payment;
  /** Uses whose lease has ended: they are open no longer. */
  readonly ended: readonly number[];
  readonly givenBack: readonly Draw[];
}

/** Brings a row up to date: uses that were counted leave it, uses whose holder has vanished are decided. */
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
      // Good again in the payer's favour, but not for ever: whoever makes Workers fail must not get calls for it.
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
  /** The row to write; none when nothing has changed. */
  readonly payment?: Payment;
  /** The counters to write, in the order of the draws. */
  readonly counters?: readonly Counter[];
}

/** Decides whether units may be used now, on a row that has been settled. */
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
 * The period that a draw counts in: its own, or the counter's where that is later (M33). A counter never goes back to a period
 * that is over, so whoever asks late, or by a clock that is behind, starts nothing anew.
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

/** A counter after a use of it has been given back. What was counted in a period that is over leaves this one as it is (M33). */
export function giveBack(counter: Counter, { cost, period }: Draw): Counter {
  return counter.period === period ? { used: Math.max(0, counter.used - cost), period } : counter;
}

export interface Finished {
  readonly answer: FinishAnswer;
  /** The use that is open no longer. */
  readonly number?: number;
  /** The row to write; none in the good case. */
  readonly payment?: Payment;
  readonly givenBack: readonly Draw[];
  /** Who held the token of a call that was given back, where it was narrowed: that is who cools down. */
  readonly cooledHolder?: string | undefined;
}

/** Who holds a narrowed token: its first counter, which whoever holds it cannot change. `undefined`: the payer. */
export function holderOf(draws: readonly Pick<Draw, 'key'>[]): string | undefined {
  return draws[0]?.key;
}

/** Records what became of a reservation. Saying it twice changes nothing. */
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
    // Counters of holders keep what was reserved: they are limits, not balances.
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

/** The payment buys nothing any more, whatever was left of it and whatever is given back (M30). */
export function revokePayment(payment: Payment | undefined): Payment {
  return { ...(payment ?? UNUSED), used: Infinity };
}

/** Until when whoever had so many calls given back, one after the other, waits. */
export function coolsUntilMs(releases: number, nowMs: number): number {
  // Not even now: an object that moves may wake up where the clock is behind.
  if (releases < RELEASES_BEFORE_COOLING) return 0;
  // Doubling stops long before the exponent could matter.
  const doublings = releases - RELEASES_BEFORE_COOLING;
  return nowMs + (doublings > 20 ? LONGEST_COOLING_MS : Math.min(FIRST_COOLING_MS * 2 ** doublings, LONGEST_COOLING_MS));
}
