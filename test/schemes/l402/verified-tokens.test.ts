/*
 * Tokens that have been proved once: what is not computed again, and what is judged at every request all the same.
 */
import { describe, expect, it } from 'vitest';
import { type Hmac } from '#protocol/hmac.ts';
import { msat } from '#protocol/msat.ts';
import { createKeyRing } from '#schemes/l402/key-ring.ts';
import { proveCredential, readCredentials } from '#schemes/l402/credentials.ts';
import { judgeToken } from '#schemes/l402/judge.ts';
import { type Quote } from '#schemes/scheme.ts';
import { createVerifiedTokens } from '#schemes/l402/verified-tokens.ts';
import { hmac, makeToken, OTHER_SECRET, TOKEN_SECRET } from '#support/tokens.ts';

const PASS = { access: { kind: 'pass' } } as const;
const quote: Quote = {
  match: 'GET /pass',
  service: 'pass',
  tier: 0,
  capabilities: [],
  description: 'pass',
  priceMsat: msat(1000n),
  digest: '00'.repeat(16),
  sells: { access: PASS.access, amountMsat: msat(1000n) },
};

/** One isolate: a key ring, a clock, and what it has proved. */
function startIsolate({ secrets = [[1, TOKEN_SECRET]] as [number, Uint8Array][], currentKeyId = 1 } = {}) {
  let computed = 0;
  let nowMs = Date.now();
  const counted: Hmac = (key, message) => {
    computed += 1;
    return hmac(key, message);
  };
  const ring = { epochHours: 168, graceHours: 72, skewSeconds: 30, hmac: counted, clock: () => nowMs };
  let keys = createKeyRing({ ...ring, secrets: new Map(secrets), currentKeyId });
  const verified = createVerifiedTokens();
  return {
    get computed() {
      return computed;
    },
    pass: (hours: number) => void (nowMs += hours * 3_600_000),
    retire() {
      keys = createKeyRing({ ...ring, secrets: new Map([[2, OTHER_SECRET]]), currentKeyId: 2 });
    },
    async show(authorization: string, asked = quote): Promise<string> {
      const read = readCredentials({ texts: [authorization.replace('L402 ', '')], metadata: undefined }, { verified }).credentials;
      if (!read.ok) return read.refusal.code;
      const request = { method: 'GET', host: 'gateway.test', path: '/pass' };
      const told = { clientAddress: () => undefined, digestRequest: () => Promise.resolve(undefined) };
      const proved = await proveCredential(read.value[0]!, { keys, hmac: counted, verified });
      if (!proved.ok) return proved.refusal.code;
      const grant = await judgeToken(proved.value, asked, {
        nowSeconds: nowMs / 1000,
        skewSeconds: 30,
        invoiceExpirySeconds: 600,
        request,
        ...told,
      });
      return grant.ok ? 'granted' : grant.refusal.code;
    },
  };
}

describe('a pass that is shown again', () => {
  it('is not proved again', async () => {
    const isolate = startIsolate();
    const { authorization } = await makeToken({ service: 'pass', terms: PASS });
    expect(await isolate.show(authorization)).toBe('granted');
    const { computed } = isolate;
    for (let calls = 0; calls < 10; calls++) expect(await isolate.show(authorization)).toBe('granted');
    expect(isolate.computed).toBe(computed);
  });

  it('is proved anew in any other spelling, and refused with a preimage that is not its own', async () => {
    const isolate = startIsolate();
    const { authorization, token } = await makeToken({ service: 'pass', terms: PASS });
    await isolate.show(authorization);
    const { computed } = isolate;
    expect(await isolate.show(`L402 ${token}:${authorization.slice(-64).toUpperCase()}`)).toBe('granted');
    expect(isolate.computed).toBeGreaterThan(computed);
    expect(await isolate.show(`L402 ${token}:${'00'.repeat(32)}`)).toBe('preimage_wrong');
  });

  it('ends when its time is over, whatever was proved', async () => {
    const isolate = startIsolate();
    const { authorization } = await makeToken({ service: 'pass', terms: PASS });
    expect(await isolate.show(authorization)).toBe('granted');
    isolate.pass(1.5);
    expect(await isolate.show(authorization)).toBe('token_expired');
  });

  it('M8: ends with the grace of its epoch, and with its key', async () => {
    const isolate = startIsolate();
    const validUntilSeconds = Math.floor(Date.now() / 1000) + 400 * 86_400;
    const { authorization } = await makeToken({ service: 'pass', terms: { ...PASS, validUntilSeconds } });
    expect(await isolate.show(authorization)).toBe('granted');
    isolate.pass(168 + 72);
    expect(await isolate.show(authorization)).toBe('token_epoch_out_of_range');
    const other = startIsolate();
    expect(await other.show(authorization)).toBe('granted');
    other.retire();
    expect(await other.show(authorization)).toBe('token_key_unknown');
  });

  it('is judged for what is asked now', async () => {
    const isolate = startIsolate();
    const { authorization } = await makeToken({ service: 'pass', terms: PASS });
    await isolate.show(authorization);
    expect(await isolate.show(authorization, { ...quote, service: 'other' })).toBe('service_wrong');
    expect(await isolate.show(authorization, { ...quote, tier: 1 })).toBe('tier_too_low');
  });
});

it('M6: what is kept is bounded, and a single call is not kept', async () => {
  const verified = createVerifiedTokens();
  const remember = async (text: string, access: 'call' | 'pass') => {
    const credential = { macaroon: {} as never, preimage: new Uint8Array(32) };
    verified.name(credential, text);
    verified.remember(credential, { id: { access } } as never);
  };
  await remember('call', 'call');
  expect(verified.find('call')).toBeUndefined();
  for (let index = 0; index < 3000; index++) await remember(`pass ${index}`, 'pass');
  expect(verified.find('pass 0')).toBeUndefined();
  expect(verified.find('pass 2999')).toBeDefined();
  await remember('x'.repeat(5000), 'pass');
  expect(verified.find('x'.repeat(5000))).toBeUndefined();
});
