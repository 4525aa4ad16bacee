/*
 * Places at an origin: bounded, first come first served, never lost.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createConcurrency, type Caller, type Leave, type Payers } from '#gateway/policy/concurrency.ts';

const ORIGIN = 'http://origin.test';
const paid: Caller = { who: 'paid', holders: [] };
const unpaid: Caller = { who: 'unpaid', holders: [] };

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
    const [first, second] = [await places.enter(ORIGIN, paid), await places.enter(ORIGIN, paid)];
    expect([first, second].every((leave) => leave !== undefined)).toBe(true);
    const third = places.enter(ORIGIN, paid);
    let hasEntered = false;
    void third.then(() => (hasEntered = true));
    await settle();
    expect(hasEntered).toBe(false);
    first!();
    expect(await third).toBeTypeOf('function');
  });

  it('are given to those who wait in the order in which they came', async () => {
    const { places } = makePlaces({ most: 1 });
    const first = await places.enter(ORIGIN, paid);
    const entered: number[] = [];
    const waiting = [1, 2, 3].map(async (number) => {
      const leave = await places.enter(ORIGIN, paid);
      entered.push(number);
      leave!();
    });
    first!();
    await Promise.all(waiting);
    expect(entered).toEqual([1, 2, 3]);
  });

  it('who waits too long gets none, and the place goes to the next', async () => {
    const { places, state } = makePlaces({ most: 1 });
    const first = await places.enter(ORIGIN, paid);
    const tired = places.enter(ORIGIN, paid);
    state.timers[0]!();
    expect(await tired).toBeUndefined();
    const next = places.enter(ORIGIN, paid);
    first!();
    expect(await next).toBeTypeOf('function');
  });

  it('more than a bounded number does not wait at all', async () => {
    const { places } = makePlaces({ most: 1, mostWaiting: 1 });
    await places.enter(ORIGIN, paid);
    void places.enter(ORIGIN, paid);
    expect(await places.enter(ORIGIN, paid)).toBeUndefined();
  });

  it('giving a place back twice makes no second one', async () => {
    const { places, state } = makePlaces({ most: 1 });
    const leave = await places.enter(ORIGIN, paid);
    leave!();
    leave!();
    await places.enter(ORIGIN, paid);
    const second = places.enter(ORIGIN, paid);
    state.timers.at(-1)!();
    expect(await second).toBeUndefined();
  });

  it('a place that is never given back is free again after its time, and giving it back late makes no second one', async () => {
    const { places, state } = makePlaces({ most: 1 });
    const lost = await places.enter(ORIGIN, paid);
    state.nowMs = 60_000;
    expect(await places.enter(ORIGIN, paid)).toBeTypeOf('function');
    lost!();
    const second = places.enter(ORIGIN, paid);
    state.timers.at(-1)!();
    expect(await second).toBeUndefined();
  });

  it('of one origin are none of another', async () => {
    const { places } = makePlaces({ most: 1 });
    await places.enter(ORIGIN, paid);
    expect(await places.enter('http://other.test', paid)).toBeTypeOf('function');
  });

  it('M22: a crowd that has not paid leaves a quarter of them to those who have, who wait in a line of their own and go first', async () => {
    const { places } = makePlaces({ most: 4, mostWaiting: 2 });
    const crowd: (Leave | undefined)[] = [];
    for (let call = 0; call < 6; call++) void places.enter(ORIGIN, unpaid).then((leave) => crowd.push(leave));
    await settle();
    // Three are in, two wait, one was turned away.
    expect(crowd.map((leave) => leave !== undefined)).toEqual([true, true, true, false]);
    expect(await places.enter(ORIGIN, paid)).toBeTypeOf('function');
    const payer = places.enter(ORIGIN, paid);
    crowd[0]!();
    expect(await payer).toBeTypeOf('function');
    expect(crowd).toHaveLength(4);
    crowd[1]!();
    await settle();
    expect(crowd).toHaveLength(5);
  });

  it('are all for those who have not paid too where there is only one', async () => {
    const { places } = makePlaces({ most: 1 });
    expect(await places.enter(ORIGIN, unpaid)).toBeTypeOf('function');
  });

  it('are never more than the bound, and none is left unused while someone waits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('paid', 'unpaid', 'leave', 'tire'), { maxLength: 60 }), async (steps) => {
        const { places, state } = makePlaces({ most: 3, mostWaiting: 5 });
        const held: { readonly leave: Leave; readonly who: Payers }[] = [];
        const waiting = { paid: 0, unpaid: 0 };
        const enter = async (who: Payers) => {
          const leave = await places.enter(ORIGIN, { who, holders: [] });
          waiting[who] -= 1;
          if (leave !== undefined) held.push({ leave, who });
        };
        for (const step of steps) {
          if (step === 'leave') held.shift()?.leave();
          if (step === 'tire') state.timers.splice(0).forEach((timer) => timer());
          if (step === 'paid' || step === 'unpaid') {
            waiting[step] += 1;
            void enter(step);
          }
          await settle();
          const unpaid = held.filter(({ who }) => who === 'unpaid').length;
          expect([held.length <= 3, unpaid <= 2]).toEqual([true, true]);
          if (waiting.paid > 0) expect(held).toHaveLength(3);
          if (waiting.unpaid > 0) expect(held.length === 3 || unpaid === 2).toBe(true);
        }
      }),
    );
  });

  it('M41: of a payment, and of a client, are a quarter at most: the others are for others, and so is the line', async () => {
    const { places } = makePlaces({ most: 8, mostWaiting: 4 });
    const by = (...holders: readonly string[]): Caller => ({ who: 'paid', holders });
    const first = await places.enter(ORIGIN, by('payment a', 'client 1'));
    expect(await places.enter(ORIGIN, by('payment a', 'client 2'))).toBeTypeOf('function');
    // Two of eight are the payment's: the next one waits, the one after it is turned away.
    const waiting = places.enter(ORIGIN, by('payment a', 'client 3'));
    expect(await places.enter(ORIGIN, by('payment a', 'client 4'))).toBeUndefined();
    // Nobody stands behind one who waits for its own share.
    expect(await places.enter(ORIGIN, by('payment b', 'client 1'))).toBeTypeOf('function');
    let entered = false;
    void places.enter(ORIGIN, by('payment c', 'client 1')).then(() => (entered = true));
    await settle();
    expect(entered).toBe(false);
    first!();
    await settle();
    expect([entered, typeof (await waiting)]).toEqual([true, 'function']);
  });

  it('M41: are fewer for each the more are taken: a handful of payers, each with its share, cannot have them all', async () => {
    const { places } = makePlaces({ most: 40, mostWaiting: 100 });
    let taken = 0;
    for (const payer of ['a', 'b', 'c', 'd']) {
      for (let call = 0; call < 40; call++)
        void places.enter(ORIGIN, { who: 'paid', holders: [payer] }).then((leave) => (taken += leave === undefined ? 0 : 1));
    }
    await settle();
    expect(taken).toBeLessThan(30);
    expect(await places.enter(ORIGIN, { who: 'paid', holders: ['newcomer'] })).toBeTypeOf('function');
  });

  it('M41: are given back at once when the client has gone, and so is the wait for one', async () => {
    const { places } = makePlaces({ most: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    await places.enter(ORIGIN, { who: 'paid', holders: ['a'], left: first.signal });
    const tired = places.enter(ORIGIN, { who: 'paid', holders: ['b'], left: second.signal });
    const patient = places.enter(ORIGIN, { who: 'paid', holders: ['c'] });
    second.abort();
    expect(await tired).toBeUndefined();
    first.abort();
    expect(await patient).toBeTypeOf('function');
    expect(await places.enter(ORIGIN, { who: 'paid', holders: ['d'], left: first.signal })).toBeUndefined();
  });
});

describe('an IPv6 /48', () => {
  const from = (network: string, client: number): Caller => ({ who: 'paid', holders: [`${network}/${client}`], network });

  it('M41: holds half of what others have left, however many clients it has', async () => {
    const { places } = makePlaces({ most: 16, mostWaiting: 0 });
    const entered = await Promise.all(Array.from({ length: 16 }, (_, client) => places.enter(ORIGIN, from('a', client))));
    expect(entered.filter((leave) => leave !== undefined)).toHaveLength(8);
    expect(await places.enter(ORIGIN, from('b', 1))).toBeTypeOf('function');
  });

  it('M41: is not shut out by one of its clients', async () => {
    const { places } = makePlaces({ most: 16, mostWaiting: 0 });
    const greedy = await Promise.all(Array.from({ length: 16 }, () => places.enter(ORIGIN, from('a', 0))));
    expect(greedy.filter((leave) => leave !== undefined)).toHaveLength(4);
    expect(await places.enter(ORIGIN, from('a', 1))).toBeTypeOf('function');
  });

  it('M41: waits in no more than half of the line', async () => {
    const { places } = makePlaces({ most: 1, mostWaiting: 8 });
    await places.enter(ORIGIN, paid);
    let refused = 0;
    for (let client = 0; client < 8; client++)
      void places.enter(ORIGIN, from('a', client)).then((leave) => (refused += leave === undefined ? 1 : 0));
    await settle();
    expect(refused).toBe(4);
  });
});
