/*
 * What was measured, from the test that measures to the end of the run. Effects: one file in the cache folder.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE_DIRECTORY } from './daemons.ts';

export const FIGURES_PATH = join(CACHE_DIRECTORY, 'figures.json');

/** Two points of a distribution, in milliseconds. */
export interface Spread {
  readonly p50: number;
  readonly p95: number;
}

/** The spread of these times. */
export function spreadOf(timesMs: readonly number[]): Spread {
  const sorted = timesMs.toSorted((left, right) => left - right);
  const at = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1]! * 10) / 10;
  return { p50: at(0.5), p95: at(0.95) };
}

/** Leaves the figures to be printed when the suite is over. */
export function leaveFigures(figures: Readonly<Record<string, unknown>>): void {
  mkdirSync(CACHE_DIRECTORY, { recursive: true });
  writeFileSync(FIGURES_PATH, JSON.stringify(figures));
}
