/*
 * The rules of a payment's uses, step by step, with the time passed in. Which uses are open is kept as the object does:
 * a use is open from its reservation to its outcome.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ABANDONMENTS_FORGIVEN,
  finishUse,
  giveBack,
  MOST_COUNTERS,
  MOST_OPEN_USES,
  ONE_ABANDONMENT_MS,
  reserveUnits,
  revokePayment,
  settlePayment,
  type Counter,
  type Outcome,
  type Payment,
  type ReserveAnswer,
} from '#durable-objects/claim-rules.ts';

const LEASE_MS = 90_000;

/** One payment and its counters, with the book-keeping of an object and none of its storage. */
function openBook({ limit }: { limit: number }) {
  let payment: Payment | undefined;
  const counters = new Map<string, Counter>();
  const open = new Set<number>();
  let next = 0;
  const isOpen = (number: number) => open.has(number);
  return {
    get payment() {
      return payment;
    },
    reserve(
      reservationId: string,
      nowMs: number,
      options: { cost?: number; draws?: { key: string; limit: number; period?: string }[] } = {},
    ): ReserveAnswer {
      const settled = settlePayment(payment, isOpen, nowMs);
      for (const number of settled.ended) open.delete(number);
      for (const draw of settled.givenBack) counters.set(draw.key, giveBack(counters.get(draw.key)!, draw));
      const draws = (options.draws ?? []).map(({ key, limit: most, period = '' }) => ({ key, limit: most, period, cost: 1 }));
      const reserved = reserveUnits(
        { payment: settled.payment, counters: draws.map(({ key }) => counters.get(key)) },
        { reservationId, leaseMs: LEASE_MS, limit, cost: options.cost ?? 1, draws },
        {
          nextNumber: () => {
            open.add(next);
            return next++;
          },
          nowMs,
        },
      );
      payment = reserved.payment ?? settled.payment;
      for (const [index, counter] of (reserved.counters ?? []).entries()) counters.set(draws[index]!.key, counter);
      return reserved.answer;
    },
    finish(reservationId: string, outcome: Outcome, nowMs: number) {
      const finished = finishUse(payment, { reservationId, outcome }, { isOpen, nowMs });
      if (finished.number !== undefined) open.delete(finished.number);
      payment = finished.payment ?? payment;
      for (const draw of finished.givenBack) counters.set(draw.key, giveBack(counters.get(draw.key)!, draw));
      return finished.answer;
    },
  };
}

const COMMIT = { kind: 'commit' } as const;
const RELEASE = { kind: 'release' } as const;

