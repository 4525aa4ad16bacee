/*
 * Feeds a parser with inputs that are nearly right, and tells how many of them it took: a fuzz that is always refused at the
 * door tests the door.
 */
import { expect } from 'vitest';
import { createChance, IS_COVERED, SEED, sized, tell, type Chance } from './seed.ts';

/** Of each parser. */
export const INPUTS = IS_COVERED ? 20_000 : sized({ short: 100_000, long: 10_000_000 });
/** Of one test. */
export const FUZZ_TIMEOUT_MS = sized({ short: 120_000, long: 7_200_000 });

export interface Fuzzed<Input> {
  readonly make: (chance: Chance) => Input;
  /** Reads one input; true when it was taken. Throws when what was read is not true. */
  readonly read: (input: Input) => boolean;
  /** Less than the usual number, where one input is expensive. */
  readonly inputs?: number;
}

/** Feeds a parser and tells how many inputs it took. */
export function feed<Input>(name: string, { make, read, inputs = INPUTS }: Fuzzed<Input>): void {
  const chance = createChance(SEED);
  let taken = 0;
  for (let count = 0; count < inputs; count++) {
    const input = make(chance);
    let isTaken: boolean;
    try {
      isTaken = read(input);
    } catch (error) {
      throw new Error(`${name} failed at input ${count}: ${JSON.stringify(input instanceof Uint8Array ? [...input] : input)}`, {
        cause: error,
      });
    }
    if (isTaken) taken += 1;
  }
  tell(`${name}: ${inputs} inputs, ${taken} taken`);
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(inputs);
}

/** Says what should have been true. */
export function hold(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(what);
}
