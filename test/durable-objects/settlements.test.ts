/* Which pushes of payments a feed takes: whatever is repeated, lost or late, what is known is what was pushed, without a gap. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEEP_SETTLED_SECONDS, takeBatch, type SettledPayment } from '#durable-objects/settlement-rules.ts';

const NOW = 1_800_000_000;
const payment = (index: number, settledAtSeconds = NOW): SettledPayment => {
  return { index, paymentHashHex: index.toString(16).padStart(64, '0'), settledAtSeconds };
};
const hashes = (indexes: readonly number[]) => indexes.map((index) => payment(index).paymentHashHex);
const take = (standsAt: number, fromIndex: number, settled: readonly SettledPayment[]) => {
  const taken = takeBatch(standsAt, { fromIndex, settled }, NOW);
  return taken === 'malformed' ? taken : [taken.index, taken.kept.map(({ paymentHashHex }) => paymentHashHex)];
};

describe('a settlement feed', () => {
  it('M24: takes what begins where it stands, and stands after it', () => {
    expect(take(0, 0, [payment(7), payment(9)])).toEqual([9, hashes([7, 9])]);
    expect(take(9, 9, [payment(10)])).toEqual([10, hashes([10])]);
    expect(take(9, 9, [])).toEqual([9, []]);
  });

  it('M24: takes nothing of what begins elsewhere, and says where it stands', () => {
    expect(take(9, 7, [payment(8), payment(9)])).toEqual([9, []]);
    expect(take(9, 10, [payment(11)])).toEqual([9, []]);
    expect(take(0, 5, [payment(6)])).toEqual([0, []]);
  });

  it('M24: refuses payments out of sequence, or that were before it began', () => {
    expect(take(5, 5, [payment(7), payment(7)])).toBe('malformed');
    expect(take(5, 5, [payment(7), payment(6)])).toBe('malformed');
    expect(take(5, 5, [payment(5)])).toBe('malformed');
  });

  it('M24: remembers a payment for two days after it was made, and never longer because the clock of a node is ahead', () => {
    const old = payment(1, NOW - KEEP_SETTLED_SECONDS);
    const taken = takeBatch(0, { fromIndex: 0, settled: [old, payment(2, NOW - 5), payment(3, NOW + 1e9)] }, NOW);
    if (taken === 'malformed') throw new Error(taken);
    expect([taken.index, taken.kept.map(({ endsAtSeconds }) => endsAtSeconds - NOW)]).toEqual([
      3,
      [KEEP_SETTLED_SECONDS - 5, KEEP_SETTLED_SECONDS],
    ]);
  });

  it('M24: knows every payment up to where it stands, whatever is lost on the way, comes twice or late', () => {
    // A sender that goes on from the answer, forgets it now and then, and whose pushes may be recorded and played again.
    const step = fc.record({ length: fc.nat({ max: 4 }), isLost: fc.boolean(), isForgotten: fc.boolean(), replay: fc.option(fc.nat()) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let standsAt = 0;
        let believed = 0;
        const known = new Set<string>();
        const sent: { fromIndex: number; settled: SettledPayment[] }[] = [];
        const push = (batch: (typeof sent)[number]) => {
          const taken = takeBatch(standsAt, batch, NOW);
          if (taken === 'malformed') throw new Error(taken);
          expect(taken.index).toBeGreaterThanOrEqual(standsAt);
          standsAt = taken.index;
          for (const { paymentHashHex } of taken.kept) known.add(paymentHashHex);
        };
        for (const { length, isLost, isForgotten, replay } of steps) {
          if (isForgotten) believed = 0;
          const settled = Array.from({ length }, (_, at) => payment(believed + at + 1));
          sent.push({ fromIndex: believed, settled });
          if (!isLost) push(sent.at(-1)!);
          if (replay !== null) push(sent[replay % sent.length]!);
          believed = standsAt;
        }
        expect([...known].toSorted()).toEqual(hashes(Array.from({ length: standsAt }, (_, at) => at + 1)));
      }),
    );
  });
});
