/*
 * Who may try an origin that is half open: one call a second of this isolate and of each traffic class, so that no crowd in one traffic class can
 * dry up another (M22). A call that told nothing of the origin (its client broke it off, say) gives its turn to the next, and
 * whoever sent it waits ten seconds: nobody can have all the turns for nothing. Effects: memory, bounded.
 */

/** A call that would try. */
export interface HalfOpenTrial {
  readonly trafficClass: string;
  readonly origin: string;
  /** Payment and client, as far as they are known. */
  readonly holders: readonly string[];
}

export interface HalfOpenTrials {
  /** Whether there is a turn now. */
  readonly isFree: (trial: HalfOpenTrial, nowMs: number) => boolean;
  /** Takes a turn, or says that there is none now. */
  readonly take: (trial: HalfOpenTrial, nowMs: number) => boolean;
  /** The call has told nothing of the origin. */
  readonly giveBack: (trial: HalfOpenTrial, nowMs: number) => void;
}

/** Each traffic class of an isolate tries a half-open origin so often. */
export const HALF_OPEN_MS = 1000;
/** Whoever has had a turn for nothing waits so long for another. */
export const HOLDER_TRIAL_MS = 10_000;
/** Holders that are remembered; the oldest goes first. */
const MOST_HOLDERS = 1024;

/** Nobody has tried yet. */
export function createHalfOpenTrials(): HalfOpenTrials {
  const triedAtMs = new Map<string, number>();
  const wastedAtMs = new Map<string, number>();
  const wasWithin = (atMs: number | undefined, ms: number, nowMs: number) => atMs !== undefined && nowMs < atMs + ms;
  const nameTurns = ({ trafficClass, origin }: HalfOpenTrial) => `${trafficClass} ${origin}`;
  const nameHolder = ({ trafficClass, origin }: HalfOpenTrial, holder: string) => `${trafficClass} ${origin} ${holder}`;
  const isFree = (trial: HalfOpenTrial, nowMs: number) =>
    !trial.holders.some((holder) => wasWithin(wastedAtMs.get(nameHolder(trial, holder)), HOLDER_TRIAL_MS, nowMs)) &&
    !wasWithin(triedAtMs.get(nameTurns(trial)), HALF_OPEN_MS, nowMs);
  return {
    isFree,
    take(trial, nowMs) {
      if (!isFree(trial, nowMs)) return false;
      triedAtMs.set(nameTurns(trial), nowMs);
      return true;
    },
    giveBack(trial, nowMs) {
      triedAtMs.delete(nameTurns(trial));
      for (const name of trial.holders.map((holder) => nameHolder(trial, holder))) {
        wastedAtMs.delete(name);
        if (wastedAtMs.size >= MOST_HOLDERS) wastedAtMs.delete(wastedAtMs.keys().next().value!);
        wastedAtMs.set(name, nowMs);
      }
    },
  };
}
