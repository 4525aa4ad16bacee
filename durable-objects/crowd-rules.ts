/*
 * Decides who waits first when a total runs out (M35). A fifth of every total is reserved for clients that hold nothing. No
 * network and no area (an ASN or its substitute) may hold more than a multiple of what is left: the fuller the total, the
 * less the heaviest may hold, so a client from elsewhere always finds some capacity. Pure, except for the counts that it
 * keeps.
 */

/** One part in this many of a total is reserved for clients that hold nothing. */
const DOOR_PART = 5;
/**
 * How much a network and an area may hold, as a multiple of what is left. On its own a network gets half of the total, an
 * area two thirds.
 */
const CROWD_FACTORS = [1, 2];
/** When clients that wait for others may ask again. */
export const CROWD_RETRY_MS = 30_000;

export interface Crowd {
  /** What all clients hold, and their limit. */
  readonly held: number;
  readonly bound: number;
  /** What the client itself holds; then its network and its area. */
  readonly own: number;
  readonly around: readonly number[];
}

/** Whether the client must leave the remaining capacity to others. */
export function mustWait({ held, bound, own, around }: Crowd): boolean {
  const room = bound - held;
  if (own > 0 && room <= Math.ceil(bound / DOOR_PART)) return true;
  return around.some((count, index) => count > 0 && count >= room * (CROWD_FACTORS[index] ?? 1));
}

/** How much each network and area holds, until it ends. */
export interface Holdings {
  add(names: readonly string[], endsAtMs: number): void;
  /** Removes a challenge before its end, because it was paid. */
  remove(names: readonly string[], endsAtMs: number): void;
  count(name: string): number;
  /** Advances the clock; a clock that is set back changes nothing. */
  advance(nowMs: number): void;
}

const STEP_MS = 1000;

/** Creates empty holdings. Memory: one number per name, and one per name and second in which something of it ends. */
export function createHoldings(): Holdings {
  const counts = new Map<string, number>();
  /** What ends within a second, by the number of that second. */
  const endings = new Map<number, Map<string, number>>();
  let passedStep = 0;

  const change = (of: Map<string, number>, name: string, by: number) => {
    const count = (of.get(name) ?? 0) + by;
    if (count > 0) of.set(name, count);
    else of.delete(name);
  };
  const stepOf = (endsAtMs: number) => Math.ceil(endsAtMs / STEP_MS);

  return {
    add(names, endsAtMs) {
      const step = stepOf(endsAtMs);
      if (step <= passedStep) return;
      const ending = endings.get(step) ?? new Map<string, number>();
      endings.set(step, ending);
      for (const name of names) {
        change(counts, name, 1);
        change(ending, name, 1);
      }
    },
    remove(names, endsAtMs) {
      const ending = endings.get(stepOf(endsAtMs));
      for (const name of names) {
        if (ending?.has(name) !== true) continue;
        change(ending, name, -1);
        change(counts, name, -1);
      }
    },
    count: (name) => counts.get(name) ?? 0,
    advance(nowMs) {
      const step = Math.floor(nowMs / STEP_MS);
      if (step <= passedStep) return;
      passedStep = step;
      for (const [end, ending] of endings) {
        if (end > step) continue;
        endings.delete(end);
        for (const [name, count] of ending) change(counts, name, -count);
      }
    },
  };
}
