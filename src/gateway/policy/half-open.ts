/*
 * Who may try a half-open origin: one call a second per isolate and traffic class, so no crowd in one class can starve
 * another (M22). Whoever has had a turn waits three seconds for the next, then six, up to a minute: it takes two voters to close a breaker, so nobody
 * may take all turns alone, not even with calls that work. A call that reveals nothing about the origin (for example, its
 * client broke it off) passes its turn on, and its sender waits ten seconds. Effects: memory, bounded.
 */

/** A call that would try. */
export interface HalfOpenTrial {
  readonly trafficClass: string;
  readonly origin: string;
  /** The payment and the client, as far as known. */
  readonly holders: readonly string[];
}

export interface HalfOpenTrials {
  /** Whether there is a turn now. */
  readonly isFree: (trial: HalfOpenTrial, nowMs: number) => boolean;
  /** Takes a turn, or says that there is none now. */
  readonly take: (trial: HalfOpenTrial, nowMs: number) => boolean;
  /** Gives the turn back: the call revealed nothing about the origin. */
  readonly giveBack: (trial: HalfOpenTrial, nowMs: number) => void;
}

/** The interval between turns of each traffic class in an isolate. */
export const HALF_OPEN_MS = 1000;
/** How long a holder waits after its first turn; twice as long after each further one. A wasted turn counts as two. */
export const HOLDER_TURN_MS = 3000;
const LONGEST_WAIT_MS = 60_000;
/** How long a holder waits after a wasted turn. */
export const HOLDER_TRIAL_MS = 10_000;
/** Most holders remembered; the oldest is dropped first. */
const MOST_HOLDERS = 1024;

/** Creates the record of trials, empty. */
export function createHalfOpenTrials(): HalfOpenTrials {
  const triedAtMs = new Map<string, number>();
  const waits = new Map<string, { readonly untilMs: number; readonly turns: number }>();
  const wasWithin = (atMs: number | undefined, ms: number, nowMs: number) => atMs !== undefined && nowMs < atMs + ms;
  const nameTurns = ({ trafficClass, origin }: HalfOpenTrial) => `${trafficClass} ${origin}`;
  const nameHolder = ({ trafficClass, origin }: HalfOpenTrial, holder: string) => `${trafficClass} ${origin} ${holder}`;
  const isFree = (trial: HalfOpenTrial, nowMs: number) =>
    !trial.holders.some((holder) => nowMs < (waits.get(nameHolder(trial, holder))?.untilMs ?? 0)) &&
    !wasWithin(triedAtMs.get(nameTurns(trial)), HALF_OPEN_MS, nowMs);
  const makeWait = (trial: HalfOpenTrial, leastMs: number, nowMs: number) => {
    for (const name of trial.holders.map((holder) => nameHolder(trial, holder))) {
      const last = waits.get(name);
      // A holder that has stayed away for long begins anew.
      const turns = last === undefined || nowMs > last.untilMs + LONGEST_WAIT_MS ? 0 : last.turns;
      waits.delete(name);
      if (waits.size >= MOST_HOLDERS) waits.delete(waits.keys().next().value!);
      waits.set(name, { untilMs: nowMs + Math.max(leastMs, Math.min(HOLDER_TURN_MS * 2 ** turns, LONGEST_WAIT_MS)), turns: turns + 1 });
    }
  };
  return {
    isFree,
    take(trial, nowMs) {
      if (!isFree(trial, nowMs)) return false;
      triedAtMs.set(nameTurns(trial), nowMs);
      makeWait(trial, HOLDER_TURN_MS, nowMs);
      return true;
    },
    giveBack(trial, nowMs) {
      triedAtMs.delete(nameTurns(trial));
      makeWait(trial, HOLDER_TRIAL_MS, nowMs);
    },
  };
}
