/*
 * What one payment buys, through the front door over real objects: calls, passes, balances, and what their holders make
 * of them. Counted at the origin.
 */
import { reset } from 'cloudflare:test';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { sha256 } from '@noble/hashes/sha2.js';
import { formatHex } from '#protocol/bytes.ts';
import { nameClaim } from '#schemes/l402/token-reading.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { attenuate } from '../../client/attenuate.ts';
import { defineGateway } from '#src/config/config.ts';
import { msat } from '#protocol/msat.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, openGateway } from './front-door.ts';

const SECONDS_NOW = Math.floor(Date.now() / 1000);

function startOfNextMonth(nowMs: number): number {
  const today = new Date(nowMs);
  return Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + 1, 1);
}

// Objects whose clock has been ahead remember what they have forgotten.
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

const shop = defineGateway({
  graceHours: 24 * 40,
  routes: [
    { match: 'GET /pack/*', service: 'pack', priceSats: 100, access: { calls: 3 } },
    { match: 'GET /bulk/*', service: 'bulk', priceSats: 1000, access: { calls: 100 } },
    { match: 'GET /pass/*', service: 'pass', priceSats: 50, access: { seconds: 3600 } },
    { match: 'GET /month/*', service: 'month', priceSats: 50, access: { calls: 2, seconds: 30 * 86_400 } },
    { match: 'GET /cheap', service: 'purse', priceSats: 10, access: { creditSats: 100 } },
    { match: 'GET /dear', service: 'purse', priceSats: 45, access: { creditSats: 100 } },
    { match: 'GET /tier/low', service: 'tiered', priceSats: 1, access: { seconds: 60 } },
    { match: 'GET /tier/high', service: 'tiered', tier: 1, priceSats: 9, access: { seconds: 60 } },
    { match: 'GET /once', service: 'once', priceSats: 1 },
    { match: 'GET /notes', service: 'notes', priceSats: 1, access: { calls: 9 } },
    { match: 'PUT /notes', service: 'notes', priceSats: 1, access: { calls: 9 }, capabilities: ['write'] },
  ],
});

function openShop(parts: Parameters<typeof openGateway>[1] = {}) {
  const lightning = startEmbedded();
  const door = openGateway(shop, { ...parts, parts: { lightning, ...parts.parts } });
  const ask = async (path: string, authorization?: string) => {
    const response = await door.ask(path, authorization === undefined ? {} : { headers: { authorization } });
    const { status, headers } = response;
    return {
      status,
      code: await codeOf(response.clone()),
      left: headers.get('l402-remaining') ?? headers.get('l402-remaining-msat'),
      response,
    };
  };
  return { door, ask, buy: (path: string) => buy(door, path, lightning.pay) };
}

/** The same payment through a token that its holder has narrowed. */
async function narrow(authorization: string, ...caveats: Parameters<typeof attenuate>[1][]): Promise<string> {
  const [, token, preimageHex] = /^L402 (.+):(.+)$/.exec(authorization)!;
  let narrowed = token!;
  for (const caveat of caveats) narrowed = await attenuate(narrowed, caveat);
  const preimage = Uint8Array.from(preimageHex!.match(/../g)!, (byte) => Number.parseInt(byte, 16));
  return formatCredential({ scheme: 'L402', token: narrowed, preimage });
}

