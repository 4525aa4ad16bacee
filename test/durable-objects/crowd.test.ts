/*
 * Who waits first when a total runs out (M35): the rules, and the counts that they need.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHoldings, mustWait } from '#durable-objects/crowd-rules.ts';

describe('M35: a total that runs out', () => {
  const crowd = (more: Partial<Parameters<typeof mustWait>[0]>) => mustWait({ held: 0, bound: 100, own: 0, around: [0, 0], ...more });

  it('keeps a fifth for clients that hold nothing', () => {
    expect(crowd({ held: 79, own: 3, around: [3, 3] })).toBe(false);
    expect(crowd({ held: 80, own: 3, around: [3, 3] })).toBe(true);
    expect(crowd({ held: 99, own: 0, around: [0, 0] })).toBe(false);
  });

  it('lets a network hold no more than what is left, and an area twice that', () => {
    expect([crowd({ held: 60, around: [39, 39] }), crowd({ held: 60, around: [40, 40] })]).toEqual([false, true]);
    expect([crowd({ held: 60, around: [1, 79] }), crowd({ held: 60, around: [1, 80] })]).toEqual([false, true]);
  });

  it('is never full for a newcomer from elsewhere while others are many: whatever comes in, one of a hundred areas finds room', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(99), { maxLength: 3000 }), (asks) => {
        const bound = 600;
        const counts = Array.from({ length: 100 }, () => 0);
        let held = 0;
        for (const area of asks) {
          if (mustWait({ held, bound, own: 0, around: [counts[area]!, counts[area]!] })) continue;
          counts[area]! += 1;
          held += 1;
        }
        expect(bound - held).toBeGreaterThanOrEqual(1);
        expect(mustWait({ held, bound, own: 0, around: [0, 0] })).toBe(false);
      }),
    );
  });
});

describe('M35: what networks hold', () => {
  it('is what was added and has neither ended nor been paid, whatever the clock does', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), name: fc.constantFrom('a', 'b', 'c'), lifeMs: fc.integer({ min: 1, max: 9_000 }) }),
      fc.record({ kind: fc.constant('remove' as const), at: fc.nat(50) }),
      fc.record({ kind: fc.constant('advance' as const), byMs: fc.integer({ min: -3_000, max: 5_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const holdings = createHoldings();
        let nowMs = 1_000_000;
        let latestMs = 0;
        let live: { readonly name: string; readonly endsAtMs: number }[] = [];
        for (const one of steps) {
          if (one.kind === 'add') {
            const endsAtMs = nowMs + one.lifeMs;
            holdings.add([one.name], endsAtMs);
            live.push({ name: one.name, endsAtMs });
          } else if (one.kind === 'remove' && live.length > 0) {
            const [paid] = live.splice(one.at % live.length, 1);
            holdings.remove([paid!.name], paid!.endsAtMs);
          } else if (one.kind === 'advance') {
            nowMs += one.byMs;
            holdings.advance(nowMs);
            latestMs = Math.max(latestMs, nowMs);
          }
          // An end counts to the full second.
          live = live.filter(({ endsAtMs }) => Math.ceil(endsAtMs / 1000) > Math.floor(latestMs / 1000));
          for (const name of ['a', 'b', 'c']) expect(holdings.count(name)).toBe(live.filter((other) => other.name === name).length);
        }
      }),
    );
  });
});
