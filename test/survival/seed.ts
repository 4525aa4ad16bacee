/*
 * Chance that can be played again: one seed for the run, printed by each test, and numbers that follow from it. The
 * environment says how long the run is: SURVIVAL_LONG=1 for the long one, SURVIVAL_SEED for a seed that was printed.
 */

export const IS_LONG = process.env['SURVIVAL_LONG'] === '1';
/** Tells how much of the parsers the fuzz reaches; some inputs do. */
export const IS_COVERED = process.env['SURVIVAL_COVERAGE'] === '1';
export const SEED = Number(process.env['SURVIVAL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Picks the short or the long size of something. */
export function sized<Value>({ short, long }: { short: Value; long: Value }): Value {
  return IS_LONG ? long : short;
}

export interface Chance {
  /** From 0 up to but without the bound. */
  readonly below: (bound: number) => number;
  readonly pick: <Value>(from: readonly Value[]) => Value;
  /** True so many times in a hundred. */
  readonly percent: (share: number) => boolean;
}

/** Numbers that follow from a seed (mulberry32). */
export function createChance(seed: number): Chance {
  let state = seed >>> 0;
  const below = (bound: number) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
  return { below, pick: (from) => from[below(from.length)]!, percent: (share) => below(100) < share };
}

/** Says how a test can be played again, and what it did. */
export function tell(line: string): void {
  process.stdout.write(`survival (SURVIVAL_SEED=${SEED}${IS_LONG ? ' SURVIVAL_LONG=1' : ''}): ${line}\n`);
}
