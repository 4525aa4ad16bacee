/*
 * The circuit breaker, vote by vote, with the time passed in.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CLOSED_BREAKER,
  countVote,
  LEAST_VOTERS_TO_OPEN,
  MOST_VOTES,
  readBreaker,
  type Breaker,
  type BreakerSettings,
  type OriginOutcome,
} from '#durable-objects/breaker-rules.ts';

const SETTINGS: BreakerSettings = {
  windowMs: 60_000,
  failuresInARow: 5,
  failureRatio: 0.5,
  slowRatio: 0.8,
  leastVoters: 10,
  openMs: 10_000,
  longestOpenMs: 60_000,
};

interface Vote {
  readonly outcome: OriginOutcome;
  /** A payment and a client of its own for each number. */
  readonly by?: number;
  readonly voters?: readonly string[];
  readonly atMs?: number;
}

function vote(votes: readonly Vote[], from: Breaker = CLOSED_BREAKER, settings = SETTINGS): Breaker {
  return votes.reduce(
    (breaker, { outcome, by, voters = [`payment ${by}`, `client ${by}`], atMs = 0 }) =>
      countVote(breaker, { outcome, voters }, { settings, nowMs: atMs }),
    from,
  );
}
const each = (count: number, outcome: OriginOutcome, options: { from?: number; atMs?: number } = {}): readonly Vote[] =>
  Array.from({ length: count }, (_, index) => ({ outcome, by: (options.from ?? 0) + index, atMs: options.atMs ?? 0 }));
const probe = (outcome: OriginOutcome, atMs = 0): Vote => ({ outcome, voters: [], atMs });
const stateOf = (breaker: Breaker, nowMs = 0) => readBreaker(breaker, nowMs);

describe('a closed breaker', () => {
  it('M12: opens when so many different voters fail one after the other', () => {
    expect(stateOf(vote(each(4, 'failed')))).toBe('closed');
    expect(stateOf(vote(each(5, 'failed')))).toBe('open');
  });

  it('M12: a success in between starts the row anew', () => {
    expect(stateOf(vote([...each(4, 'failed'), { outcome: 'ok', by: 90 }, ...each(4, 'failed', { from: 10 })]))).toBe('closed');
  });

  it('M12: one payment that fails a thousand times, from as many clients, has one vote', () => {
    const votes = Array.from({ length: 1000 }, (_, index) => ({ outcome: 'failed' as const, voters: ['payment', `client ${index}`] }));
    expect(stateOf(vote(votes))).toBe('closed');
  });

  it('M12: one client that fails with a thousand payments has one vote', () => {
    const votes = Array.from({ length: 1000 }, (_, index) => ({ outcome: 'failed' as const, voters: [`payment ${index}`, 'client'] }));
    expect(stateOf(vote(votes))).toBe('closed');
  });

  it('M12: takes three voters who share neither payment nor client, whatever the settings say', () => {
    const eager = { ...SETTINGS, failuresInARow: 1, leastVoters: 1, failureRatio: 0.01, slowRatio: 0.01 };
    expect(LEAST_VOTERS_TO_OPEN).toBe(3);
    expect(stateOf(vote(each(2, 'failed'), CLOSED_BREAKER, eager))).toBe('closed');
    expect(stateOf(vote(each(3, 'failed'), CLOSED_BREAKER, eager))).toBe('open');
    const anyVotes = fc.array(
      fc.record({
        outcome: fc.constantFrom<OriginOutcome>('ok', 'slow', 'failed'),
        voters: fc.tuple(fc.constantFrom('p1', 'p2', 'p3', 'p4'), fc.constantFrom('c1', 'c2')),
      }),
    );
    // Two clients, whatever they pay with and in whichever order.
    fc.assert(fc.property(anyVotes, (votes) => stateOf(vote(votes, CLOSED_BREAKER, eager)) === 'closed'));
  });

  it("M12: opens at once when a probe of the gateway's own fails", () => {
    expect(stateOf(vote([probe('failed')]))).toBe('open');
    expect(stateOf(vote([probe('slow'), probe('ok')]))).toBe('closed');
  });

  it('M12: opens when a large part of the voters fails, though others succeed in between', () => {
    const mixed = Array.from({ length: 10 }, (_, by) => ({ outcome: by % 2 === 0 ? ('ok' as const) : ('failed' as const), by }));
    expect(stateOf(vote(mixed.slice(0, 9)))).toBe('closed');
    expect(stateOf(vote(mixed))).toBe('open');
  });

  it('M12: opens when nearly all wait too long for the head of their answer', () => {
    expect(stateOf(vote([...each(3, 'ok', { from: 50 }), ...each(7, 'slow')]))).toBe('closed');
    expect(stateOf(vote([...each(2, 'ok', { from: 50 }), ...each(8, 'slow')]))).toBe('open');
  });

  it('forgets votes that are older than the window', () => {
    expect(stateOf(vote([...each(4, 'failed'), { outcome: 'failed', by: 9, atMs: 60_000 }]), 60_000)).toBe('closed');
    expect(stateOf(vote([...each(4, 'failed'), { outcome: 'failed', by: 9, atMs: 59_999 }]), 59_999)).toBe('open');
  });

  it('counts the latest vote of a voter', () => {
    expect(stateOf(vote([...each(4, 'failed'), { outcome: 'ok', by: 0 }, { outcome: 'failed', by: 8 }]))).toBe('closed');
  });

  it('keeps a bounded number of votes, and hears the latest', () => {
    const busy = vote(each(MOST_VOTES + 50, 'ok'));
    expect(busy.votes).toHaveLength(MOST_VOTES);
    expect(stateOf(vote(each(5, 'failed', { from: 1000 }), busy))).toBe('open');
  });
});

