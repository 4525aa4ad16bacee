/*
 * Challenges that were made before anyone asked, through the front door, over real objects.
 */
import { reset } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Network } from '#protocol/invoice.ts';
import { decodeTokenId } from '#protocol/token-id.ts';
import { type Gateway } from '#src/config/config.ts';
import { type Lightning, type MintedInvoice } from '#src/ports.ts';
import { deadNode, fakeControl, openQuota } from '#support/fakes.ts';
import { identifierOf } from '#support/tokens.ts';
import { faultsOf, hashOf, openShop, POOL, startNode } from './challenge-shop.ts';
import { startEmbedded } from './embedded-mint.ts';

beforeEach(() => reset());
afterEach(() => void vi.useRealTimers());

describe('a challenge that was made beforehand', () => {
  it('M3 M23: costs no order at the node, differs from every other, and buys what it says', async () => {
    const { ask, warm, made, pay, door } = openShop();
    await warm();
    expect(made).toEqual({ direct: 3, ahead: 10 });
    const answers = [];
    for (let call = 0; call < 4; call++) answers.push(await ask('192.0.2.1'));
    expect(made.direct).toBe(3);
    expect(new Set(answers.map(({ token }) => hashOf(token))).size).toBe(4);
    for (const { token, invoice, status } of answers) {
      const authorization = `L402 ${token}:${pay(invoice!)}`;
      expect([status, (await ask('192.0.2.1', '/once/a', authorization)).status]).toEqual([402, 200]);
      expect((await ask('192.0.2.1', '/once/a', authorization)).code).toBe('payment_spent');
    }
    expect(door.seen).toHaveLength(4);
  });

  it('looks like one that was made while the client waited', async () => {
    const { ask, warm } = openShop();
    const direct = await ask('192.0.2.1');
    await warm();
    const pooled = await ask('192.0.2.1');
    const shape = ({ body }: typeof direct) =>
      JSON.stringify(JSON.parse(body), (key, value: unknown) => (/^(token|invoice)/.test(key) ? typeof value : value));
    expect(shape(pooled)).toBe(shape(direct));
    const { invoice_expires_at: invoiceEnds, token_expires_at: tokenEnds } = JSON.parse(pooled.body) as Record<string, string>;
    expect(Date.parse(tokenEnds!) - Date.parse(invoiceEnds!)).toBe(86_400_000);
  });

  it.each([
    ['price', { routes: [{ match: '/once/*', service: 'once', priceSats: 2 }] }],
    ['description', { routes: [{ match: '/once/*', service: 'once', priceSats: 1, description: 'Other' }] }],
    ['tier', { routes: [{ match: '/once/*', service: 'once', tier: 1, priceSats: 1 }] }],
    ['access', { routes: [{ match: '/once/*', service: 'once', priceSats: 1, access: { calls: 2 } }] }],
    ['route', { routes: [{ match: '/once/a', service: 'once', priceSats: 1 }] }],
    ['region', { claimRegion: 'sam' }],
    ['shard bits', { claimShardBits: 3 }],
    ['settlement', { settlement: 'strict' }],
    ['time to redeem', { redeemSeconds: 90_000 }],
    ['time to pay', { invoiceExpirySeconds: 700 }],
  ] as readonly (readonly [string, Partial<Gateway>])[])('M3: is not sold under another %s', async (_, changes) => {
    const node = startNode();
    await openShop({}, { node }).warm();
    const before = node.made.direct;
    await openShop(changes, { node }).ask('192.0.2.1');
    expect(node.made.direct).toBe(before + 1);
    await openShop({}, { node }).ask('192.0.2.1');
    expect(node.made.direct).toBe(before + 1);
  });

  it('D24: is not sold when its key or its epoch signs no more', async () => {
    const node = startNode();
    await openShop({ epochHours: 1 }, { node }).warm();
    const keys = { TOKEN_SECRET_2: 'c2'.repeat(32), TOKEN_KEY_ID: '2' };
    await openShop({ epochHours: 1 }, { node, variables: keys }).ask('192.0.2.1');
    expect(node.made.direct).toBe(4);
    await openShop({ epochHours: 1 }, { node }).ask('192.0.2.1');
    expect(node.made.direct).toBe(4);
    const nowMs = Date.now();
    const { ask } = openShop({ epochHours: 1 }, { node, clock: () => nowMs + 3_600_000 });
    await ask('192.0.2.1');
    expect(node.made.direct).toBe(5);
  });

  it('P17: is never one of a price that varies or is no whole satoshi, nor where a limit of all may hold the answer back', async () => {
    const { ask, made } = openShop();
    for (let call = 0; call < 5; call++) {
      expect([(await ask('192.0.2.1', '/odd')).status, (await ask('192.0.2.1', '/asked')).status]).toEqual([402, 402]);
    }
    expect(made).toEqual({ direct: 10, ahead: 0 });
    const limited = openShop({ policy: { rate: { calls: 100, seconds: 60 } } });
    for (let call = 0; call < 5; call++) await limited.ask('192.0.2.1');
    expect(limited.made).toEqual({ direct: 5, ahead: 0 });
    const off = openShop({ pool: false });
    for (let call = 0; call < 5; call++) await off.ask('192.0.2.1');
    expect(off.made).toEqual({ direct: 5, ahead: 0 });
  });

  it('is not offered to anyone who has no time left to pay it', async () => {
    const { ask, warm, made } = openShop({ pool: { ...POOL, minLifeSeconds: 400 } });
    await warm();
    vi.setSystemTime(Date.now() + 201_000);
    await ask('192.0.2.1');
    expect(made.direct).toBe(4);
  });

  const broken = (changed: Partial<MintedInvoice> | ((order: number) => boolean)) =>
    startNode((minted, order) => (typeof changed === 'function' ? (changed(order) ? minted : undefined) : { ...minted, ...changed }));
  it.each<[string, ReturnType<typeof startNode>]>([
    ['garbage', broken({ invoice: 'lnbcrt1garbage' })],
    ['nothing', broken(() => false)],
    ['the invoice of another order', broken({ invoice: '' })],
  ])('M23: is not made of what a lying node answers: %s', async (name, node) => {
    const one = await startEmbedded().mint({
      amountMsat: 1000n as never,
      memo: 'other',
      expirySeconds: 600,
      idempotencyKey: 'ab'.repeat(16),
    });
    const lying = name.includes('other') ? broken({ invoice: one.invoice }) : node;
    const shop = openShop({}, { node: lying });
    await shop.warm();
    expect((await shop.ask('192.0.2.1')).status).toBe(402);
    expect(shop.made.direct).toBe(4);
    expect(faultsOf(shop)).toEqual(name === 'nothing' ? [] : [expect.stringMatching(/^invoice_/)]);
  });

  it('M23: is made of those that are good where some are not', async () => {
    const shop = openShop({}, { node: broken((order) => order % 2 === 0) });
    await shop.warm();
    const answers = [];
    for (let call = 0; call < 9; call++) answers.push(await shop.ask('192.0.2.1'));
    expect([shop.made.direct, new Set(answers.map(({ token }) => hashOf(token))).size]).toEqual([3, 9]);
  });

  it('M23: is not made of invoices of another network or amount', async () => {
    for (const changes of [{ NETWORK: 'mainnet' satisfies Network }, {}]) {
      const node = startNode();
      const { mintBatch } = node.lightning;
      const cheaper: Lightning = {
        ...node.lightning,
        mintBatch: (orders) => mintBatch(orders.map((order) => ({ ...order, amountMsat: 999n as never }))),
      };
      const lightning = 'NETWORK' in changes ? node.lightning : cheaper;
      const shop = openShop({}, { node, variables: changes, parts: { lightning } });
      await shop.warm();
      expect(faultsOf(shop).at(-1)).toBe('NETWORK' in changes ? 'invoice_network_wrong' : 'invoice_amount_wrong');
      await shop.ask('192.0.2.1');
      expect(node.made.direct).toBe(4);
    }
  });

  it('M17: is missed by nobody: a node that makes none beforehand still makes those that are waited for', async () => {
    const node = startNode();
    const lightning: Lightning = { ...node.lightning, mintBatch: () => Promise.reject(new Error('no batches here')) };
    const shop = openShop({}, { node, parts: { lightning } });
    for (let call = 0; call < 8; call++) expect((await shop.ask('192.0.2.1')).status).toBe(402);
    // Once in fifteen seconds.
    expect(faultsOf(shop)).toEqual(['no batches here']);
  });
});

