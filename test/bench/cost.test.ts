/*
 * The cost table: what is done, times what it is sold for.
 */
import * as fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COST_CASES } from '#bench/cost/cases.ts';
import { countingFloor, forwardingFloor, priceControl, priceOperations, type Operations } from '#bench/cost/price-operations.ts';
import { PRICES } from '#bench/cost/prices.ts';
import { CONTROL_REFRESH_SECONDS, formatCosts, reportCosts } from '#bench/cost/report.ts';
import { subtractUsage, sumUsages } from '#bench/operations.ts';
import { GatewaySchema } from '#src/config/config.ts';
import { emptyUsage, type ObjectUsages } from '#support/object-usage.ts';

const NOTHING: Operations = {
  workerRequests: 0,
  cpuMs: 0,
  objectRequests: 0,
  objectSeconds: 0,
  rowsRead: 0,
  rowsWritten: 0,
  storedBytes: 0,
};

describe('a million requests', () => {
  it.each([
    ['one Worker request each', { workerRequests: 1 }, 0.3],
    ['one millisecond of CPU each', { cpuMs: 1 }, 0.02],
    ['one object request each', { objectRequests: 1 }, 0.15],
    ['one object second each, at 128 MB', { objectSeconds: 1 }, 1.6],
    ['a thousand rows read each', { rowsRead: 1000 }, 1],
    ['one row written each', { rowsWritten: 1 }, 1],
    ['a kilobyte left for a month each', { storedBytes: 1000 }, 0.2],
  ])('of %s cost what the list says', (_, done, dollars) => {
    expect(priceOperations({ ...NOTHING, ...done }, PRICES).total).toBeCloseTo(dollars, 10);
  });

  it('cost the sum of their parts, and no less when more is done', () => {
    const operations = fc.record(Object.fromEntries(Object.keys(NOTHING).map((key) => [key, fc.integer({ min: 0, max: 1000 })])));
    fc.assert(
      fc.property(operations, operations, (left, right) => {
        const more = Object.fromEntries(Object.keys(NOTHING).map((key) => [key, left[key]! + right[key]!])) as unknown as Operations;
        const cost = (done: unknown) => priceOperations(done as Operations, PRICES).total;
        expect(cost(more)).toBeCloseTo(cost(left) + cost(right), 6);
        expect(cost(more)).toBeGreaterThanOrEqual(cost(left));
      }),
    );
  });

  it('are held against the least that the platform takes', () => {
    expect(priceOperations(forwardingFloor(0), PRICES).total).toBeCloseTo(PRICES.perMillionWorkerRequests, 10);
    expect(priceOperations(countingFloor(0), PRICES).total).toBeCloseTo(0.3 + 0.15 + 1, 10);
  });
});

describe('the prices', () => {
  it('have a date and say where they are from', () => {
    expect(PRICES.asOf).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    expect(PRICES.source.length).toBeGreaterThan(0);
    for (const source of PRICES.source) expect(new URL(source).protocol).toBe('https:');
  });

  it('of the control object are for the interval that is the default', () => {
    expect(GatewaySchema.shape.controlRefreshSeconds.def.defaultValue).toBe(CONTROL_REFRESH_SECONDS);
    expect(priceControl(CONTROL_REFRESH_SECONDS, PRICES)).toBeCloseTo((259_200 / 1e6) * 0.15, 10);
  });
});

describe('the report', () => {
  const busy = { ...countingFloor(0), rowsWritten: 2, storedBytes: 0 };
  const report = reportCosts(
    COST_CASES.map(({ name, title, floor }) => ({ name, title, floor, busy, alone: { ...busy, rowsWritten: 3 } })),
    { prices: PRICES, proxyCpuMs: 0, originMs: 100 },
  );

  it('tells each case beside its floor', () => {
    expect(report.cases['single_use']?.busy.ratio).toBeCloseTo(2.45 / 1.45, 10);
    expect(report.cases['pass']?.busy.ratio).toBeCloseTo(2.45 / 0.3, 10);
    expect(report.cases['single_use']?.alone.cost.rowsWritten).toBe(3);
  });

  it('says what sold calls leave on disk', () => {
    const single = COST_CASES.find(({ name }) => name === 'single_use');
    const left = { ...busy, storedBytes: 126.9 };
    const told = formatCosts(reportCosts([{ ...single!, busy: left, alone: left }], { prices: PRICES, proxyCpuMs: 0, originMs: 100 }));
    expect(told).toContain('A million single calls leave 127 MB on disk');
  });

  it('is a table with a line for each case and each floor, of one width', () => {
    const rows = formatCosts(report)
      .split('\n')
      .filter((line) => line.startsWith('|'));
    expect(rows.length).toBe(COST_CASES.length + 4);
    expect(new Set(rows.map((row) => row.split('|').length)).size).toBe(1);
    expect(rows.find((row) => row.startsWith('| a single call |'))).toContain('| $2.45 | 1.69 | $3.45 | 1 | 2 / 3 |');
  });
});

describe('README.md', () => {
  it('shows the table that the command prints, a line for each case', () => {
    const head = '| A million of … ';
    const lines = readFileSync('README.md', 'utf8').split('\n');
    const from = lines.findIndex((line) => line.startsWith(head));
    const titles = lines.slice(from + 2, from + 2 + COST_CASES.length).map((line) => line.split(' | ')[0]!.slice(2));
    expect(titles).toEqual(COST_CASES.map(({ title }) => title));
    expect(lines.some((line) => line.startsWith(`List prices of ${PRICES.asOf}`))).toBe(true);
  });
});

describe('what objects have done', () => {
  it('is summed over those on the path of requests, without the control object', () => {
    const one = { ...emptyUsage(), calls: 1, rowsWritten: 2 };
    const usages: ObjectUsages = { ReplaySet: one, Quota: one, RateLimiter: one, Control: { ...one, calls: 100 } };
    expect(sumUsages(usages)).toEqual({ ...emptyUsage(), calls: 3, rowsWritten: 6 });
    expect(subtractUsage(sumUsages(usages), one)).toEqual({ ...emptyUsage(), calls: 2, rowsWritten: 4 });
  });
});
