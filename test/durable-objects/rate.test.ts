/*
 * The sliding window, with the time passed in.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { takeRates, type RateBound, type RateLog } from '#durable-objects/rate-rules.ts';

const BOUND: RateBound = { limit: 3, windowMs: 10_000 };
const SECOND = 1000;

/** Takes at each instant; tells which passed. */
function replay(instants: readonly number[], bound = BOUND): readonly boolean[] {
  let log: RateLog = [];
  return instants.map((nowMs) => {
    const { allowed, logs } = takeRates([{ log, bound }], nowMs);
    log = logs?.[0] ?? log;
    return allowed;
  });
}

describe('a sliding window', () => {
  it('D21: refuses the call after the limit and says for how long', () => {
    expect(replay([0, 1, 2, 3])).toEqual([true, true, true, false]);
    const { retryAfterSeconds, readings } = takeRates([{ log: [0, 1, 2], bound: BOUND }], 4 * SECOND);
    expect([retryAfterSeconds, readings]).toEqual([6, [{ remaining: 0, resetSeconds: 6 }]]);
  });

  it('D21: slides: each call comes back a window after it was made, one by one, and not all at a reset', () => {
    const instants = [0, 4, 8, 9.999, 10, 10.001, 13.999, 14, 14.001].map((seconds) => seconds * SECOND);
    expect(replay(instants)).toEqual([true, true, true, false, true, false, false, true, false]);
  });

  it('D21: two windows side by side never pass twice the limit', () => {
    // What a counter with fixed windows lets through: a burst before and one after its border.
    expect(replay([9990, 9992, 9994, 10_000, 10_002, 10_004])).toEqual([true, true, true, false, false, false]);
  });

  it('D21: passes a call exactly when fewer than the limit passed in the window that ends with it', () => {
    const gaps = fc.array(fc.nat({ max: 6000 }), { maxLength: 60 });
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 6 }), (steps, limit) => {
        let at = 0;
        const instants = steps.map((step) => (at += step));
        const passed: number[] = [];
        const expected = instants.map((instant) => {
          const passes = passed.filter((other) => other > instant - BOUND.windowMs).length < limit;
          if (passes) passed.push(instant);
          return passes;
        });
        expect(replay(instants, { ...BOUND, limit })).toEqual(expected);
      }),
    );
  });

  it('does not count what it refuses', () => {
    expect(replay([0, 1, 2, 5000, 6000, 7000, 8000, 10_000])).toEqual([true, true, true, false, false, false, false, true]);
  });

  it('tells when to come again so that the call then passes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 9999 }), { minLength: 3, maxLength: 8 }), (unsorted) => {
        const log = unsorted.toSorted((left, right) => left - right);
        const { allowed, retryAfterSeconds } = takeRates([{ log, bound: BOUND }], 9999);
        expect(allowed).toBe(false);
        expect(takeRates([{ log, bound: BOUND }], 9999 + retryAfterSeconds * SECOND).allowed).toBe(true);
      }),
    );
  });

  it('passes under every bound or under none, and takes from none when one refuses', () => {
    const narrow = { limit: 1, windowMs: 1000 };
    const first = takeRates(
      [
        { log: [], bound: BOUND },
        { log: [], bound: narrow },
      ],
      0,
    );
    expect(first.allowed).toBe(true);
    const [log, narrowLog] = first.logs!;
    const second = takeRates(
      [
        { log: log!, bound: BOUND },
        { log: narrowLog!, bound: narrow },
      ],
      500,
    );
    expect(second).toEqual({
      allowed: false,
      retryAfterSeconds: 1,
      readings: [
        { remaining: 2, resetSeconds: 10 },
        { remaining: 0, resetSeconds: 1 },
      ],
    });
  });

  it('keeps never more instants than the limit', () => {
    let log: RateLog = [];
    for (let nowMs = 0; nowMs < 30_000; nowMs += 100) log = takeRates([{ log, bound: BOUND }], nowMs).logs?.[0] ?? log;
    expect(log.length).toBeLessThanOrEqual(BOUND.limit);
  });

  it('survives a clock that goes back: nothing is forgotten', () => {
    expect(replay([5000, 5001, 5002, 0, 14_999, 15_000])).toEqual([true, true, true, false, false, true]);
  });

  it('a limit of none lets nothing through', () => {
    expect(takeRates([{ log: [], bound: { limit: 0, windowMs: 5000 } }], 0)).toMatchObject({ allowed: false, retryAfterSeconds: 5 });
  });
});