describe('access by calls', () => {
  it('P12: a payment for three calls buys three, over every path of the service, and tells what is left', async () => {
    const { ask, buy: purchase, door } = openShop();
    const authorization = await purchase('/pack/a');
    for (const [path, left] of [
      ['/pack/a', '2'],
      ['/pack/b', '1'],
      ['/pack/c', '0'],
    ] as const) {
      expect(await ask(path, authorization)).toMatchObject({ status: 200, left });
    }
    const after = await ask('/pack/d', authorization);
    expect(after).toMatchObject({ status: 402, code: 'payment_spent' });
    expect(await after.response.json()).toMatchObject({ remaining: 0, price_sats: 100, buys: '3 calls' });
    expect(door.seen).toHaveLength(3);
  });

  it('P20: a token works on a second path of its service without another payment', async () => {
    const { ask, buy: purchase } = openShop();
    const authorization = await purchase('/bulk/one');
    expect((await ask('/bulk/one', authorization)).status).toBe(200);
    expect((await ask('/bulk/two', authorization)).status).toBe(200);
  });

  it('M16: gives each call of a payment a name of its own, and a single call always the same', async () => {
    const names: (string | null)[] = [];
    const origin = ({ headers }: Request) => {
      names.push(headers.get('idempotency-key'));
      return Promise.resolve(new Response('busy', { status: names.length === 3 ? 503 : 200 }));
    };
    const { ask, buy: purchase } = openShop({ parts: { origin } });
    const pack = await purchase('/pack/a');
    await ask('/pack/a', pack);
    await ask('/pack/a', pack);
    const once = await purchase('/once');
    expect(await ask('/once', once)).toMatchObject({ status: 503, left: '1' });
    await ask('/once', once);
    expect(new Set(names.slice(0, 2)).size).toBe(2);
    expect(names[2]).toBe(names[3]);
  });

  it('M16: gives a single call a key that nobody can have sent before who knows its payment hash, whichever token shows it', async () => {
    const keys: (string | null)[] = [];
    const origin = ({ headers }: Request) => {
      keys.push(headers.get('idempotency-key'), headers.get('x-l402-claim'));
      return Promise.resolve(new Response('busy', { status: 503 }));
    };
    const { ask } = openShop({ parts: { origin } });
    const { token, preimage } = await makeToken({ service: 'once' });
    for (const presented of [token, await attenuate(token, { maxCalls: 1 })])
      await ask('/once', `L402 ${presented}:${formatHex(preimage)}`);
    const [key, claim, narrowedKey] = keys;
    expect(claim).toBe(nameClaim(sha256(preimage)));
    expect([key === claim, key?.length, narrowedKey]).toEqual([false, 32, key]);
  });

  it('M15 P12: of 60 simultaneous uses of a payment for three calls, three reach the origin', async () => {
    const { ask, buy: purchase, door } = openShop();
    const authorization = await purchase('/pack/race');
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask('/pack/race', authorization)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    expect(door.seen).toHaveLength(3);
  });
});

describe('access by time', () => {
  it('P2: a pass is verified without any object and any number of times, until it ends', async () => {
    const reserve = () => Promise.reject(new Error('storage is offline'));
    const { ask, buy: purchase } = openShop({ parts: { claims: { reserve } } });
    const authorization = await purchase('/pass/a');
    for (let calls = 0; calls < 5; calls++) expect(await ask(`/pass/${calls}`, authorization)).toMatchObject({ status: 200, left: null });
    // A margin of half a minute for clocks that differ, then it is over.
    const late = await makeToken({ service: 'pass', terms: { access: { kind: 'pass' }, validUntilSeconds: SECONDS_NOW - 20 } });
    expect((await ask('/pass/late', late.authorization)).status).toBe(200);
    const over = await makeToken({ service: 'pass', terms: { access: { kind: 'pass' }, validUntilSeconds: SECONDS_NOW - 31 } });
    expect(await ask('/pass/late', over.authorization)).toMatchObject({ status: 402, code: 'token_expired' });
  });

  it('M8: the end of a pass is fixed at the challenge: the end of the invoice and the time that was sold', async () => {
    const { ask } = openShop();
    const offer = await (await ask('/pass/a')).response.json<{ invoice_expires_at: string; token_expires_at: string; buys: string }>();
    expect((Date.parse(offer.token_expires_at) - Date.parse(offer.invoice_expires_at)) / 1000).toBe(3600);
    expect(offer.buys).toBe('any number of calls within 3600 seconds');
  });

  it('M7: a pass with a counter is a counted token', async () => {
    const { ask, buy: purchase, door } = openShop();
    const authorization = await narrow(await purchase('/pass/a'), { maxCalls: 2 });
    expect(await ask('/pass/a', authorization)).toMatchObject({ status: 200, left: '1' });
    expect(await ask('/pass/a', authorization)).toMatchObject({ status: 200, left: '0' });
    expect(await ask('/pass/a', authorization)).toMatchObject({ status: 402, code: 'caveat_exhausted' });
    expect(door.seen).toHaveLength(2);
  });

  it('P12: calls and time together end with whichever comes first', async () => {
    const { ask, buy: purchase } = openShop();
    const used = await purchase('/month/a');
    for (let calls = 0; calls < 2; calls++) expect((await ask('/month/a', used)).status).toBe(200);
    expect(await ask('/month/a', used)).toMatchObject({ code: 'payment_spent' });
    const access = { kind: 'calls', calls: 2 } as const;
    const kept = await makeToken({ service: 'month', terms: { access, validUntilSeconds: SECONDS_NOW - 31 } });
    expect(await ask('/month/a', kept.authorization)).toMatchObject({ code: 'token_expired' });
  });
});