describe('a payment of one call', () => {
  it('M10: without outcome is in doubt until its lease ends, then good again', () => {
    const book = openBook({ limit: 1 });
    expect(book.reserve('a', 0).kind).toBe('granted');
    expect(book.reserve('b', LEASE_MS - 1).kind).toBe('in_flight');
    expect(book.reserve('b', LEASE_MS).kind).toBe('granted');
  });

  it('M37: that is spent stays spent, whatever is given back of what was open then', () => {
    const book = openBook({ limit: 10 });
    expect(book.reserve('a', 0, { cost: 6 }).kind).toBe('granted');
    expect(book.reserve('b', 1, { cost: 3 }).kind).toBe('granted');
    expect(book.finish('a', COMMIT, 2)).toBe('recorded');
    const spent = { kind: 'spent', remaining: 4 };
    expect(book.reserve('c', 3, { cost: 5 })).toEqual(spent);
    expect(book.finish('b', RELEASE, 4)).toBe('recorded');
    expect(book.reserve('c', 5, { cost: 5 })).toEqual(spent);
    expect(book.reserve('d', 6, { cost: 4 }).kind).toBe('granted');
  });

  it('M30: that was revoked says so, before anything else, and also when something is given back', () => {
    const revoked = revokePayment(undefined);
    const asked = { limit: 1, cost: 1, draws: [], reservationId: 'a', leaseMs: LEASE_MS };
    const ask = (payment: Payment) => reserveUnits({ payment, counters: [] }, asked, { nextNumber: () => 0, nowMs: 0 }).answer;
    expect(ask(revoked)).toEqual({ kind: 'revoked' });
    expect(ask({ ...revoked, coolsUntilMs: 1, used: revoked.used - 1 })).toEqual({ kind: 'revoked' });
  });

  it('M11: abandonment is forgiven three times, and then the payment is spent', () => {
    const book = openBook({ limit: 1 });
    for (let times = 0; times <= ABANDONMENTS_FORGIVEN; times++) expect(book.reserve(`r${times}`, times * LEASE_MS).kind).toBe('granted');
    expect(book.reserve('last', (ABANDONMENTS_FORGIVEN + 1) * LEASE_MS).kind).toBe('spent');
  });

  it('M11: what is abandoned within a minute is one abandonment, all of it is given back, and what comes later is another', () => {
    const book = openBook({ limit: 40 });
    const crash = (name: string, atMs: number, calls = 10) => {
      for (let call = 0; call < calls; call++) expect(book.reserve(`${name}${call}`, atMs + call * 5000).kind).toBe('granted');
    };
    // A Worker dies with ten calls that began within 45 seconds; their leases end one after the other.
    crash('a', 0);
    for (let call = 1; call <= 10; call++) {
      expect(book.reserve(`between ${call}`, LEASE_MS + call * 5000 - 1)).toMatchObject({ kind: 'granted', remaining: 29 + call });
      expect(book.finish(`between ${call}`, { kind: 'release', cools: false }, LEASE_MS + call * 5000 - 1)).toBe('recorded');
    }
    const [second, third, fourth] = [1, 2, 3].map((times) => times * (LEASE_MS + ONE_ABANDONMENT_MS)) as [number, number, number];
    crash('b', second);
    crash('c', third);
    crash('d', fourth);
    // The fourth event is not forgiven, however close its uses are to each other.
    expect(book.reserve('after', fourth + LEASE_MS + 50_000)).toMatchObject({ kind: 'granted', remaining: 29 });
  });

  it('M11: uses that go on to be abandoned, less than a minute apart, are more than one event', () => {
    const book = openBook({ limit: 1000 });
    for (let call = 0; call < 20; call++) book.reserve(`u${call}`, call * 30_000);
    // Three windows of a minute: six uses of the twenty.
    expect(book.reserve('after', 20 * 30_000 + LEASE_MS)).toMatchObject({ kind: 'granted', remaining: 1000 - 14 - 1 });
  });

  it('M10: the same reservation asked twice is one reservation, and its outcome said twice counts once', () => {
    const book = openBook({ limit: 1 });
    expect(book.reserve('a', 0).kind).toBe('granted');
    expect(book.reserve('a', 1).kind).toBe('granted');
    expect(book.finish('a', COMMIT, 2)).toBe('recorded');
    expect(book.finish('a', COMMIT, 3)).toBe('recorded');
    expect(book.finish('a', RELEASE, 3)).toBe('stale');
    expect(book.reserve('b', 4)).toEqual({ kind: 'spent', remaining: 0 });
  });

  it('M10: an outcome of a lease that someone else has taken over changes nothing', () => {
    const book = openBook({ limit: 1 });
    book.reserve('a', 0);
    book.reserve('b', LEASE_MS);
    expect(book.finish('a', COMMIT, LEASE_MS + 1)).toBe('stale');
    expect(book.finish('a', RELEASE, LEASE_MS + 1)).toBe('stale');
  });

  it('M12: does not cool down for calls that were never sent, and cools no sooner or later for them', () => {
    const book = openBook({ limit: 1 });
    const unsent = { kind: 'release', cools: false } as const;
    for (let call = 0; call < 10; call++) {
      expect(book.reserve(`u${call}`, 0).kind).toBe('granted');
      expect(book.finish(`u${call}`, unsent, 0)).toBe('recorded');
    }
    for (let call = 0; call < 3; call++) {
      expect(book.reserve(`r${call}`, 0).kind).toBe('granted');
      book.finish(`r${call}`, { kind: 'release' }, 0);
      if (call < 2) expect([book.reserve(`b${call}`, 0).kind, book.finish(`b${call}`, unsent, 0)]).toEqual(['granted', 'recorded']);
    }
    expect(book.reserve('late', 0).kind).toBe('cooling');
  });

  it('M12: after three releases in a row it cools down, twice as long each time, and is never burnt', () => {
    const book = openBook({ limit: 1 });
    let nowMs = 0;
    const waits: number[] = [];
    for (let releases = 1; releases <= 6; releases++) {
      expect(book.reserve(`r${releases}`, nowMs).kind).toBe('granted');
      book.finish(`r${releases}`, RELEASE, nowMs);
      const answer = book.reserve('next', nowMs);
      if (answer.kind === 'cooling') waits.push(answer.retryAfterSeconds);
      else book.finish('next', RELEASE, nowMs);
      nowMs = Math.max(nowMs, book.payment!.coolsUntilMs);
    }
    expect(waits.slice(0, 4)).toEqual([10, 20, 40, 80]);
    expect(book.reserve('last', nowMs).kind).toBe('granted');
  });
});

