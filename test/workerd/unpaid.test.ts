/*
 * Those who have not paid, through the front door over real objects: what they may have, and that they are in nobody's way.
 */
import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { createConcurrency } from '#gateway/policy/concurrency.ts';
import { type Gateway } from '#src/config/config.ts';
import { deadNode, openPolicies } from '#support/fakes.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, from, openGateway, type DoorOptions } from './front-door.ts';

beforeEach(() => reset());

const CHALLENGES = { perMinute: 5, open: 5, overQuota: 'refuse' } as const;

function openShop(gateway: Partial<Gateway> = {}, options: DoorOptions = {}) {
  const lightning = startEmbedded();
  let minted = 0;
  const counting = { ...lightning, mint: (order: Parameters<typeof lightning.mint>[0]) => ((minted += 1), lightning.mint(order)) };
  const shop: Gateway = {
    policy: { challenges: CHALLENGES },
    ...gateway,
    routes: gateway.routes ?? [{ match: '/once/*', service: 'once', priceSats: 1 }],
  };
  const door = openGateway(shop, { ...options, parts: { lightning: counting, ...options.parts } });
  const ask = async (clientIp: string, headers: Readonly<Record<string, string>> = {}, path = '/once/a') => {
    const response = await door.ask(path, from(clientIp, headers));
    return { status: response.status, code: await codeOf(response.clone()), response };
  };
  return { door, ask, pay: lightning.pay, minted: () => minted };
}
const statuses = (answers: readonly { readonly status: number }[]) => answers.map(({ status }) => status);

describe('the quota of those who have not paid', () => {
  it('M17 D21: gives so many invoices, then 429 with Retry-After and what is left, and no invoice', async () => {
    const { ask, minted } = openShop();
    const answers = [];
    for (let call = 0; call < 7; call++) answers.push(await ask('192.0.2.1'));
    expect(statuses(answers)).toEqual([402, 402, 402, 402, 402, 429, 429]);
    expect(minted()).toBe(5);
    const { headers } = answers[5]!.response;
    expect(answers[5]!.code).toBe('quota_exceeded');
    expect([headers.get('ratelimit-policy'), headers.get('www-authenticate')]).toEqual(['"challenges";q=5;w=60', null]);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answers[0]!.response.headers.get('ratelimit')).toMatch(/^"challenges";r=4;t=[0-9]+$/);
    expect((await ask('192.0.2.2')).status).toBe(402);
  });

  it('M20: is not multiplied by another query, path, method or address of the same /64', async () => {
    const { door } = openShop({ routes: [{ match: '/*', service: 'once', priceSats: 1 }] });
    const asked = [
      ...['?a=1', '?a=2'].map((query) => ['/once/a', query, 'GET', '2001:db8:1:1::1'] as const),
      ...['/once/b', '/ONCE/b', '/once/b/'].map((path) => [path, '', 'POST', '2001:db8:1:1::2'] as const),
      ...['/c', '/d'].map((path, index) => [path, '', 'DELETE', `2001:db8:1:1:${index}::3`] as const),
    ];
    const answers = [];
    for (const [path, query, method, address] of asked)
      answers.push(await door.ask(`${path}${query}`, { ...from(`[${address}]`), method }));
    expect(statuses(answers)).toEqual([402, 402, 402, 402, 402, 429, 429]);
  });

  it('M21: is that of the socket, whatever addresses a client writes into its headers', async () => {
    const { ask } = openShop();
    const forged = (index: number) => ({
      'cf-connecting-ip': `203.0.113.${index}`,
      'x-forwarded-for': `203.0.113.${index}`,
      'x-real-ip': '1.1.1.1',
    });
    const answers = [];
    for (let index = 0; index < 20; index++) answers.push(await ask('192.0.2.1', forged(index)));
    expect(statuses(answers).filter((status) => status === 402)).toHaveLength(5);
  });

  it('M21: is that of the hop that a proxy of the seller saw, where the seller says so', async () => {
    const { ask } = openShop({ clientAddress: { trustedHops: 1 } });
    const via = (written: string) => ask('10.0.0.1', { 'x-forwarded-for': written });
    const answers = [];
    for (let index = 0; index < 6; index++) answers.push(await via(`198.51.100.${index}, 192.0.2.1`));
    expect(statuses(answers)).toEqual([402, 402, 402, 402, 402, 429]);
    expect((await via('192.0.2.1, 192.0.2.2')).status).toBe(402);
  });

  it('never stops one who pays for each: what was paid and used counts no longer', async () => {
    const { door, pay, ask } = openShop();
    const client = from('192.0.2.1');
    for (let call = 0; call < 15; call++) {
      const authorization = await buy({ ...door, ask: (path) => door.ask(path, client) }, '/once/a', pay);
      expect((await ask('192.0.2.1', { authorization })).status).toBe(200);
    }
  });

  it('is not used up by a node that is down, but for the minute', async () => {
    const { ask } = openShop({}, { parts: { lightning: deadNode } });
    const answers = [];
    for (let call = 0; call < 6; call++) answers.push(await ask('192.0.2.1'));
    expect(answers.map(({ code }) => code)).toEqual([...Array.from({ length: 5 }, () => 'node_unavailable'), 'quota_exceeded']);
    // A minute, and not the ten in which an invoice could be paid.
    expect(Number(answers[5]!.response.headers.get('retry-after'))).toBeLessThanOrEqual(60);
  });
});