describe('access by balance', () => {
  it('P12: each route draws its own price, and what is not enough for one may do for another', async () => {
    const { ask, buy: purchase, door } = openShop();
    const authorization = await purchase('/dear');
    expect(await ask('/dear', authorization)).toMatchObject({ status: 200, left: '55000' });
    expect(await ask('/dear', authorization)).toMatchObject({ status: 200, left: '10000' });
    const short = await ask('/dear', authorization);
    expect(short).toMatchObject({ status: 402, code: 'payment_spent' });
    expect(await short.response.json()).toMatchObject({ remaining_msat: 10_000, price_sats: 100 });
    expect(await ask('/cheap', authorization)).toMatchObject({ status: 200, left: '0' });
    expect(door.seen).toEqual(['/dear', '/dear', '/cheap']);
  });

  it('P6: a limit of msat a month is enforced, and starts anew with the next month', async () => {
    let nowMs = SECONDS_NOW * 1000;
    const { ask, door } = openShop({ parts: { clock: () => nowMs } });
    const terms = { access: { kind: 'credit', creditMsat: msat(100_000n) }, validUntilSeconds: SECONDS_NOW + 40 * 86_400 } as const;
    const authorization = await narrow((await makeToken({ service: 'purse', terms })).authorization, { maxMsatPerMonth: 20_000n });
    expect(await ask('/cheap', authorization)).toMatchObject({ status: 200, left: '10000' });
    expect(await ask('/cheap', authorization)).toMatchObject({ status: 200, left: '0' });
    expect(await ask('/cheap', authorization)).toMatchObject({ code: 'caveat_exhausted' });
    expect(door.seen).toHaveLength(2);
    nowMs = startOfNextMonth(nowMs);
    // The object has a clock of its own.
    vi.spyOn(Date, 'now').mockReturnValue(nowMs);
    expect(await ask('/cheap', authorization)).toMatchObject({ status: 200, left: '10000' });
  });

  it('M33: a limit a month starts anew once, though gateways disagree about the month', async () => {
    const nextMonthMs = startOfNextMonth(SECONDS_NOW * 1000);
    let objectMs = SECONDS_NOW * 1000;
    // No isolate remembers a refusal from one round to the next.
    let passedMs = 0;
    vi.spyOn(Date, 'now').mockImplementation(() => objectMs);
    const behind = openShop({ parts: { clock: () => SECONDS_NOW * 1000 + passedMs } });
    const ahead = openShop({ parts: { clock: () => nextMonthMs + passedMs } });
    const terms = { access: { kind: 'credit', creditMsat: msat(100_000n) }, validUntilSeconds: SECONDS_NOW + 40 * 86_400 } as const;
    const authorization = await narrow((await makeToken({ service: 'purse', terms })).authorization, { maxMsatPerMonth: 20_000n });
    const spend = async () => {
      let calls = 0;
      passedMs += 2000;
      for (const { ask } of [ahead, behind, ahead, behind]) if ((await ask('/cheap', authorization)).status === 200) calls += 1;
      return calls;
    };
    expect(await spend()).toBe(2);
    objectMs = nextMonthMs;
    expect(await spend()).toBe(2);
    objectMs = SECONDS_NOW * 1000;
    expect(await spend()).toBe(0);
  });
});

