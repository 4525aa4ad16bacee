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
  /** Takes a turn; false if there is none now. */
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
  const nameHolder = ({ trafficClass, origin }: HalfOpenTrial, holder: string) => `${trafficClass} ${origin} ${holder}`;
  return {
    take(trial, nowMs) {
      const { trafficClass, origin, holders } = trial;
      const waits = holders.some((holder) => wasWithin(wastedAtMs.get(nameHolder(trial, holder)), HOLDER_TRIAL_MS, nowMs));
      if (waits || wasWithin(triedAtMs.get(`${trafficClass} ${origin}`), HALF_OPEN_MS, nowMs)) return false;
      triedAtMs.set(`${trafficClass} ${origin}`, nowMs);
      return true;
    },
    giveBack(trial, nowMs) {
      triedAtMs.delete(`${trial.trafficClass} ${trial.origin}`);
      for (const name of trial.holders.map((holder) => nameHolder(trial, holder))) {
        wastedAtMs.delete(name);
        if (wastedAtMs.size >= MOST_HOLDERS) wastedAtMs.delete(wastedAtMs.keys().next().value!);
        wastedAtMs.set(name, nowMs);
      }
    },
  };
}
