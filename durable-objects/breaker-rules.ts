/*
 * The circuit breaker of an origin (M12). Calls vote on whether it works; one payment and one client have one vote each in
 * a window, so that nobody opens it alone: it takes three voters who share neither, or a failed probe of the gateway's
 * own. Open, it refuses; when its time is over it is half open: a trickle of calls and probes goes through, and their
 * votes close it or open it again, for twice as long. Pure.
 *
 *   closed ─ failures in a row, or a large part failing, or slow ▶ open ─ time is over ▶ half open ─ it works ▶ closed
 *                                                                   ▲────────── it does not ──┘
 */

export interface BreakerSettings {
  /** Votes older than this do not count. */
  readonly windowMs: number;
  /** So many voters failing one after the other open it. */
  readonly failuresInARow: number;
  /** Or this part of all voters failing (0 to 1), when there are `leastVoters`. */
  readonly failureRatio: number;
  /** Or this part of all voters waiting too long for the head of their answer. */
  readonly slowRatio: number;
  readonly leastVoters: number;
  /** How long it stays open at first. */
  readonly openMs: number;
  readonly longestOpenMs: number;
}

/** What became of a call: an answer, an answer whose head came late, or a failure that is the origin's. */
export type OriginOutcome = 'ok' | 'slow' | 'failed';

export interface OriginVote {
  readonly outcome: OriginOutcome;
  /** Names of the payment and of the client. Empty: a probe of the gateway's own. */
  readonly voters: readonly string[];
}

interface CountedVote extends OriginVote {
  readonly atMs: number;
}

export interface Breaker {
  /** Since it last changed; one for each voter, oldest first. */
  readonly votes: readonly CountedVote[];
  /** 0 when closed. */
  readonly openUntilMs: number;
  /** Times it has opened without closing in between. */
  readonly openings: number;
}

export type BreakerState = 'closed' | 'open' | 'half_open';

export const CLOSED_BREAKER: Breaker = { votes: [], openUntilMs: 0, openings: 0 };
/** No fewer open it, whatever the settings say. */
export const LEAST_VOTERS_TO_OPEN = 3;
/** Voters that find a half-open origin working. */
export const VOTERS_TO_CLOSE = 2;
/** Kept in a window; the oldest goes first. To push out others' votes takes as many payments and clients as they had. */
export const MOST_VOTES = 500;

/** How a breaker stands at an instant. */
export function readBreaker({ openUntilMs }: Breaker, nowMs: number): BreakerState {
  if (openUntilMs === 0) return 'closed';
  return nowMs < openUntilMs ? 'open' : 'half_open';
}

/** Counts a vote. */
export function countVote(breaker: Breaker, vote: OriginVote, { settings, nowMs }: { settings: BreakerSettings; nowMs: number }): Breaker {
  const state = readBreaker(breaker, nowMs);
  // Calls that were under way when it opened say nothing new.
  if (state === 'open') return breaker;
  if (vote.voters.length === 0) return judgeProbe(breaker, vote, { settings, nowMs });
  const votes = castVote(breaker.votes, vote, { windowMs: settings.windowMs, nowMs });
  const next = { ...breaker, votes };
  if (state === 'half_open') {
    const working = votes.filter(({ outcome }) => outcome === 'ok').length;
    const failing = votes.filter(({ outcome }) => outcome !== 'ok').length;
    if (working >= VOTERS_TO_CLOSE && working > failing) return CLOSED_BREAKER;
    return failing >= LEAST_VOTERS_TO_OPEN ? openBreaker(next, settings, nowMs) : next;
  }
  return isFailing(votes, settings) ? openBreaker(next, settings, nowMs) : next;
}

/** A probe is asked by the gateway itself: no stranger can make it fail. */
function judgeProbe(breaker: Breaker, { outcome }: OriginVote, { settings, nowMs }: { settings: BreakerSettings; nowMs: number }): Breaker {
  if (outcome === 'failed') return openBreaker(breaker, settings, nowMs);
  if (breaker.openUntilMs === 0) return breaker;
  return outcome === 'ok' ? CLOSED_BREAKER : breaker;
}

/** One vote for each payment and each client: the latest that either of them has cast. */
function castVote(
  votes: readonly CountedVote[],
  vote: OriginVote,
  { windowMs, nowMs }: { windowMs: number; nowMs: number },
): readonly CountedVote[] {
  const others = votes.filter(({ voters, atMs }) => atMs > nowMs - windowMs && !voters.some((voter) => vote.voters.includes(voter)));
  return [...others.slice(-(MOST_VOTES - 1)), { ...vote, atMs: nowMs }];
}

function isFailing(votes: readonly CountedVote[], settings: BreakerSettings): boolean {
  const count = (outcome: OriginOutcome) => votes.filter((vote) => vote.outcome === outcome).length;
  const inARow = votes.length - 1 - votes.findLastIndex(({ outcome }) => outcome !== 'failed');
  if (inARow >= Math.max(settings.failuresInARow, LEAST_VOTERS_TO_OPEN)) return true;
  if (votes.length < Math.max(settings.leastVoters, LEAST_VOTERS_TO_OPEN)) return false;
  const isMany = (voters: number, ratio: number) => voters >= LEAST_VOTERS_TO_OPEN && voters / votes.length >= ratio;
  return isMany(count('failed'), settings.failureRatio) || isMany(count('slow') + count('failed'), settings.slowRatio);
}

function openBreaker({ openings }: Breaker, { openMs, longestOpenMs }: BreakerSettings, nowMs: number): Breaker {
  // Doubling stops long before the exponent could matter.
  const forMs = openings > 20 ? longestOpenMs : Math.min(openMs * 2 ** openings, longestOpenMs);
  return { votes: [], openUntilMs: nowMs + forMs, openings: openings + 1 };
}
