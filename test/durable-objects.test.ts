/*
 * The rules of a claim, step by step, with the time passed in.
 */
import { describe, expect, it } from 'vitest';
import { ABANDONMENTS_FORGIVEN, finishClaim, reserveClaim, type Claim } from '#durable-objects/claim-rules.ts';

const LEASE_MS = 90_000;
const reserve = (claim: Claim | undefined, reservationId: string, nowMs: number) =>
  reserveClaim(claim, { reservationId, leaseMs: LEASE_MS }, nowMs);

describe('a claim', () => {
  it('M10: without outcome is in doubt until its lease ends, then good again', () => {
    const first = reserve(undefined, 'a', 0);
    expect(first.answer.kind).toBe('granted');
    expect(reserve(first.claim, 'b', LEASE_MS - 1).answer.kind).toBe('in_flight');
    expect(reserve(first.claim, 'b', LEASE_MS).answer.kind).toBe('granted');
  });

  it('M11: abandonment is forgiven three times, and then the payment is spent', () => {
    let claim = reserve(undefined, 'r0', 0).claim;
    let nowMs = 0;
    for (let times = 1; times <= ABANDONMENTS_FORGIVEN; times++) {
      nowMs += LEASE_MS;
      const again = reserve(claim, `r${times}`, nowMs);
      expect(again.answer.kind).toBe('granted');
      claim = again.claim;
    }
    expect(reserve(claim, 'last', nowMs + LEASE_MS).answer.kind).toBe('spent');
  });

  it('M10: the same reservation asked twice is one reservation, and its outcome said twice counts once', () => {
    const { claim } = reserve(undefined, 'a', 0);
    expect(reserve(claim, 'a', 1).answer.kind).toBe('granted');
    const spent = finishClaim(claim, { reservationId: 'a', outcome: 'commit' }, 2);
    expect(finishClaim(spent.claim, { reservationId: 'a', outcome: 'commit' }, 3)).toEqual({ answer: 'recorded' });
    expect(finishClaim(spent.claim, { reservationId: 'a', outcome: 'release' }, 3)).toEqual({ answer: 'stale' });
    expect(reserve(spent.claim, 'b', 4).answer.kind).toBe('spent');
  });

  it('M10: an outcome of a lease that someone else has taken over changes nothing', () => {
    const { claim } = reserve(undefined, 'a', 0);
    const taken = reserve(claim, 'b', LEASE_MS);
    expect(finishClaim(taken.claim, { reservationId: 'a', outcome: 'commit' }, LEASE_MS + 1)).toEqual({ answer: 'stale' });
  });

  it('M12: after three releases in a row it cools down, twice as long each time, and is never burnt', () => {
    let claim: Claim | undefined;
    let nowMs = 0;
    const waits: number[] = [];
    for (let releases = 1; releases <= 6; releases++) {
      claim = reserve(claim, `r${releases}`, nowMs).claim;
      claim = finishClaim(claim, { reservationId: `r${releases}`, outcome: 'release' }, nowMs).claim!;
      const { answer } = reserve(claim, 'next', nowMs);
      if (answer.kind === 'cooling') waits.push(answer.retryAfterSeconds);
      nowMs = Math.max(nowMs, claim.coolsUntilMs);
    }
    expect(waits).toEqual([10, 20, 40, 80]);
    expect(reserve(claim, 'last', nowMs).answer.kind).toBe('granted');
  });
});
