/*
 * What a verified token is good for: the amount that covers a quote is the one it was sold for, or less (M1, M5).
 */
import { describe, expect, it } from 'vitest';
import { encodeAscii } from '#protocol/bytes.ts';
import { addCaveat } from '#protocol/macaroon.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { msat } from '#protocol/msat.ts';
import { createVerifiedTokens } from '#schemes/l402/verified-tokens.ts';
import { createKeyRing } from '#schemes/l402/key-ring.ts';
import { proveCredential } from '#schemes/l402/credentials.ts';
import { judgeToken } from '#schemes/l402/judge.ts';
import { type Quote } from '#schemes/scheme.ts';
import { hmac, makeToken, TOKEN_SECRET } from '#support/tokens.ts';

const SOLD = '5a'.repeat(16);
const OTHER = 'a5'.repeat(16);

const keys = createKeyRing({
  secrets: new Map([[1, TOKEN_SECRET]]),
  currentKeyId: 1,
  epochHours: 168,
  graceHours: 72,
  skewSeconds: 30,
  hmac,
  clock: () => Date.now(),
});

/** Whether a token that was sold at 10,000 msat, with these caveats of a holder, is taken for a quote. */
async function judge(quote: Pick<Quote, 'priceMsat' | 'digest'>, held: readonly string[] = []): Promise<string> {
  const { token, preimage } = await makeToken({ service: 'paper', terms: { paidMsat: msat(10_000n), quoteDigest: SOLD } });
  const parsed = parseToken(token);
  if (!parsed.ok) throw new Error(parsed.refusal.code);
  let macaroon = parsed.value;
  for (const text of held) macaroon = await addCaveat(macaroon, { caveat: encodeAscii(text), hmac });
  const asked: Quote = {
    match: 'GET /paper',
    service: 'paper',
    tier: 0,
    capabilities: [],
    description: 'paper',
    sells: { access: { kind: 'call' }, amountMsat: quote.priceMsat },
    ...quote,
  };
  const request = { method: 'GET', host: 'gateway.test', path: '/paper' };
  const context = { nowSeconds: Date.now() / 1000, skewSeconds: 30, invoiceExpirySeconds: 600, request, clientAddress: () => undefined };
  const proved = await proveCredential({ macaroon, preimage }, { keys, hmac, verified: createVerifiedTokens() });
  if (!proved.ok) return proved.refusal.code;
  const grant = await judgeToken(proved.value, asked, context);
  return grant.ok ? 'granted' : grant.refusal.code;
}

describe('M5 a token', () => {
  it('is honoured for what it was sold for, whatever that costs now', async () => {
    expect(await judge({ priceMsat: msat(10_001n), digest: SOLD })).toBe('granted');
    expect(await judge({ priceMsat: msat(1_000_000n), digest: SOLD })).toBe('granted');
  });

  it('covers something else up to the amount that was paid', async () => {
    expect(await judge({ priceMsat: msat(10_000n), digest: OTHER })).toBe('granted');
    expect(await judge({ priceMsat: msat(10_001n), digest: OTHER })).toBe('payment_too_small');
  });

  it.each([
    ['once', ['paid_msat=9999']],
    ['more than once', ['paid_msat=9999', 'paid_msat=9999']],
    ['to nothing', ['paid_msat=0']],
  ])('M1: covers less when someone who held it has said so %s, and still what it was sold for', async (_, held) => {
    expect(await judge({ priceMsat: msat(10_000n), digest: OTHER }, held)).toBe('payment_too_small');
    expect(await judge({ priceMsat: msat(10_000n), digest: SOLD }, held)).toBe('granted');
  });

  it.each(['paid_msat=10001', 'paid_msat=99999999999', 'paid_msat=-1', 'paid_msat='])(
    'M1: covers no more, and nothing at all, with a %s of a holder',
    async (text) => {
      expect(await judge({ priceMsat: msat(10_001n), digest: OTHER }, [text])).toMatch(/^caveat_(widens|malformed)$/);
      expect(await judge({ priceMsat: msat(1n), digest: SOLD }, [text])).toMatch(/^caveat_(widens|malformed)$/);
    },
  );
});
