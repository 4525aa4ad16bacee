/*
 * The commands that measure, run for a moment: what they print is whole and counted right. No figure of speed is looked at.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type CostReport } from '#bench/cost/report.ts';
import { readSaved } from '#bench/saved-report.ts';

const run = promisify(execFile);
const runScript = async (...words: readonly string[]) => (await run(process.execPath, words, { maxBuffer: 1 << 24 })).stdout;

describe.concurrent('commands that measure', () => {
  it('cost: counts what a single call does, and prices it', async () => {
    const words = ['scripts/cost.ts', '--json', '--only', 'single_use', '--alone', '1', '--busy', '64'];
    const { cases } = JSON.parse(await runScript(...words)) as CostReport;
    const { alone, busy } = cases['single_use']!;
    // Its claim; and that its challenge is open no longer, which the quota is told within a second unless another call brings it along.
    expect([1, 2]).toContain(alone.operations.objectRequests);
    // The row of the payment at least; calls that come together share the rest.
    expect(busy.operations.rowsWritten).toBeGreaterThanOrEqual(1);
    expect(busy.operations.rowsWritten).toBeLessThan(alone.operations.rowsWritten);
    expect(alone.operations.objectSeconds).toBeGreaterThan(0);
    expect(alone.cost.total).toBeGreaterThan(busy.cost.total);
  });

  it('bench: a case brings its yardstick, and the object can be read back', async () => {
    const words = ['bench/main.ts', '--json', '--only', 'free,purchase', '--rounds', '1', '--seconds', '1'];
    const { cases, memory, machine } = readSaved(await runScript(...words));
    expect(Object.keys(cases)).toEqual(['proxy', 'free', 'purchase']);
    expect(cases['free']).toMatchObject({ against: 'proxy', object_calls: 0 });
    expect(memory.after_kib).toBeGreaterThan(0);
    expect(machine.cores).toBeGreaterThan(0);
  });
});