describe('the round of the clock', () => {
  it('makes what warm offers want, though nobody asks, and nothing for cold ones', async () => {
    const node = startNode();
    const lightning: Lightning = { ...node.lightning, mintBatch: () => Promise.reject(new Error('not now')) };
    await openShop({}, { node, parts: { lightning } }).warm();
    const { door, ask, made } = openShop({}, { node });
    await door.tick();
    expect(made).toEqual({ direct: 3, ahead: 0 });
    // Whoever was told to bring some has not.
    vi.setSystemTime(Date.now() + 15_000);
    await door.tick();
    expect(made).toEqual({ direct: 3, ahead: 10 });
    await door.tick();
    await ask('192.0.2.1');
    expect(made).toEqual({ direct: 3, ahead: 10 });
    await ask('192.0.2.1', '/dear/a');
    expect(made.direct).toBe(4);
  });

  it('is bounded, does nothing where the pool is off, and survives a node that is down', async () => {
    const { door, made, warm } = openShop({ pool: false });
    await warm();
    await door.tick();
    expect(made.ahead).toBe(0);
    const down = openShop({}, { parts: { lightning: deadNode } });
    await down.warm();
    vi.setSystemTime(Date.now() + 15_000);
    await down.door.tick();
    expect(faultsOf(down).at(-1)).toBe('the node is down');
    const asked: number[] = [];
    const wanting = { ...openQuota, want: (shard: number) => Promise.resolve([asked.push(shard) && 400, 400]) };
    const busy = openShop(
      {},
      { parts: { quota: wanting, control: { ...fakeControl(), stockedShards: () => Promise.resolve([0, 1, 2, 3]) } } },
    );
    await busy.door.tick();
    expect([busy.made.ahead, asked]).toEqual([1000, [0, 1]]);
  });
});

it('a challenge begins with the place where it is counted', async () => {
  const { ask, warm } = openShop();
  const direct = await ask('192.0.2.1');
  await warm();
  const ready = await ask('192.0.2.1');
  const shardOf = ({ token }: { readonly token: string | undefined }) => {
    const id = decodeTokenId(identifierOf(token ?? '').tokenId);
    return id.ok ? id.value.random[0] : undefined;
  };
  expect(shardOf(ready)).toBe(shardOf(direct));
  expect(shardOf(ready)).toBeLessThan(16);
});
