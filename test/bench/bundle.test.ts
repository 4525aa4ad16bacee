/*
 * The size budget: what is over it fails the check, and the check is part of `npm test`.
 */
import { gzipSync } from 'node:zlib';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BUDGETS, judgeBundle, readBundleSize } from '#bench/bundle.ts';

it('a bundle is judged by its size as it is uploaded: within its budget to the byte, over it by one more', () => {
  const budget = { budget: 2, aim: 1 };
  expect(judgeBundle({ bytes: 9000, gzipBytes: 2048 }, budget)).toEqual({
    fits: true,
    line: 'bundle 8.8 KiB, 2.0 KiB gzip: within its budget of 2 KiB (the aim is 1)',
  });
  expect(judgeBundle({ bytes: 9000, gzipBytes: 2049 }, budget)).toMatchObject({ fits: false, line: expect.stringContaining('OVER') });
});

it('the size of a bundle is that of its file, whole and compressed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'l402-bundle-'));
  try {
    const path = join(directory, 'index.js');
    writeFileSync(path, 'export default {};'.repeat(100));
    const { bytes, gzipBytes } = readBundleSize(path);
    expect(bytes).toBe(1800);
    expect(gzipBytes).toBe(gzipSync(readFileSync(path), { level: 9 }).length);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it('the budget is no smaller than its aim, and `npm run check` holds it', () => {
  expect(BUDGETS.bundle_gzip_kib.budget).toBeGreaterThanOrEqual(BUDGETS.bundle_gzip_kib.aim);
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  expect(scripts['check']).toContain('check:size');
  expect(scripts['test']).toContain('npm run check ');
});
