/* What a flood of strangers does to the log, and what it does not. */
import { expect, it } from 'vitest';
import { boundLog, MOST_LINES_A_SECOND } from '#adapters/bounded-log.ts';

function start() {
  const clock = { nowMs: 1_000_000 };
  const lines: (readonly [string, Readonly<Record<string, unknown>>])[] = [];
  const log = boundLog(
    (event, fields) => void lines.push([event, fields]),
    () => clock.nowMs,
  );
  return { clock, lines, log };
}

it('D21: a flood of refusals leaves a bounded number of lines a second, and tells how many there were', () => {
  const { clock, lines, log } = start();
  for (let request = 0; request < 1000; request++) log('refusal', { code: 'quota_exceeded' });
  expect(lines).toHaveLength(MOST_LINES_A_SECOND);
  clock.nowMs += 1000;
  log('refusal', { code: 'route_unknown' });
  log('refusal', { code: 'route_unknown' });
  expect(lines.slice(MOST_LINES_A_SECOND)).toEqual([
    ['refusal', { code: 'route_unknown', skipped: 1000 - MOST_LINES_A_SECOND }],
    ['refusal', { code: 'route_unknown' }],
  ]);
});

it('each kind has a bound of its own, and what is no matter of strangers has none', () => {
  const { lines, log } = start();
  for (let request = 0; request < 100; request++) for (const event of ['challenge', 'refusal', 'sale', 'fault']) log(event, {});
  const countOf = (event: string) => lines.filter(([kind]) => kind === event).length;
  expect(['challenge', 'refusal', 'sale', 'fault'].map(countOf)).toEqual([MOST_LINES_A_SECOND, MOST_LINES_A_SECOND, 100, 100]);
});
