/*
 * The seam for ways to pay: a scheme that is no L402 (a coupon instead of a payment) is written in this file alone, and sells
 * calls through the front door, by the same claims and the same challenge.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import { formatHex } from '#protocol/bytes.ts';
import { msat } from '#protocol/msat.ts';
import { accept, refuse } from '#protocol/result.ts';
import { endOfClaim, type PaymentScheme, type PresentedCredential, type ProvedPayment } from '#schemes/scheme.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, openGateway, schemesOf } from './front-door.ts';

const COUPON_CALLS = 2;
const ENDS_AT_SECONDS = Math.floor(Date.now() / 1000) + 3600;
const hashOf = (text: string) => sha256(new TextEncoder().encode(text));

/** Coupons that the seller has printed. */
function createCouponScheme(coupons: ReadonlySet<string>): PaymentScheme {
  const pay = (coupon: string): ProvedPayment => {
    const paymentHash = hashOf(coupon);
    return {
      paymentHash,
      revocable: { identifier: paymentHash, keyId: 0, epochStartHours: 0 },
      access: 'calls',
      isProof: true,
      needsDigest: () => false,
      judgeStanding: () => undefined,
      checkKey: () => Promise.resolve(undefined),
      judge: () =>
        Promise.resolve(
          accept({
            paymentHash,
            claimObjectName: '1/0/0/0',
            claimEndsAtSeconds: endOfClaim(ENDS_AT_SECONDS),
            claimId: formatHex(paymentHash.slice(0, 16)),
            secretId: formatHex(paymentHash.slice(16)),
            charge: { unit: 'calls', limit: COUPON_CALLS, cost: 1, draws: [] },
            maxPerMinute: undefined,
            needsSettlement: false,
            sold: { scheme: 'Coupon', access: 'calls', paidMsat: msat(0n) },
            challengeId: '',
            passEndsAtSeconds: undefined,
          }),
        ),
    };
  };
  return {
    name: 'Coupon',
    present(_, authorization) {
      const coupon = /^Coupon (\w+)$/.exec(authorization)?.[1];
      const proved: PresentedCredential | undefined = coupon === undefined ? undefined : { prove: () => Promise.resolve(judge(coupon)) };
      return accept({
        authorizationRest: coupon === undefined ? authorization : '',
        credentials: () => accept(proved === undefined ? [] : [proved]),
        paymentHashes: () => (coupon === undefined ? [] : [formatHex(hashOf(coupon))]),
      });
    },
    holdsCredential: () => false,
    formatChallenge: () => 'Coupon realm="shop"',
  };
  function judge(coupon: string) {
    const detail = 'no such coupon';
    return coupons.has(coupon) ? accept(pay(coupon)) : refuse({ code: 'signature_wrong' as const, detail });
  }
}

const routes = [{ match: 'GET /call', service: 'call', priceSats: 1 }];

function openShop() {
  const node = startEmbedded();
  const shop = { routes };
  const schemes = [...schemesOf(shop), createCouponScheme(new Set(['spring', 'summer']))];
  const door = openGateway(shop, { parts: { lightning: node, schemes } });
  const ask = (authorization?: string) => door.ask('/call', authorization === undefined ? {} : { headers: { authorization } });
  return { door, ask };
}

describe('a second way to pay', () => {
  it('sells calls by its own credential, as often as it says and no more, under the same claims', async () => {
    const { door, ask } = openShop();
    for (let call = 0; call < COUPON_CALLS; call++) expect((await ask('Coupon spring')).status).toBe(200);
    const spent = await ask('Coupon spring');
    expect([spent.status, await codeOf(spent)]).toEqual([402, 'payment_spent']);
    const races = await Promise.all(Array.from({ length: 10 }, () => ask('Coupon summer')));
    expect(races.filter(({ status }) => status === 200)).toHaveLength(COUPON_CALLS);
    expect(door.seen).toHaveLength(2 * COUPON_CALLS);
  });

  it('stands beside the first in the challenge, which still has one invoice and one token', async () => {
    const { ask } = openShop();
    for (const authorization of [undefined, 'Coupon winter']) {
      const challenge = (await ask(authorization)).headers.get('www-authenticate') ?? '';
      expect(challenge).toMatch(/^L402 macaroon="[^"]+", invoice="lnbcrt[^"]+", version="0", token="[^"]+", Coupon realm="shop"$/);
    }
  });

  it('takes nothing away from the first', async () => {
    const { ask } = openShop();
    const { authorization } = await makeToken({ service: 'call' });
    expect((await ask(authorization)).status).toBe(200);
    expect(await codeOf(await ask(authorization))).toBe('payment_spent');
    const { authorization: other } = await makeToken({ service: 'call' });
    expect((await ask(`${other}, Basic eDp5`)).status).toBe(200);
  });

  it('is told apart by its word for what is wrong', async () => {
    expect(await codeOf(await openShop().ask('Coupon winter'))).toBe('signature_wrong');
  });
});
