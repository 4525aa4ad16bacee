/* What a flood of strangers does to the log, and what it does not. */
import { expect, it } from 'vitest';
import { boundLog, MOST_KINDS, MOST_LINES_A_SECOND } from '#adapters/bounded-log.ts';

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

it('each kind has a bound of its own, and sales and orders have none', () => {
  const { lines, log } = start();
  for (let request = 0; request < 100; request++) for (const event of ['challenge', 'refusal', 'use', 'order']) log(event, {});
  const countOf = (event: string) => lines.filter(([kind]) => kind === event).length;
  expect(['challenge', 'refusal', 'use', 'order'].map(countOf)).toEqual([MOST_LINES_A_SECOND, MOST_LINES_A_SECOND, 100, 100]);
});

it('M43: faults that requests provoke are bounded for each place, and a first fault of any place or kind is told', () => {
  const { clock, lines, log } = start();
  const flood = () => {
    for (let request = 0; request < 1000; request++) log('fault', { at: 'price', match: 'GET /a', message: 'too slow' });
  };
  flood();
  expect(lines).toHaveLength(MOST_LINES_A_SECOND);
  log('fault', { at: 'price', match: 'GET /a', message: 'an answer that is none' });
  log('fault', { at: 'price', match: 'GET /b', message: 'too slow' });
  log('fault', { at: 'claims.reserve', message: 'object gone' });
  expect(lines.slice(MOST_LINES_A_SECOND).map(([, { at, match, message, skipped }]) => [at, match, message, skipped])).toEqual([
    ['price', 'GET /a', 'an answer that is none', 1000 - MOST_LINES_A_SECOND],
    ['price', 'GET /b', 'too slow', undefined],
    ['claims.reserve', undefined, 'object gone', undefined],
  ]);
  flood();
  clock.nowMs += 1000;
  log('fault', { at: 'price', match: 'GET /a', message: 'too slow' });
  expect(lines.at(-1)?.[1]).toMatchObject({ skipped: 1000 });
});

it('M43: a flood of faults that all differ is bounded too', () => {
  const { clock, lines, log } = start();
  for (let request = 0; request < 10_000; request++) log('fault', { at: `at ${request}`, message: `message ${request}` });
  expect(lines.length).toBeLessThanOrEqual(MOST_KINDS + MOST_LINES_A_SECOND);
  const before = lines.length;
  clock.nowMs += 1000;
  for (let request = 0; request < 10_000; request++) log('fault', { at: 'one', message: `other ${request}` });
  expect(lines.length - before).toBe(MOST_LINES_A_SECOND);
});
