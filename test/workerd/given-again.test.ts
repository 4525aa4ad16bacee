/*
 * Challenges that are given again to who has them (M18), and those of clients that have paid before (M19), through the front
 * door, over real objects.
 */
import { reset } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Gateway } from '#src/config/config.ts';
import { makeToken } from '#support/tokens.ts';
import { hashOf, openShop, POOL, startNode } from './challenge-shop.ts';
import { type DoorOptions } from './front-door.ts';

beforeEach(() => reset());
afterEach(() => void vi.useRealTimers());

const QUOTA = { perMinute: 2, open: 2 } as const;

describe.each([
  ['made while somebody waits', { pool: false }],
  ['made beforehand', { pool: POOL }],
] as const)('the same challenge again, of those that are %s', (_, changes) => {
  const open = (gateway: Partial<Gateway> = {}, options: DoorOptions = {}) => {
    // Others have warmed the pool.
    const shop = openShop({ ...changes, policy: { challenges: QUOTA }, ...gateway }, options);
    const fill = async (path = '/once/a') => {
      for (let other = 0; other < 60; other++) await shop.ask(`198.51.100.${other}`, path);
    };
    return { ...shop, fill };
  };

  it('M18: is what a client over its quota gets, byte for byte, and no invoice is made for it', async () => {
    const { ask, fill, made, pay } = open();
    await fill();
    const given = [await ask('192.0.2.1'), await ask('192.0.2.1')];
    const before = { ...made };
    const again = await ask('192.0.2.1');
    expect(again.status).toBe(402);
    expect(given.map(({ token, invoice }) => ({ token, invoice }))).toContainEqual({ token: again.token, invoice: again.invoice });
    expect(made).toEqual(before);
    expect((await ask('192.0.2.1', '/once/b', `L402 ${again.token}:${pay(again.invoice!)}`)).status).toBe(200);
  });

  it('M18: is given to no other client, and for no other route', async () => {
    const { ask, fill } = open();
    await fill();
    const given = new Set([await ask('192.0.2.1'), await ask('192.0.2.1')].map(({ token }) => token));
    expect((await ask('192.0.2.1', '/dear/a')).code).toBe('quota_exceeded');
    const other = [await ask('192.0.2.2'), await ask('192.0.2.2'), await ask('192.0.2.2')];
    expect(other.map(({ status }) => status)).toEqual([402, 402, 402]);
    expect(other.filter(({ token }) => given.has(token))).toEqual([]);
  });

  it('M18: is not given for other terms: a changed price, or another key', async () => {
    const node = startNode();
    const { ask, fill } = open({}, { parts: { lightning: node.lightning } });
    await fill();
    for (let call = 0; call < 2; call++) await ask('192.0.2.1');
    const dearer = open({ routes: [{ match: '/once/*', service: 'once', priceSats: 2 }] });
    expect((await dearer.ask('192.0.2.1')).code).toBe('quota_exceeded');
    const rotated = open({}, { variables: { TOKEN_SECRET_2: 'c2'.repeat(32), TOKEN_KEY_ID: '2' } });
    expect((await rotated.ask('192.0.2.1')).code).toBe('quota_exceeded');
    expect((await ask('192.0.2.1')).status).toBe(402);
  });

  it('M18: is not given with less than a minute of it left', async () => {
    const { ask } = open();
    for (let call = 0; call < 3; call++) expect((await ask('192.0.2.1')).status).toBe(402);
    vi.setSystemTime(Date.now() + 545_000);
    const late = await ask('192.0.2.1');
    expect([late.status, late.code]).toEqual([429, 'quota_exceeded']);
  });

  it('M18: is not given once its payment was shown, now or before, nor when what is shown cannot be read', async () => {
    const { ask, pay, fill } = open();
    await fill();
    const given = [await ask('192.0.2.1'), await ask('192.0.2.1')];
    expect((await ask('192.0.2.1', '/once/a', 'L402 garbage')).status).toBe(429);
    const [first, second] = given as [(typeof given)[0], (typeof given)[0]];
    // Paid, and shown where it is not good: not given back.
    const presented = await ask('192.0.2.1', '/dear/a', `L402 ${first.token}:${pay(first.invoice!)}`);
    expect(presented.status).toBe(429);
    for (let call = 0; call < 3; call++) expect((await ask('192.0.2.1')).token).toBe(second.token);
    expect((await ask('192.0.2.1', '/once/a', `L402 ${second.token}:${'00'.repeat(32)}`)).status).toBe(429);
    expect((await ask('192.0.2.1')).status).toBe(429);
  });

  it('M18: is not given once its payment was used', async () => {
    const { ask, pay, fill } = open({ policy: { challenges: { perMinute: 1, open: 1 } } });
    await fill();
    const first = await ask('192.0.2.1');
    expect((await ask('192.0.2.1', '/once/a', `L402 ${first.token}:${pay(first.invoice!)}`)).status).toBe(200);
    const second = await ask('192.0.2.1');
    expect([second.status, second.token === first.token]).toEqual([402, false]);
  });

  it('M18: is given to nobody where the seller said refuse, nor to clients whose address is not known', async () => {
    const { ask } = open({ policy: { challenges: { ...QUOTA, overQuota: 'refuse' } } });
    for (let call = 0; call < 2; call++) await ask('192.0.2.1');
    expect((await ask('192.0.2.1')).status).toBe(429);
    const { door } = open({ clientAddress: { trustedHops: 1 } });
    const statuses = [];
    for (let call = 0; call < 3; call++) statuses.push((await door.ask('/once/a')).status);
    expect(statuses).toEqual([402, 402, 429]);
  });

  it('M18: counts as a request, where those are counted', async () => {
    const { ask } = open({ policy: { challenges: QUOTA, clientRate: { calls: 4, seconds: 60, total: 1600 } } });
    const statuses = [];
    for (let call = 0; call < 6; call++) statuses.push((await ask('192.0.2.1')).status);
    expect(statuses).toEqual([402, 402, 402, 402, 429, 429]);
  });
});

