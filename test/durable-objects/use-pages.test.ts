/*
 * Where the open uses of a payment are written, whatever is opened and closed in whatever order.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MOST_OPEN_USES, type OpenUse } from '#durable-objects/claim-rules.ts';
import { layOutUses, MOST_PAGES, MOST_WEIGHT_IN_ROW, openUsesOf, USES_A_PAGE, type UsePage } from '#durable-objects/use-page-rules.ts';

const use = (number: number, draws: OpenUse['draws'] = []): OpenUse => ({
  number,
  reservationId: `r${number}`,
  cost: 1,
  leaseEndsAtMs: 0,
  draws,
});
const numbersOf = (uses: readonly OpenUse[]) => uses.map(({ number }) => number).toSorted((one, other) => one - other);

/** A payment on a disk that counts what is written to it. */
function openDisk() {
  let inRow: readonly OpenUse[] = [];
  let marks: readonly (readonly [number, number])[] = [];
  const disk = new Map<number, readonly OpenUse[]>();
  return {
    get open(): readonly OpenUse[] {
      return [...this.pages.flatMap(openUsesOf), ...inRow];
    },
    get pages(): readonly UsePage[] {
      return marks.map(([number, closed]) => ({ number, closed, uses: disk.get(number)!, endsAtSeconds: 1 }));
    },
    /** Returns how many uses and how many marks were written. */
    write(open: readonly OpenUse[]) {
      const laidOut = layOutUses(open, this.pages);
      for (const number of laidOut.dropped) expect(disk.delete(number)).toBe(true);
      const added = laidOut.pages.filter(({ endsAtSeconds }) => endsAtSeconds === 0);
      for (const { number, uses } of added) {
        expect(disk.has(number)).toBe(false);
        disk.set(number, uses);
      }
      ({ inRow } = laidOut);
      marks = laidOut.pages.map(({ number, closed }) => [number, closed]);
      expect([...disk.keys()].toSorted((one, other) => one - other)).toEqual(marks.map(([number]) => number));
      return { uses: inRow.length + added.reduce((sum, { uses }) => sum + uses.length, 0), marks: marks.length };
    },
  };
}

describe('the open uses of a payment', () => {
  it('stand in its row alone as long as there are no more than eighty, or sixteen with four counters each', () => {
    const open = Array.from({ length: MOST_WEIGHT_IN_ROW }, (_, number) => use(number));
    expect(layOutUses(open, [])).toEqual({ inRow: open, pages: [], dropped: [] });
    expect(layOutUses([...open, use(99)], []).pages).toHaveLength(1);
    const draws = Array.from({ length: 4 }, (_, index) => ({ key: `${index}`, cost: 1, period: '' }));
    const drawing = open.map(({ number }) => use(number, draws));
    expect(layOutUses(drawing.slice(0, 16), []).pages).toEqual([]);
    expect(layOutUses(drawing.slice(0, 17), []).pages).toHaveLength(1);
  });

  it('are all found again, and a reservation writes a bounded part of them, whatever was closed in between', () => {
    const steps = fc.array(fc.record({ opens: fc.integer({ min: 1, max: 200 }), closes: fc.nat(200), at: fc.nat(1000) }), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(steps, (life) => {
        const disk = openDisk();
        let next = 0;
        for (const { opens, closes, at } of life) {
          for (let count = 0; count < opens && disk.open.length < MOST_OPEN_USES; count++) {
            const open = [...disk.open, use(next++)];
            const written = disk.write(open);
            expect(written.uses).toBeLessThanOrEqual(MOST_WEIGHT_IN_ROW + USES_A_PAGE);
            expect(numbersOf(disk.open)).toEqual(numbersOf(open));
          }
          const closed = new Set(disk.open.slice(at % (disk.open.length + 1)).slice(0, closes));
          const open = disk.open.filter((one) => !closed.has(one));
          disk.write(open);
          expect(numbersOf(disk.open)).toEqual(numbersOf(open));
        }
        disk.write([]);
        expect(disk.pages).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  it('fill a bounded number of pages, though one use of each stays open for good', () => {
    const disk = openDisk();
    for (let next = 0; next < 12_000; next++) {
      // One in thirty hangs; the others are closed when a hundred have come after them.
      const open = disk.open.filter(({ number }) => number % USES_A_PAGE === 0 || number > next - 100);
      const written = disk.write([...open, use(next)]);
      expect(written.uses).toBeLessThanOrEqual(MOST_WEIGHT_IN_ROW + 2 * USES_A_PAGE);
      expect(written.marks).toBeLessThanOrEqual(MOST_PAGES);
    }
    expect(disk.open.length).toBeGreaterThan(2 * MOST_PAGES);
  });
});