describe('free calls', () => {
  const freeCalls = { calls: 2, seconds: 3600, total: 1600 };
  const routes: Gateway['routes'] = [
    { match: '/once/*', service: 'once', priceSats: 1 },
    { match: '/sold/*', service: 'sold', priceSats: 1, policy: { freeCalls: false } },
  ];

  it('M20: are given before the first payment, so many a client, and told; then comes the 402', async () => {
    const { ask, door, minted } = openShop({ routes, policy: { challenges: CHALLENGES, freeCalls } });
    const answers = [];
    for (let call = 0; call < 3; call++) answers.push(await ask('192.0.2.1'));
    expect(answers.map(({ status, response }) => [status, response.headers.get('ratelimit')?.replace(/t=[0-9]+/, 't')])).toEqual([
      [200, '"free";r=1;t'],
      [200, '"free";r=0;t'],
      [402, '"challenges";r=4;t'],
    ]);
    expect([door.seen.length, minted()]).toEqual([2, 1]);
    expect((await ask('192.0.2.2')).status).toBe(200);
    expect((await ask('192.0.2.2', {}, '/sold/a')).status).toBe(402);
  });

  it('ask nobody for the price', async () => {
    let asked = 0;
    const price = () => BigInt(1000 + asked++);
    const { ask } = openShop({
      routes: [{ match: '/once/*', price, minSats: 1, maxSats: 9 }],
      policy: { challenges: CHALLENGES, freeCalls },
    });
    expect(statuses([await ask('192.0.2.1'), await ask('192.0.2.1')])).toEqual([200, 200]);
    expect(asked).toBe(0);
    expect([(await ask('192.0.2.1')).status, asked]).toEqual([402, 1]);
  });
});

describe('a price that has to be asked for', () => {
  it('is asked for nobody who is over quota, and for no token that is not ours', async () => {
    let asked = 0;
    const price = () => BigInt(1000 + asked++);
    const { ask } = openShop({
      routes: [{ match: '/once/*', price, minSats: 1, maxSats: 9 }],
      policy: { challenges: { perMinute: 3, open: 3 } },
    });
    const { authorization } = await makeToken({ service: 'once', secret: new Uint8Array(32).fill(1) });
    const answers = [];
    for (let call = 0; call < 20; call++) answers.push(await ask('192.0.2.1', call % 2 === 0 ? {} : { authorization }));
    expect(statuses(answers).filter((status) => status === 402)).toHaveLength(3);
    expect(asked).toBe(3);
  });
});