describe('an open breaker', () => {
  const opened = vote(each(5, 'failed'));

  it('is half open when its time is over', () => {
    expect([stateOf(opened, 9999), stateOf(opened, 10_000)]).toEqual(['open', 'half_open']);
  });

  it('hears no calls that were under way when it opened', () => {
    expect(vote([...each(9, 'failed', { from: 20, atMs: 5000 }), probe('ok', 5000)], opened)).toEqual(opened);
  });

  it('M12: half open, one payer alone neither closes it nor keeps it open', () => {
    const again = Array.from({ length: 100 }, () => ({ outcome: 'failed' as const, by: 1, atMs: 10_000 }));
    const halfOpen = vote(again, opened);
    expect(stateOf(halfOpen, 10_000)).toBe('half_open');
    expect(stateOf(vote([{ outcome: 'ok', by: 2, atMs: 10_000 }], halfOpen), 10_000)).toBe('half_open');
    expect(stateOf(vote(each(2, 'ok', { from: 2, atMs: 10_000 }), halfOpen), 10_000)).toBe('closed');
  });

  it('M12: half open, one payer alone closes it when nobody has failed for a whole window', () => {
    const after = (votes: readonly Vote[]) => stateOf(vote(votes, opened), 70_000);
    expect(after([{ outcome: 'ok', by: 2, atMs: 69_999 }])).toBe('half_open');
    expect(after([{ outcome: 'ok', by: 2, atMs: 70_000 }])).toBe('closed');
    expect(
      after([
        { outcome: 'failed', by: 3, atMs: 60_000 },
        { outcome: 'ok', by: 2, atMs: 70_000 },
      ]),
    ).toBe('half_open');
  });

  it("M12: half open, a probe of the gateway's own decides at once", () => {
    expect(stateOf(vote([probe('ok', 10_000)], opened), 10_000)).toBe('closed');
    expect(stateOf(vote([probe('failed', 10_000)], opened), 10_000)).toBe('open');
  });

  it('opens again for twice as long, up to a bound, and for the first time again once it has closed', () => {
    let breaker = opened;
    const lengths: number[] = [];
    for (let times = 0; times < 4; times++) {
      const nowMs = breaker.openUntilMs;
      breaker = vote(each(3, 'failed', { atMs: nowMs }), breaker);
      lengths.push(breaker.openUntilMs - nowMs);
    }
    expect(lengths).toEqual([20_000, 40_000, 60_000, 60_000]);
    const nowMs = breaker.openUntilMs;
    const closed = vote([probe('ok', nowMs)], breaker);
    expect(vote(each(5, 'failed', { atMs: nowMs }), closed).openUntilMs - nowMs).toBe(10_000);
  });
});
