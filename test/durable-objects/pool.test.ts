/*
 * How many challenges lie ready, and which of those that a client has may be given to it again; with the time passed in.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fadeDemand,
  laterNode,
  hasLife,
  MOST_ITEMS_AT_ONCE,
  NO_DEMAND,
  noteDemand,
  wantItems,
  type Demand,
  type PoolBounds,
  type ReadyChallenge,
} from '#durable-objects/pool-rules.ts';
import {
  findRepeatable,
  forgetShown,
  LEAST_REPEATED_LIFE_MS,
  MOST_REPEATABLE,
  rememberChallenge,
  type IssuedChallenge,
} from '#durable-objects/issued-rules.ts';

const BOUNDS: PoolBounds = { low: 4, high: 40, minLifeMs: 300_000 };
const NOW = 1_800_000_000_000;
const MINUTE = 60_000;

const asked = (times: number, atMs = NOW): Demand =>
  Array.from({ length: times }).reduce<Demand>((demand) => noteDemand(demand, atMs), NO_DEMAND);
const want = (demand: Demand, size = 0, nowMs = NOW) => wantItems({ size, demand, leaseEndsAtMs: 0 }, BOUNDS, nowMs);

describe('the demand for an offer', () => {
  it('is cold until it was asked for a few times: nothing is made for nobody', () => {
    expect([0, 1, 2, 3].map((times) => want(asked(times)))).toEqual([0, 0, 0, BOUNDS.low]);
  });

  it('dies away: an offer that nobody asks for any more gets no more', () => {
    const demand = asked(40);
    expect([0, 5, 10, 15, 21].map((minutes) => want(demand, 0, NOW + minutes * MINUTE))).toEqual([20, 10, 5, 4, 0]);
    expect(fadeDemand(demand, NOW + 60 * 24 * MINUTE)).toBeLessThan(0.001);
  });

  it('is not kept up by asks that are far apart', () => {
    let demand = NO_DEMAND;
    for (let ask = 0; ask < 100; ask++) demand = noteDemand(demand, NOW + ask * 10 * MINUTE);
    expect(want(demand, 0, NOW + 990 * MINUTE)).toBe(0);
  });

  it('fills up between the marks, when less than half of what is wanted is there, and by so many at once', () => {
    expect(want(asked(1000))).toBe(40);
    expect(wantItems({ size: 0, demand: asked(1000), leaseEndsAtMs: 0 }, { ...BOUNDS, high: 1000 }, NOW)).toBe(MOST_ITEMS_AT_ONCE);
    expect([19, 20, 21, 40].map((size) => want(asked(1000), size))).toEqual([21, 20, 0, 0]);
  });

  it('is told to one at a time', () => {
    const stock = { size: 0, demand: asked(100), leaseEndsAtMs: NOW + 1 };
    expect([wantItems(stock, BOUNDS, NOW), wantItems(stock, BOUNDS, NOW + 1)]).toEqual([0, 40]);
  });

  it('never asks for more than fills the pool to its high mark, whatever happened before', () => {
    const ask = fc.record({ gapMs: fc.nat(600_000), size: fc.nat(200), leaseMs: fc.nat(20_000) });
    fc.assert(
      fc.property(fc.array(ask, { maxLength: 60 }), fc.nat(100), fc.nat(200), (asks, low, more) => {
        const bounds = { ...BOUNDS, low, high: low + more };
        let [demand, nowMs] = [NO_DEMAND, NOW];
        for (const { gapMs, size, leaseMs } of asks) {
          nowMs += gapMs;
          demand = noteDemand(demand, nowMs);
          const count = wantItems({ size, demand, leaseEndsAtMs: nowMs - 10_000 + leaseMs }, bounds, nowMs);
          expect(count).toBeGreaterThanOrEqual(0);
          if (count > 0) expect(size + count).toBeLessThanOrEqual(bounds.high);
        }
      }),
    );
  });
});

it('a challenge is handed out only with the life left that is asked for', () => {
  expect([300_000, 299_999].map((left) => hasLife({ endsAtMs: NOW + left }, BOUNDS, NOW))).toEqual([true, false]);
});

describe('challenges that a client has', () => {
  const item = (id: string, lifeMs = 600_000): ReadyChallenge => ({
    id,
    paymentHashHex: `hash of ${id}`,
    invoice: `invoice ${id}`,
    token: `token ${id}`,
    endsAtMs: NOW + lifeMs,
  });
  const given = (...items: readonly (readonly [string, ReadyChallenge])[]) =>
    items.reduce<readonly IssuedChallenge[]>((issued, [offer, one]) => rememberChallenge(issued, { offer, item: one }), []);

  it('M18: are given again for the same offer only, the one that lasts longest, with a minute left', () => {
    const issued = given(['a', item('1', 100_000)], ['a', item('2', 90_000)], ['b', item('3', LEAST_REPEATED_LIFE_MS - 1)]);
    expect(findRepeatable(issued, { key: 'a' }, NOW)).toEqual(item('1', 100_000));
    expect(findRepeatable(issued, { key: 'a' }, NOW + 40_001)).toBeUndefined();
    expect(findRepeatable(issued, { key: 'b' }, NOW)).toBeUndefined();
    expect(findRepeatable(issued, { key: 'c' }, NOW)).toBeUndefined();
  });

  it('M18: are not given again once their payment has been shown', () => {
    const issued = given(['a', item('1')], ['a', item('2', 500_000)]);
    expect(findRepeatable(forgetShown(issued, ['hash of 1']), { key: 'a' }, NOW)?.id).toBe('2');
    expect(findRepeatable(forgetShown(issued, ['hash of 1', 'hash of 2']), { key: 'a' }, NOW)).toBeUndefined();
    expect(forgetShown(issued, [])).toEqual(issued);
  });

  it('M44: are not given again when another node makes the invoices now, whoever is told of it last', () => {
    const issued = given(['a', { ...item('1'), node: 'old' }], ['a', { ...item('2', 500_000), node: 'new' }]);
    const nodeOf = (name: string, learnedAtMs: number) => ({ name, learnedAtMs });
    expect(findRepeatable(issued, { key: 'a', node: nodeOf('new', 1) }, NOW)?.id).toBe('2');
    expect(findRepeatable(issued, { key: 'a', node: nodeOf('third', 1) }, NOW)).toBeUndefined();
    expect(findRepeatable(issued, { key: 'a', node: undefined }, NOW)?.id).toBe('1');
    expect(laterNode(nodeOf('old', 5), nodeOf('new', 6))?.name).toBe('new');
    expect(laterNode(nodeOf('new', 6), nodeOf('old', 5))?.name).toBe('new');
    expect(laterNode(nodeOf('new', 6), undefined)?.name).toBe('new');
    expect(laterNode(undefined, nodeOf('old', 5))?.name).toBe('old');
  });

  it('are remembered in a bounded number', () => {
    const issued = given(...Array.from({ length: 50 }, (_, index) => ['a', item(`${index}`)] as const));
    expect(issued).toHaveLength(MOST_REPEATABLE);
    expect(issued.at(-1)?.item.id).toBe('49');
  });
});
