/*
 * Pages whose tables name the test of each row: there is such a test.
 */
import { describe, expect, it } from 'vitest';
import { PROBLEM_CODES, PROBLEM_TYPES } from '#gateway/answers/refusals.ts';
import { hasTest, readProofs, readRows } from '#support/doc-tables.ts';

const PAGES = ['docs/operations.md', 'docs/failure.md', 'docs/threat-model.md'];

describe.each(PAGES)('%s', (page) => {
  const rows = readRows(page, 'Test');

  it('has rows', () => {
    expect(rows.length).toBeGreaterThan(5);
  });

  it.each(rows.map((cells) => ({ what: cells[0]!, proofs: cells.at(-1)! })))('$what: names tests that there are', ({ proofs }) => {
    for (const proof of readProofs(proofs)) expect(hasTest(proof), `${proof.file}: ${proof.title}`).toBe(true);
  });
});

describe('docs/failure.md', () => {
  it('names codes that there are, with the statuses that they have', () => {
    const named = readRows('docs/failure.md', 'Test').flatMap((cells) => Array.from(cells[2]!.matchAll(/(\d{3}) `([a-z_]+)`/g)));
    expect(named.length).toBeGreaterThan(10);
    for (const [, status, code] of named) {
      const known = PROBLEM_CODES.find((candidate) => candidate === code);
      expect([code, known === undefined ? 0 : PROBLEM_TYPES[known].status]).toEqual([code, Number(status)]);
    }
  });

  it('has every code of a part that fails', () => {
    const page = readRows('docs/failure.md', 'Test').map((cells) => cells[2]);
    const failures = PROBLEM_CODES.filter((code) => PROBLEM_TYPES[code].status >= 500);
    // These are no failures of a part: what is asked for leads back here, or the operator has closed it.
    const others = new Set<string>(['loop_detected', 'maintenance']);
    expect(failures.filter((code) => !others.has(code) && !page.some((cell) => cell!.includes(`\`${code}\``)))).toEqual([]);
  });
});
