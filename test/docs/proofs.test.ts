/*
 * Pages whose tables name the test of each row: there is such a test.
 */
import { describe, expect, it } from 'vitest';
import { hasTest, readProofs, readRows } from '#support/doc-tables.ts';

const PAGES = ['docs/operations.md'];

describe.each(PAGES)('%s', (page) => {
  const rows = readRows(page);

  it('has rows', () => {
    expect(rows.length).toBeGreaterThan(5);
  });

  it.each(rows.map((cells) => ({ what: cells[0]!, proofs: cells.at(-1)! })))('$what: names tests that there are', ({ proofs }) => {
    for (const proof of readProofs(proofs)) expect(hasTest(proof), `${proof.file}: ${proof.title}`).toBe(true);
  });
});