describe('a clock that goes back', () => {
  it('M12: makes no payment cool down that was released once', () => {
    const book = openBook({ limit: 1 });
    expect(book.reserve('a', 5000).kind).toBe('granted');
    book.finish('a', RELEASE, 5000);
    expect(book.reserve('b', 1).kind).toBe('granted');
  });
});

describe('a payment of many units', () => {
  it('counts each reservation once, and tells what is left', () => {
    const book = openBook({ limit: 3 });
    for (const [index, remaining] of [2, 1, 0].entries()) {
      expect(book.reserve(`r${index}`, 0)).toEqual({ kind: 'granted', remaining, left: [] });
      expect(book.finish(`r${index}`, COMMIT, 0)).toBe('recorded');
    }
    expect(book.reserve('more', 0)).toEqual({ kind: 'spent', remaining: 0 });
  });

  it('M13: tells to wait where only open uses stand in the way, and spent where they do not', () => {
    const book = openBook({ limit: 10 });
    expect(book.reserve('big', 0, { cost: 8 }).kind).toBe('granted');
    expect(book.reserve('other', 0, { cost: 5 }).kind).toBe('in_flight');
    expect(book.reserve('huge', 0, { cost: 11 })).toEqual({ kind: 'spent', remaining: 10 });
    book.finish('big', COMMIT, 0);
    expect(book.reserve('other', 0, { cost: 5 })).toEqual({ kind: 'spent', remaining: 2 });
  });

  it('P12: takes less than was reserved when the outcome says so, never more', () => {
    const book = openBook({ limit: 1000 });
    book.reserve('a', 0, { cost: 600 });
    book.finish('a', { kind: 'commit', cost: 100 }, 0);
    expect(book.reserve('b', 0, { cost: 900 })).toEqual({ kind: 'granted', remaining: 0, left: [] });
    book.finish('b', { kind: 'commit', cost: 5000 }, 0);
    expect(book.payment!.used).toBe(1000);
  });

  it('M12: a counted call between two releases ends the run', () => {
    const book = openBook({ limit: 10 });
    for (const id of ['a', 'b']) {
      book.reserve(id, 0);
      book.finish(id, RELEASE, 0);
    }
    book.reserve('c', 0);
    book.finish('c', COMMIT, 0);
    book.reserve('d', 0);
    book.finish('d', RELEASE, 0);
    expect(book.reserve('e', 0).kind).toBe('granted');
  });

  it('M6: holds a bounded number of open uses', () => {
    const book = openBook({ limit: 1_000_000 });
    for (let uses = 0; uses < MOST_OPEN_USES; uses++) expect(book.reserve(`r${uses}`, 0).kind).toBe('granted');
    expect(book.reserve('one more', 0).kind).toBe('in_flight');
  });
});