describe('a flood of one client', () => {
  it('D21 M18: costs the node what its quota allows and what the pool holds, however long it goes on', async () => {
    const { ask, made } = openShop({ pool: { low: 64 }, policy: { challenges: {} } });
    const statuses = new Map<number, number>();
    const counts: number[] = [];
    for (let request = 1; request <= 1500; request++) {
      const { status } = await ask('192.0.2.1');
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (request % 500 === 0) counts.push(made.direct + made.ahead);
    }
    expect([...statuses]).toEqual([[402, 1500]]);
    // Thirty for the client, and half of as many again that lie ready.
    expect(counts[0]).toBeLessThanOrEqual(30 + 15);
    expect(counts).toEqual(Array.from({ length: 3 }, () => counts[0]));
  });
});

describe('one who shows a payment that is used up', () => {
  const challenges = {
    ...QUOTA,
    overQuota: 'refuse',
    totalOpen: 32,
    totalPerMinute: 32,
    afterPayment: { totalOpen: 64, totalPerMinute: 64 },
  } as const;
  const open = (gateway: Partial<Gateway> = {}) => openShop({ pool: false, policy: { challenges }, ...gateway });
  const spend = async ({ ask }: ReturnType<typeof openShop>) => {
    const { authorization } = await makeToken({ service: 'once' });
    expect((await ask('192.0.2.9', '/once/a', authorization)).status).toBe(200);
    return authorization;
  };

  it('M19: gets an invoice whatever crowd of others has filled the quota, its own address included', async () => {
    const shop = open();
    const spent = await spend(shop);
    for (let client = 0; client < 250; client++) await shop.ask(`192.0.2.${client}`);
    expect((await shop.ask('192.0.2.9')).status).toBe(429);
    const answer = await shop.ask('192.0.2.9', '/once/a', spent);
    expect([answer.status, answer.code]).toEqual([402, 'payment_spent']);
    const authorization = `L402 ${answer.token}:${shop.pay(answer.invoice!)}`;
    expect((await shop.ask('192.0.2.9', '/once/a', authorization)).status).toBe(200);
  });

  it('M19: gets three at a time for one payment, from however many addresses, and others have theirs', async () => {
    // Room enough in their traffic class: in a full one each of these addresses would be a client like any other (M35).
    const shop = open({ policy: { challenges: { ...challenges, afterPayment: {} } } });
    const [one, other] = [await spend(shop), await spend(shop)];
    const statuses = [];
    for (let call = 0; call < 8; call++) statuses.push((await shop.ask(`203.0.113.${call}`, '/once/a', one)).status);
    expect(statuses).toEqual([402, 402, 402, 429, 429, 429, 429, 429]);
    expect((await shop.ask('203.0.113.1', '/once/a', other)).status).toBe(402);
    expect((await shop.ask('203.0.113.1')).status).toBe(402);
  });

  it('M19: has its traffic class back with each invoice it pays, from wherever it uses it', async () => {
    const shop = open();
    const spent = await spend(shop);
    for (let call = 0; call < 9; call++) {
      const answer = await shop.ask('203.0.113.1', '/once/a', spent);
      expect([call, answer.status]).toEqual([call, 402]);
      const used = await shop.ask(`198.51.100.${call}`, '/once/a', `L402 ${answer.token}:${shop.pay(answer.invoice!)}`);
      expect(used.status).toBe(200);
    }
  });

  it('M19: does not count as one who has paid before the payment is used up, forged, or of a key that is not in use', async () => {
    const shop = open();
    for (let client = 0; client < 250; client++) await shop.ask(`192.0.2.${client}`);
    const elsewhere = await makeToken({ service: 'dear', terms: { paidMsat: 1000n as never } });
    const forged = await makeToken({ service: 'once', secret: new Uint8Array(32).fill(1) });
    const retired = await makeToken({ service: 'once', id: { keyId: 9 } });
    for (const { authorization } of [elsewhere, forged, retired]) {
      expect((await shop.ask('192.0.2.9', '/once/a', authorization)).status).toBe(429);
    }
  });

  it('M19: a pass that has run out is such a payment, unless its preimage proves nothing', async () => {
    const shop = open({ routes: [{ match: '/once/*', service: 'once', priceSats: 1, access: { seconds: 60 } }] });
    for (let client = 0; client < 250; client++) await shop.ask(`192.0.2.${client}`);
    const ended = { validUntilSeconds: Math.floor(Date.now() / 1000) - 3600, access: { kind: 'pass' } } as const;
    const [paid, strict] = [
      await makeToken({ service: 'once', terms: ended }),
      await makeToken({ service: 'once', terms: { ...ended, settlement: 'strict' } }),
    ];
    expect((await shop.ask('192.0.2.9', '/once/a', paid.authorization)).code).toBe('token_expired');
    expect((await shop.ask('192.0.2.9', '/once/a', strict.authorization)).status).toBe(429);
  });

  it('M19 M35: shares a bound with all of them, and is a client like any other beyond it', async () => {
    const shop = open({ policy: { challenges: { ...challenges, afterPayment: { totalOpen: 16, totalPerMinute: 16 } } } });
    const spent = await Promise.all(Array.from({ length: 40 }, () => spend(shop)));
    const statuses = [];
    for (const authorization of spent) statuses.push((await shop.ask('203.0.113.1', '/once/a', authorization)).status);
    expect(statuses.filter((status) => status === 402).length).toBeLessThanOrEqual(16 + QUOTA.open);
    expect(statuses.filter((status) => status === 402).length).toBeGreaterThan(4);
    // And leaves those who have not paid their own.
    expect((await shop.ask('203.0.113.2')).status).toBe(402);
  });

  it('M18 M19: is given the same again over its bound, and never the one whose payment it shows', async () => {
    const shop = open({ policy: { challenges: { ...challenges, overQuota: 'repeat' } } });
    const spent = await spend(shop);
    const given = [];
    for (let call = 0; call < 3; call++) given.push((await shop.ask('203.0.113.1', '/once/a', spent)).token);
    const again = await shop.ask('203.0.113.2', '/once/a', spent);
    expect(given).toContain(again.token);
    expect(hashOf(again.token)).not.toBe(hashOf(spent.slice('L402 '.length).split(':')[0]));
  });
});