describe('one who has paid', () => {
  it('M22: is not locked out by garbage from the same address, nor by what others do to the quota', async () => {
    const { ask } = openShop();
    const garbage = ['', 'L402 garbage', `L402 ${'A'.repeat(60)}:${'00'.repeat(32)}`];
    for (let call = 0; call < 60; call++) await ask('192.0.2.1', { authorization: garbage[call % 3]! });
    expect((await ask('192.0.2.1')).status).toBe(429);
    for (let call = 0; call < 10; call++) {
      const { authorization } = await makeToken({ service: 'once' });
      expect((await ask('192.0.2.1', { authorization })).status).toBe(200);
    }
  });

  it("M22: does not find a route's limit used up by replays of payments that are spent", async () => {
    const routes: Gateway['routes'] = [{ match: '/once/*', service: 'once', priceSats: 1, policy: { rate: { calls: 3, seconds: 3600 } } }];
    const { ask } = openShop({ routes });
    const spent = await makeToken({ service: 'once' });
    for (let call = 0; call < 20; call++) await ask('192.0.2.1', { authorization: spent.authorization });
    const codes = [];
    const last = await makeToken({ service: 'once' });
    for (const { authorization } of [await makeToken({ service: 'once' }), await makeToken({ service: 'once' }), last]) {
      codes.push((await ask('192.0.2.2', { authorization })).code);
    }
    expect(codes).toEqual([undefined, undefined, 'rate_limited']);
    // Held back by us and never sent: it is good still, and does not cool down however often that happens.
    for (let call = 0; call < 5; call++) {
      const { code, response } = await ask('192.0.2.2', { authorization: last.authorization });
      expect([code, response.headers.get('l402-remaining')]).toEqual(['rate_limited', '1']);
    }
  });

  it('M22: does not find the limit of all who have not paid in the way', async () => {
    const rate = { calls: 2, seconds: 3600 };
    const routes: Gateway['routes'] = [
      { match: 'GET /free', free: true },
      { match: '/once/*', service: 'once', priceSats: 1 },
    ];
    const { ask } = openShop({ routes, policy: { challenges: CHALLENGES, rate } });
    const answers = [
      await ask('192.0.2.1', {}, '/free'),
      await ask('192.0.2.2'),
      await ask('192.0.2.3'),
      await ask('192.0.2.4', {}, '/free'),
    ];
    expect(answers.map(({ status, code }) => [status, code])).toEqual([
      [200, undefined],
      [402, 'payment_required'],
      [429, 'rate_limited'],
      [429, 'rate_limited'],
    ]);
    const { authorization } = await makeToken({ service: 'once' });
    expect((await ask('192.0.2.1', { authorization })).status).toBe(200);
  });
});

describe('places at the origin', () => {
  it('D25: are waited for, then it is 503, and the payment is as good as before', async () => {
    const arrivals = [Promise.withResolvers<() => void>(), Promise.withResolvers<() => void>()];
    let arrived = 0;
    const origin = () => new Promise<Response>((resolve) => arrivals[arrived++]!.resolve(() => resolve(new Response('done'))));
    const waiting = Promise.withResolvers<() => void>();
    const wait = (ms: number) => new Promise<void>((resolve) => void (ms === 5000 && waiting.resolve(resolve)));
    const places = createConcurrency({ most: 1, mostWaiting: 9, waitMs: 5000, placeMs: 60_000, clock: () => Date.now(), wait });
    const policy = { challenges: CHALLENGES, concurrency: { most: 1 } };
    const { ask } = openShop({ policy }, { parts: { ...openPolicies(), origin, places } });
    const [one, two] = [await makeToken({ service: 'once' }), await makeToken({ service: 'once' })];
    const first = ask('192.0.2.1', { authorization: one.authorization });
    const answerFirst = await arrivals[0]!.promise;
    const second = ask('192.0.2.2', { authorization: two.authorization });
    (await waiting.promise)();
    const busy = await second;
    expect([busy.status, busy.code, busy.response.headers.get('l402-remaining')]).toEqual([503, 'origin_busy', '1']);
    answerFirst();
    expect((await first).status).toBe(200);
    const again = ask('192.0.2.2', { authorization: two.authorization });
    (await arrivals[1]!.promise)();
    expect((await again).status).toBe(200);
  });
});
