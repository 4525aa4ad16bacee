/*
 * Who waits first when a total runs out (M35). Of every total a fifth is for clients that hold nothing. And no network, and no
 * area (an ASN, or what stands for one), may hold more than a multiple of what is left: the fuller it gets, the less the
 * heaviest may hold, so that some room is always there for a client from elsewhere. Pure, but for the counts that it keeps.
 */

/** One part in so many of a total is for clients that hold nothing. */
const DOOR_PART = 5;
/** How much a network and an area may hold, in terms of what is left: alone half of the total, and two thirds. */
const CROWD_FACTORS = [1, 2];
/** Those who wait for others may ask again after this. */
export const CROWD_RETRY_MS = 30_000;

export interface Crowd {
  /** What all clients hold, and may hold. */
  readonly held: number;
  readonly bound: number;
  /** What the client itself holds, its network, its area. */
  readonly own: number;
  readonly around: readonly number[];
}

/** Whether a client has to leave what is left to others. */
export function mustWait({ held, bound, own, around }: Crowd): boolean {
  const room = bound - held;
  if (own > 0 && room <= Math.ceil(bound / DOOR_PART)) return true;
  return around.some((count, index) => count > 0 && count >= room * (CROWD_FACTORS[index] ?? 1));
}

/** What networks and areas hold, until it ends. */
export interface Holdings {
  add(names: readonly string[], endsAtMs: number): void;
  /** Before its end: it was paid. */
  remove(names: readonly string[], endsAtMs: number): void;
  count(name: string): number;
  /** Time goes on; a clock that is set back changes nothing. */
  advance(nowMs: number): void;
}

const STEP_MS = 1000;

/** Nothing is held yet. Memory: a number for each name, and one for each name and second at which something of it ends. */
export function createHoldings(): Holdings {
  const counts = new Map<string, number>();
  /** What ends within a second, by the number of the second. */
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
