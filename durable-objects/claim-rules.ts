/*
 * The life of a payment's claim, as rules over one row: reserved, then spent, or good again. Pure: the row and the
 * time go in, the answer and the row to write come out. replay-set.ts is the shell that stores the rows.
 *
 *   (none) ─reserve▶ reserved ─commit▶ spent
 *                      │  ▲
 *              release ▼  │ reserve (after cooling down)
 *                     good
 *   reserved, no outcome by the end of its lease: in doubt, then good again, three times at most (M10, M11)
 */

export interface Claim {
  readonly state: 'reserved' | 'good' | 'spent';
  readonly reservationId: string;
  readonly leaseEndsAtMs: number;
  /** Releases one after the other; a payment that keeps meeting a broken origin cools down (M12). */
  readonly releases: number;
  /** Leases that ended without anyone saying what became of the call. */
  readonly abandonments: number;
  readonly coolsUntilMs: number;
}

export interface Reservation {
  readonly reservationId: string;
  readonly leaseMs: number;
}

export type ReserveAnswer =
  | { readonly kind: 'granted' }
  | { readonly kind: 'spent' }
  | { readonly kind: 'in_flight'; readonly retryAfterSeconds: number }
  | { readonly kind: 'cooling'; readonly retryAfterSeconds: number };

export type Outcome = 'commit' | 'release';

/** `stale`: the lease ran out and someone else holds the claim, or its row is gone. Nothing was changed. */
export type FinishAnswer = 'recorded' | 'stale';

export const RELEASES_BEFORE_COOLING = 3;
export const ABANDONMENTS_FORGIVEN = 3;
export const FIRST_COOLING_MS = 10_000;
export const LONGEST_COOLING_MS = 3_600_000;
/** Most calls end within this time; a client that asks sooner only meets the same answer. */
const IN_FLIGHT_RETRY_SECONDS = 1;

/** Decides whether a payment may be used now. A row comes back only when it has to be written. */
export function reserveClaim(
  claim: Claim | undefined,
  { reservationId, leaseMs }: Reservation,
  nowMs: number,
): { readonly answer: ReserveAnswer; readonly claim?: Claim } {
  const granted = (abandonments: number) => ({
    answer: { kind: 'granted' } as const,
    claim: {
      state: 'reserved',
      reservationId,
      leaseEndsAtMs: nowMs + leaseMs,
      releases: claim?.releases ?? 0,
      abandonments,
      coolsUntilMs: 0,
    } as const,
  });
  if (claim === undefined) return granted(0);
  switch (claim.state) {
    case 'spent':
      return { answer: { kind: 'spent' } };
    case 'good':
      return nowMs < claim.coolsUntilMs
        ? { answer: { kind: 'cooling', retryAfterSeconds: secondsUntil(claim.coolsUntilMs, nowMs) } }
        : granted(claim.abandonments);
    case 'reserved':
      // The same reservation asked twice is a repeated message, not a second call.
      if (claim.reservationId === reservationId) return { answer: { kind: 'granted' } };
      if (nowMs < claim.leaseEndsAtMs) return { answer: { kind: 'in_flight', retryAfterSeconds: IN_FLIGHT_RETRY_SECONDS } };
      // Whoever held the lease never said what became of it: good again in the payer's favour, but not for ever.
      return claim.abandonments < ABANDONMENTS_FORGIVEN
        ? granted(claim.abandonments + 1)
        : { answer: { kind: 'spent' }, claim: { ...claim, state: 'spent' } };
  }
}

/** Records what became of a reservation. Saying it twice changes nothing. */
export function finishClaim(
  claim: Claim | undefined,
  { reservationId, outcome }: { readonly reservationId: string; readonly outcome: Outcome },
  nowMs: number,
): { readonly answer: FinishAnswer; readonly claim?: Claim } {
  if (claim === undefined || claim.reservationId !== reservationId) return { answer: 'stale' };
  if (claim.state === 'spent') return { answer: outcome === 'commit' ? 'recorded' : 'stale' };
  if (claim.state === 'good') return { answer: outcome === 'release' ? 'recorded' : 'stale' };
  if (outcome === 'commit') return { answer: 'recorded', claim: { ...claim, state: 'spent' } };
  const releases = claim.releases + 1;
  return { answer: 'recorded', claim: { ...claim, state: 'good', releases, coolsUntilMs: nowMs + coolingMs(releases) } };
}

function coolingMs(releases: number): number {
  if (releases < RELEASES_BEFORE_COOLING) return 0;
  // Doubling stops long before the exponent could matter.
  const doublings = releases - RELEASES_BEFORE_COOLING;
  return doublings > 20 ? LONGEST_COOLING_MS : Math.min(FIRST_COOLING_MS * 2 ** doublings, LONGEST_COOLING_MS);
}

function secondsUntil(instantMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((instantMs - nowMs) / 1000));
}
