/*
 * How much of the parsers' code the inputs have reached, by V8's own coverage of blocks, in a run of its own (SURVIVAL_COVERAGE=1):
 * it takes three times as long. It begins when this file is imported, which has to be before what is covered. Effects: the
 * profiler of this process.
 */
import { Session } from 'node:inspector';
import { IS_COVERED, tell } from './seed.ts';

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

const session = new Session();
if (IS_COVERED) {
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
}

/** Tells for each of these files which part of its code was run, and which functions never were. */
export function tellCoverage(files: readonly string[]): void {
  if (!IS_COVERED) return;
  session.post('Profiler.takePreciseCoverage', (error, coverage) => {
    if (error !== null) throw error;
    for (const file of files) {
      const found = coverage.result.find(({ url }) => url.endsWith(file));
      if (found === undefined) throw new Error(`${file} was never run`);
      const ranges = found.functions.flatMap((one) => one.ranges);
      const never = found.functions.filter(({ functionName, ranges: [whole] }) => functionName !== '' && whole?.count === 0);
      const names = never.map(({ functionName }) => functionName);
      tell(`coverage of ${file}: ${shareOf(ranges)} %${names.length === 0 ? '' : `, never called: ${names.join(', ')}`}`);
    }
  });
}

/** Of all characters: what lies within counts for more than what it lies in. */
function shareOf(ranges: readonly Range[]): string {
  const size = Math.max(...ranges.map(({ endOffset }) => endOffset));
  const isRun = new Uint8Array(size);
  const widestFirst = ranges.toSorted((one, other) => other.endOffset - other.startOffset - (one.endOffset - one.startOffset));
  for (const { startOffset, endOffset, count } of widestFirst) isRun.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  const run = isRun.reduce((sum, one) => sum + one, 0);
  return ((run / size) * 100).toFixed(1);
}
