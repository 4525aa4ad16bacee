/*
 * Who may try a half-open origin: one call a second per isolate and traffic class, so no crowd in one class can starve
 * another (M22). A call that reveals nothing about the origin (for example, its client broke it off) passes its turn on, and
 * its sender waits ten seconds: nobody can waste all turns. Effects: memory, bounded.
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
/** How long a holder waits after a wasted turn. */
export const HOLDER_TRIAL_MS = 10_000;
/** Most holders remembered; the oldest is dropped first. */
const MOST_HOLDERS = 1024;

/** Creates the record of trials, empty. */
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