describe('counters that holders put on a token', () => {
  it('M7: a counter stops at its own limit, and the payment has the rest', () => {
    const book = openBook({ limit: 100 });
    const draws = [{ key: 'child', limit: 10 }];
    for (let uses = 0; uses < 10; uses++) {
      expect(book.reserve(`r${uses}`, 0, { draws })).toEqual({ kind: 'granted', remaining: 99 - uses, left: [9 - uses] });
      book.finish(`r${uses}`, COMMIT, 0);
    }
    expect(book.reserve('eleventh', 0, { draws })).toEqual({ kind: 'counter_spent', remaining: 0 });
    expect(book.reserve('parent', 0)).toEqual({ kind: 'granted', remaining: 89, left: [] });
  });

  it('M7: a use that is released or abandoned gives back to every counter on the chain', () => {
    const book = openBook({ limit: 100 });
    const draws = [
      { key: 'child', limit: 1 },
      { key: 'grandchild', limit: 1 },
    ];
    book.reserve('a', 0, { draws });
    expect(book.reserve('b', 0, { draws }).kind).toBe('in_flight');
    book.finish('a', RELEASE, 0);
    expect(book.reserve('b', 0, { draws }).kind).toBe('granted');
    expect(book.reserve('c', LEASE_MS, { draws }).kind).toBe('granted');
    book.finish('c', COMMIT, LEASE_MS);
    expect(book.reserve('d', LEASE_MS, { draws }).kind).toBe('counter_spent');
  });

  it('P6: a counter of a month starts anew with the next one', () => {
    const book = openBook({ limit: 100 });
    const november = [{ key: 'volume', limit: 1, period: '2026-11' }];
    expect(book.reserve('a', 0, { draws: november }).kind).toBe('granted');
    book.finish('a', COMMIT, 0);
    expect(book.reserve('b', 0, { draws: november }).kind).toBe('counter_spent');
    expect(book.reserve('b', 0, { draws: [{ key: 'volume', limit: 1, period: '2026-12' }] }).kind).toBe('granted');
  });

  it('M33: a call of a month that is over counts in the month that has begun, and starts nothing anew', () => {
    const book = openBook({ limit: 100 });
    const inMonth = (period: string) => [{ key: 'volume', limit: 2, period }];
    expect(book.reserve('a', 0, { draws: inMonth('2026-11') }).kind).toBe('granted');
    expect(book.reserve('b', 0, { draws: inMonth('2026-12') })).toMatchObject({ kind: 'granted', left: [1] });
    expect(book.reserve('late', 0, { draws: inMonth('2026-11') })).toMatchObject({ kind: 'granted', left: [0] });
    for (const id of ['late', 'a']) book.finish(id, COMMIT, 0);
    expect(book.reserve('later', 0, { draws: inMonth('2026-11') }).kind).toBe('in_flight');
    book.finish('b', COMMIT, 0);
    for (const month of ['2026-11', '2026-12']) {
      expect(book.reserve(month, 0, { draws: inMonth(month) })).toEqual({ kind: 'counter_spent', remaining: 0 });
    }
  });

  it('M33: a call of last month that is given back leaves this month as it is; one that counted in this month gives it back', () => {
    const book = openBook({ limit: 100 });
    const inMonth = (period: string) => [{ key: 'volume', limit: 2, period }];
    book.reserve('november', 0, { draws: inMonth('2026-11') });
    book.reserve('december', 0, { draws: inMonth('2026-12') });
    book.reserve('late', 0, { draws: inMonth('2026-11') });
    book.finish('november', RELEASE, 0);
    expect(book.reserve('full', 0, { draws: inMonth('2026-12') }).kind).toBe('in_flight');
    book.finish('late', RELEASE, 0);
    expect(book.reserve('again', 0, { draws: inMonth('2026-12') })).toMatchObject({ kind: 'granted', left: [0] });
  });

  it('M33: whatever the order of months, no month passes more than its limit, and in all no more than a limit for each month', () => {
    const LIMIT = 3;
    const steps = fc.array(
      fc.record({ month: fc.integer({ min: 1, max: 5 }), fate: fc.constantFrom('count', 'release', 'abandon', 'leave') }),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(steps, (life) => {
        const book = openBook({ limit: 1_000_000 });
        let nowMs = 0;
        let newest = 0;
        const counted = new Map<number, number>();
        for (const [step, { month, fate }] of life.entries()) {
          const id = `r${step}`;
          const draws = [{ key: 'volume', limit: LIMIT, period: `2026-0${month}` }];
          const answer = book.reserve(id, nowMs, { draws });
          if (answer.kind === 'cooling') nowMs = book.payment!.coolsUntilMs;
          if (answer.kind !== 'granted') continue;
          newest = Math.max(newest, month);
          if (fate === 'release') book.finish(id, RELEASE, nowMs);
          else counted.set(newest, (counted.get(newest) ?? 0) + 1);
          if (fate === 'count') book.finish(id, COMMIT, nowMs);
          // Three times, what is abandoned within a minute may be used again: no lease is as short, so that is a limit at most.
          if (fate === 'abandon') nowMs += LEASE_MS;
        }
        for (const calls of counted.values()) expect(calls).toBeLessThanOrEqual(LIMIT + LIMIT * ABANDONMENTS_FORGIVEN);
        const calls = [...counted.values()].reduce((sum, count) => sum + count, 0);
        expect(calls).toBeLessThanOrEqual(LIMIT * 5 + LIMIT * ABANDONMENTS_FORGIVEN);
      }),
      { numRuns: 2000 },
    );
  });

  it('M6: a payment has a bounded number of counters, and a refused call makes none', () => {
    const book = openBook({ limit: 1_000_000 });
    for (let keys = 0; keys < MOST_COUNTERS; keys++) {
      const draws = [{ key: `k${keys}`, limit: 1 }];
      expect(book.reserve(`r${keys}`, 0, { draws }).kind).toBe('granted');
      book.finish(`r${keys}`, COMMIT, 0);
    }
    expect(book.reserve('more', 0, { draws: [{ key: 'one too many', limit: 1 }] }).kind).toBe('counter_spent');
    expect(book.payment!.counters).toBe(MOST_COUNTERS);
  });
});
