/* What an isolate remembers of refused claims: no more than is sure, and no longer. */
import { describe, expect, it } from 'vitest';
import { createRefusedClaims, MOST_REFUSED_CLAIMS, REFUSED_CLAIM_MS, type AskedClaim } from '#gateway/payment/refused-claims.ts';
import { type GatewayRefusal } from '#gateway/answers/refusals.ts';

const NOW_MS = 1_000_000;
const HASH = 'aa';
const LATER_MS = NOW_MS + 365 * 86_400_000;

const claim = (cost = 1, changes: Partial<AskedClaim['charge']> = {}): AskedClaim => ({
  paymentHashHex: HASH,
  charge: { limit: 10, cost, draws: [], ...changes },
});
const draws = (key: string) => [{ key, limit: 5, cost: 1, period: '', unit: 'calls' as const }];
const spent = (count: number): GatewayRefusal => ({ code: 'payment_spent', detail: '', remaining: { unit: 'calls', count } });
const refusal = (code: GatewayRefusal['code']): GatewayRefusal => ({ code, detail: '', retryAfterSeconds: 60 });

describe('what is known of a refused claim', () => {
  it('M37: a payment that is used up is so for good, in every isolate and for every call', () => {
    const claims = createRefusedClaims();
    claims.note(claim(), spent(0), NOW_MS);
    expect(claims.find(claim(3), LATER_MS)?.code).toBe('payment_spent');
    expect(claims.find(claim(1, { draws: draws('k') }), LATER_MS)?.code).toBe('payment_spent');
    expect(claims.findSpent(HASH, 1, LATER_MS)?.code).toBe('payment_spent');
    expect(claims.findSpent('bb', 1, NOW_MS)).toBeUndefined();
  });

  it('M37: a call that takes no more than is left is asked about, and what is left is not told for longer than a second', () => {
    const claims = createRefusedClaims();
    claims.note(claim(5), spent(4), NOW_MS);
    expect(claims.find(claim(4), NOW_MS)).toBeUndefined();
    expect(claims.find(claim(5), NOW_MS)?.remaining?.count).toBe(4);
    expect(claims.find(claim(5), NOW_MS + REFUSED_CLAIM_MS)).toBeUndefined();
    // It is sure all the same that a dearer one is refused.
    expect(claims.findSpent(HASH, 5, NOW_MS + REFUSED_CLAIM_MS)).toEqual({ code: 'payment_spent', detail: '' });
    expect(claims.findSpent(HASH, 4, NOW_MS)).toBeUndefined();
  });

  it('M37: another token over the same payment is asked about', () => {
    const claims = createRefusedClaims();
    claims.note(claim(), spent(0), NOW_MS);
    expect(claims.find(claim(1, { limit: 20 }), NOW_MS)).toBeUndefined();
  });

  it('M37: a counter that is used up is no matter of the token without it, nor of another counter', () => {
    const claims = createRefusedClaims();
    claims.note(claim(1, { draws: draws('one') }), refusal('caveat_exhausted'), NOW_MS);
    expect(claims.find(claim(1, { draws: draws('one') }), NOW_MS)?.code).toBe('caveat_exhausted');
    expect(claims.find(claim(1, { draws: draws('two') }), NOW_MS)).toBeUndefined();
    expect(claims.find(claim(), NOW_MS)).toBeUndefined();
    expect(claims.find(claim(1, { draws: draws('one') }), NOW_MS + REFUSED_CLAIM_MS)).toBeUndefined();
  });

  it.each(['token_expired', 'payment_cooling', 'invoice_unsettled', 'invoice_gone'] as const)(
    'M37: %s may change, and is known for a second, however the clock is set',
    (code) => {
      const claims = createRefusedClaims();
      claims.note(claim(), refusal(code), NOW_MS);
      expect(claims.find(claim(), NOW_MS + REFUSED_CLAIM_MS - 1)?.code).toBe(code);
      for (const nowMs of [NOW_MS + REFUSED_CLAIM_MS, NOW_MS - 1]) expect(claims.find(claim(), nowMs)).toBeUndefined();
    },
  );

  it.each(['claim_in_flight', 'rate_limited', 'settlement_unknown', 'claims_unavailable', 'client_gone'] as const)(
    'M37: %s is not remembered',
    (code) => {
      const claims = createRefusedClaims();
      claims.note(claim(), refusal(code), NOW_MS);
      expect(claims.find(claim(), NOW_MS)).toBeUndefined();
    },
  );

  it('M37: is of a bounded number of payments', () => {
    const claims = createRefusedClaims();
    for (let index = 0; index <= MOST_REFUSED_CLAIMS; index++) {
      claims.note({ ...claim(), paymentHashHex: String(index) }, spent(0), NOW_MS);
    }
    expect(claims.findSpent('0', 1, NOW_MS)).toBeUndefined();
    expect(claims.findSpent('1', 1, NOW_MS)?.code).toBe('payment_spent');
  });
});
