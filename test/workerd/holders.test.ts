/*
 * Those who hold a narrowed token, and those who share its payment: what one of them does is no matter of the others.
 */
import { reset } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { formatHex } from '#protocol/bytes.ts';
import { msat } from '#protocol/msat.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, openGateway } from './front-door.ts';

const START_MS = Date.now();
beforeEach(async () => {
  await reset();
  vi.setSystemTime(START_MS);
});
afterEach(() => void vi.useRealTimers());

const CALLS = 10_000;
const routes = [{ match: '/api/*', service: 'api', priceSats: 100_000, access: { calls: CALLS } }];

/** A payment, a gateway whose origin refuses whoever brings a key of its own, and tokens narrowed to so many calls. */
async function open() {
  const origin = ({ headers }: Request) => Promise.resolve(new Response('', { status: headers.has('authorization') ? 401 : 200 }));
  const door = openGateway({ routes }, { parts: { origin, lightning: startEmbedded() } });
  const { token, preimage } = await makeToken({
    service: 'api',
    terms: {
      access: { kind: 'calls', calls: CALLS },
      paidMsat: msat(100_000_000n),
      validUntilSeconds: Math.floor(START_MS / 1000) + 86_400 * 30,
    },
  });
  const ask = async (presented: string, key = '') => {
    const authorization = `L402 ${presented}:${formatHex(preimage)}${key}`;
    const response = await door.ask('/api/x', { headers: { authorization } });
    return (await codeOf(response.clone())) ?? response.status;
  };
  const narrow = (parent: string, maxCalls = 1) => attenuate(parent, { maxCalls });
  return { token, ask, narrow, fail: (presented: string) => ask(presented, ', Bearer wrong') };
}

describe('a holder whose calls are given back', () => {
  it('M12: waits longer each time, while the payer and other holders go on', async () => {
    const { token, ask, narrow, fail } = await open();
    const [child, sibling] = [await narrow(token), await narrow(token, 50)];
    for (let call = 0; call < 3; call++) expect(await fail(child)).toBe(401);
    for (const waitMs of [10_000, 20_000, 40_000]) {
      expect(await fail(child)).toBe('payment_cooling');
      expect([await ask(token), await ask(sibling)]).toEqual([200, 200]);
      vi.setSystemTime(Date.now() + waitMs - 1);
      expect(await fail(child)).toBe('payment_cooling');
      vi.setSystemTime(Date.now() + 1001);
      expect(await fail(child)).toBe(401);
    }
    vi.setSystemTime(Date.now() + 80_000);
    expect(await ask(child)).toBe(200);
  });

  it('M12: is one with all to whom it hands its token on, narrowed again or not', async () => {
    const { token, ask, narrow, fail } = await open();
    const child = await narrow(token, 50);
    for (let call = 0; call < 3; call++) await fail(await narrow(child, 5));
    expect([await ask(await narrow(child, 5)), await ask(child), await ask(token)]).toEqual(['payment_cooling', 'payment_cooling', 200]);
  });

  it('M12: is no way round the cooling for a payer that makes up holders: where many fail, the payment waits', async () => {
    const { token, narrow, fail } = await open();
    let reached = 0;
    for (let call = 0; call < 200; call++) if ((await fail(await narrow(token))) === 401) reached += 1;
    expect(reached).toBeLessThan(20);
  });

  it('M12: alone makes itself wait where others failed long ago', async () => {
    const { token, ask, narrow, fail } = await open();
    for (let holder = 0; holder < 8; holder++) expect(await fail(await narrow(token))).toBe(401);
    vi.setSystemTime(Date.now() + 300_000);
    const [child, sibling] = [await narrow(token), await narrow(token, 50)];
    for (let call = 0; call < 3; call++) expect(await fail(child)).toBe(401);
    expect([await ask(child), await ask(token), await ask(sibling)]).toEqual(['payment_cooling', 200, 200]);
  });

  it('M12: has none in a row once one was counted', async () => {
    const { token, ask, narrow, fail } = await open();
    const child = await narrow(token, 50);
    for (let round = 0; round < 4; round++) expect([await fail(child), await fail(child), await ask(child)]).toEqual([401, 401, 200]);
  });

  it('M12: waits with the payer, whose own calls were given back', async () => {
    const { token, ask, narrow, fail } = await open();
    const child = await narrow(token, 50);
    for (let call = 0; call < 3; call++) await fail(token);
    expect([await ask(token), await ask(child)]).toEqual(['payment_cooling', 'payment_cooling']);
  });
});

describe('a holder that narrows its token over and over', () => {
  it('M6: leaves room for the counters of those whom the payer gives a token later', async () => {
    const { token, ask, narrow } = await open();
    const child = await narrow(token, 1000);
    let last: string | number = 200;
    for (let call = 0; call < 600 && last === 200; call++) last = await ask(await narrow(child));
    expect(last).toBe('caveat_exhausted');
    expect(await ask(await narrow(token))).toBe(200);
    // Its own calls go on.
    expect(await ask(child)).toBe(200);
  });
});
