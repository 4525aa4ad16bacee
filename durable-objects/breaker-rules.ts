/*
 * The circuit breaker of an origin (M12). Calls vote on whether the origin works. Within a window, one payment and one client
 * have one vote each, so nobody can open the breaker alone: it takes three voters that share neither, or a failed probe by
 * the gateway. An open breaker refuses calls. When its time is over it is half open: a trickle of calls and probes goes
 * through, and their votes close it or open it again for twice as long. Pure.
 *
 *   closed ─ failures in a row, or a large part failing, or slow ▶ open ─ time is over ▶ half open ─ it works ▶ closed
 *                                                                   ▲────────── it does not ──┘
 */

export interface BreakerSettings {
  /** Votes older than this do not count. */
  readonly windowMs: number;
  /** The breaker opens after this many voters fail in a row. */
  readonly failuresInARow: number;
  /** It also opens when this share of all voters fails (0 to 1), once there are `leastVoters`. */
  readonly failureRatio: number;
  /** It also opens when this share of all voters fails or waits too long for the response head. */
  readonly slowRatio: number;
  readonly leastVoters: number;
  /** How long the breaker stays open the first time. */
  readonly openMs: number;
  readonly longestOpenMs: number;
}

/** The outcome of a call: a response, a response whose head came late, or a failure of the origin. */
export type OriginOutcome = 'ok' | 'slow' | 'failed';

export interface OriginVote {
  readonly outcome: OriginOutcome;
  /** Names of the payment and of the client. Empty: a probe by the gateway itself. */
  readonly voters: readonly string[];
}

interface CountedVote extends OriginVote {
  readonly atMs: number;
}

export interface Breaker {
  /** Votes since the breaker last changed: one per voter, oldest first. */
  readonly votes: readonly CountedVote[];
  /** 0 when closed. */
  readonly openUntilMs: number;
  /** How often it has opened in a row without closing. */
  readonly openings: number;
}

export type BreakerState = 'closed' | 'open' | 'half_open';

export const CLOSED_BREAKER: Breaker = { votes: [], openUntilMs: 0, openings: 0 };
/** Fewer voters never open it, whatever the settings say. */
export const LEAST_VOTERS_TO_OPEN = 3;
/** How many voters must find a half-open origin working to close the breaker. */
export const VOTERS_TO_CLOSE = 2;
/** Most votes in a window; the oldest is dropped first. Pushing out the votes of others takes as many payments and clients as they had. */
export const MOST_VOTES = 500;

/** Returns the state of a breaker at an instant. */
export function readBreaker({ openUntilMs }: Breaker, nowMs: number): BreakerState {
  if (openUntilMs === 0) return 'closed';
  return nowMs < openUntilMs ? 'open' : 'half_open';
}

/** Counts a vote. */
export function countVote(breaker: Breaker, vote: OriginVote, { settings, nowMs }: { settings: BreakerSettings; nowMs: number }): Breaker {
  const state = readBreaker(breaker, nowMs);
  // Calls that were in flight when it opened add no information.
  if (state === 'open') return breaker;
  if (vote.voters.length === 0) return judgeProbe(breaker, vote, { settings, nowMs });
  const votes = castVote(breaker.votes, vote, { windowMs: settings.windowMs, nowMs });
  const next = { ...breaker, votes };
  if (state === 'half_open') {
    const working = votes.filter(({ outcome }) => outcome === 'ok').length;
    const failing = votes.filter(({ outcome }) => outcome !== 'ok').length;
    // A seller may have one customer only: nobody has seen the origin fail for a whole window.
    const isQuiet = working > 0 && failing === 0 && nowMs >= breaker.openUntilMs + settings.windowMs;
    if (isQuiet || (working >= VOTERS_TO_CLOSE && working > failing)) return CLOSED_BREAKER;
    return failing >= LEAST_VOTERS_TO_OPEN ? openBreaker(next, settings, nowMs) : next;
  }
  return isFailing(votes, settings) ? openBreaker(next, settings, nowMs) : next;
}

/** Counts a probe. The gateway sends probes itself, so no client can make one fail. */
function judgeProbe(breaker: Breaker, { outcome }: OriginVote, { settings, nowMs }: { settings: BreakerSettings; nowMs: number }): Breaker {
  if (outcome === 'failed') return openBreaker(breaker, settings, nowMs);
  if (breaker.openUntilMs === 0) return breaker;
  return outcome === 'ok' ? CLOSED_BREAKER : breaker;
}

/** Keeps one vote per payment and per client: the latest that either has cast. */
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
  // Caps the exponent.
  const forMs = openings > 20 ? longestOpenMs : Math.min(openMs * 2 ** openings, longestOpenMs);
  return { votes: [], openUntilMs: nowMs + forMs, openings: openings + 1 };
}