describe('tokens that are handed on', () => {
  it('M7 P9: two children narrowed with the same text to 10 of 100 calls, 40 requests racing on each: 10 pass on each, and the parent has 80', async () => {
    const { ask, buy: purchase, door } = openShop();
    const parent = await purchase('/bulk/parent');
    const children = [await narrow(parent, { maxCalls: 10 }), await narrow(parent, { maxCalls: 10 })];
    expect(children[0]).not.toBe(children[1]);
    await Promise.all(children.flatMap((child, index) => Array.from({ length: 40 }, () => ask(`/bulk/child-${index}`, child))));
    for (const index of [0, 1]) expect(door.seen.filter((path) => path === `/bulk/child-${index}`)).toHaveLength(10);
    expect(await ask('/bulk/parent', parent)).toMatchObject({ status: 200, left: '79' });
  });

  it('P9: a narrowed token passes in scope and is refused out of scope, and the parent is not touched by that', async () => {
    const { ask, buy: purchase } = openShop();
    const parent = await purchase('/bulk/parent');
    const child = await narrow(parent, { pathPrefix: '/bulk/reports' });
    expect((await ask('/bulk/reports/1', child)).status).toBe(200);
    expect(await ask('/bulk/other', child)).toMatchObject({ status: 402, code: 'caveat_path' });
    expect(await ask('/bulk/other', parent)).toMatchObject({ status: 200, left: '98' });
  });

  it('M7: all counters of a chain move together, and the grandchild stops at the narrower', async () => {
    const { ask, buy: purchase } = openShop();
    const child = await narrow(await purchase('/bulk/parent'), { maxCalls: 2 });
    const grandchild = await narrow(child, { maxCalls: 2 });
    expect(await ask('/bulk/x', grandchild)).toMatchObject({ status: 200, left: '1' });
    expect(await ask('/bulk/x', child)).toMatchObject({ status: 200, left: '0' });
    expect(await ask('/bulk/x', grandchild)).toMatchObject({ code: 'caveat_exhausted' });
  });
});

describe('tiers', () => {
  it('P4: the holder of a lower tier gets the challenge of the upgrade; a higher tier is good for the lower', async () => {
    const { ask, buy: purchase } = openShop();
    const refused = await ask('/tier/high', await purchase('/tier/low'));
    expect(refused).toMatchObject({ status: 402, code: 'tier_too_low' });
    expect(await refused.response.json()).toMatchObject({ price_sats: 9 });
    expect((await ask('/tier/low', await purchase('/tier/high'))).status).toBe(200);
  });
});

describe('capabilities', () => {
  const use = async (door: ReturnType<typeof openShop>['door'], method: string, authorization: string) => {
    const response = await door.ask('/notes', { method, headers: { authorization } });
    return (await codeOf(response.clone())) ?? response.status;
  };

  it('M46: a token that was sold without any enters no route that needs one, whatever its holder wrote on it', async () => {
    const { door, buy: purchase } = openShop();
    const sold = await purchase('/notes');
    const written = await narrow(sold, ['notes_capabilities=write']);
    for (const authorization of [sold, written]) expect(await use(door, 'PUT', authorization)).toBe('capability_missing');
    expect([await use(door, 'GET', sold), await use(door, 'GET', written)]).toEqual([200, 200]);
  });

  it('M46: a token that was sold with one enters both, and its holder can give it up', async () => {
    const { door } = openShop();
    const terms = { access: { kind: 'calls', calls: 9 }, capabilities: ['write'] } as const;
    const { authorization } = await makeToken({ service: 'notes', terms });
    expect([await use(door, 'GET', authorization), await use(door, 'PUT', authorization)]).toEqual([200, 200]);
    const reader = await narrow(authorization, ['notes_capabilities=']);
    expect([await use(door, 'GET', reader), await use(door, 'PUT', reader)]).toEqual([200, 'capability_missing']);
  });
});
