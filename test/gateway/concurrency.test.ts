/*
 * Places at an origin: bounded, first come first served, never lost.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createConcurrency, type Leave } from '#gateway/concurrency.ts';

const ORIGIN = 'http://origin.test';

/** Places on a clock and with timers of its own. */
function makePlaces(more: { most?: number; mostWaiting?: number } = {}) {
  const state = { nowMs: 0, timers: [] as (() => void)[] };
  const wait = (_ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      const timer = () => void (signal?.aborted === true || resolve());
      state.timers.push(timer);
    });
  const places = createConcurrency({ most: 2, mostWaiting: 3, waitMs: 1000, placeMs: 60_000, clock: () => state.nowMs, wait, ...more });
  return { places, state };
}

/** Lets everything that can settle settle. */
async function settle() {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

describe('places at an origin', () => {
  it('are taken at once while there are any; then one waits until one is given back', async () => {
    const { places } = makePlaces();
    const [first, second] = [await places.enter(ORIGIN), await places.enter(ORIGIN)];
    expect([first, second].every((leave) => leave !== undefined)).toBe(true);
    const third = places.enter(ORIGIN);
    let hasEntered = false;
    void third.then(() => (hasEntered = true));
    await settle();
    expect(hasEntered).toBe(false);
    first!();
    expect(await third).toBeTypeOf('function');
  });

  it('are given to those who wait in the order in which they came', async () => {
    const { places } = makePlaces({ most: 1 });
    const first = await places.enter(ORIGIN);
    const entered: number[] = [];
    const waiting = [1, 2, 3].map(async (number) => {
      const leave = await places.enter(ORIGIN);
      entered.push(number);
      leave!();
    });
    first!();
    await Promise.all(waiting);
    expect(entered).toEqual([1, 2, 3]);
  });

  it('who waits too long gets none, and the place goes to the next', async () => {
    const { places, state } = makePlaces({ most: 1 });
    const first = await places.enter(ORIGIN);
    const tired = places.enter(ORIGIN);
    state.timers[0]!();
    expect(await tired).toBeUndefined();
    const next = places.enter(ORIGIN);
    first!();
    expect(await next).toBeTypeOf('function');
  });

  it('more than a bounded number does not wait at all', async () => {
    const { places } = makePlaces({ most: 1, mostWaiting: 1 });
    await places.enter(ORIGIN);
    void places.enter(ORIGIN);
    expect(await places.enter(ORIGIN)).toBeUndefined();
  });

  it('giving a place back twice makes no second one', async () => {
    const { places, state } = makePlaces({ most: 1 });
    const leave = await places.enter(ORIGIN);
    leave!();
    leave!();
    await places.enter(ORIGIN);
    const second = places.enter(ORIGIN);
    state.timers.at(-1)!();
    expect(await second).toBeUndefined();
  });

  it('a place that is never given back is free again after its time, and giving it back late makes no second one', async () => {
    const { places, state } = makePlaces({ most: 1 });
    const lost = await places.enter(ORIGIN);
    state.nowMs = 60_000;
    expect(await places.enter(ORIGIN)).toBeTypeOf('function');
    lost!();
    const second = places.enter(ORIGIN);
    state.timers.at(-1)!();
    expect(await second).toBeUndefined();
  });

  it('of one origin are none of another', async () => {
    const { places } = makePlaces({ most: 1 });
    await places.enter(ORIGIN);
    expect(await places.enter('http://other.test')).toBeTypeOf('function');
  });

  it('are never more than the bound, and none is left unused while someone waits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('enter', 'leave', 'tire'), { maxLength: 60 }), async (steps) => {
        const { places, state } = makePlaces({ mostWaiting: 5 });
        const held: Leave[] = [];
        let waiting = 0;
        const enter = async () => {
          const leave = await places.enter(ORIGIN);
          waiting -= 1;
          if (leave !== undefined) held.push(leave);
        };
        for (const step of steps) {
          if (step === 'leave') held.shift()?.();
          if (step === 'tire') state.timers.splice(0).forEach((timer) => timer());
          if (step === 'enter') {
            waiting += 1;
            void enter();
          }
          await settle();
          expect(held.length).toBeLessThanOrEqual(2);
          if (waiting > 0) expect(held).toHaveLength(2);
        }
      }),
    );
  });
});
