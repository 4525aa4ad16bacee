/*
 * What is checked before a wallet hears of an invoice: every clause of M31, and the hostile invoices that other clients
 * were caught by. Each test also counts the payments: none.
 */
import { describe, expect, it } from 'vitest';
import { createL402Fetch, readOffer, type L402FetchOptions } from '#client/index.ts';
import { formatBase64 } from '#protocol/bytes.ts';
import { NETWORKS } from '#protocol/invoice.ts';
import { NOW_MS, NOW_SECONDS } from './invoice-maker.ts';
import { ADDRESS, from, makeToken, openShop, type Shop, type ShopOptions } from './fake-shop.ts';

function buy(shop: Shop, options: Partial<L402FetchOptions> = {}): Promise<Response> {
  const settings = { wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock: () => NOW_MS } as const;
  return createL402Fetch({ ...settings, ...options })(ADDRESS);
}

async function expectRefusal(code: string, offered: ShopOptions, options: Partial<L402FetchOptions> = {}): Promise<void> {
  const shop = openShop(offered);
  await expect(buy(shop, options)).rejects.toMatchObject({ name: 'L402Error', code, paid: 'no', credential: undefined });
  const response = await buy(shop, { ...options, unpaid: 'response' });
  expect([response.status, await response.text()]).toEqual([402, '{"code":"payment_required"}']);
  expect(shop.paid).toEqual([]);
  expect(shop.seen).toHaveLength(2);
}

describe('the amount', () => {
  it('M31: a price equal to the limit is paid, and one millisatoshi more is not', async () => {
    const shop = openShop({ priceMsat: 10_000n });
    expect((await buy(shop)).status).toBe(200);
    await expectRefusal('price_above_limit', { priceMsat: 10_001n });
  });

  it('M31: the limit can have decimals, and 0 pays nothing at all', async () => {
    expect((await buy(openShop({ priceMsat: 1_500n }), { maxPriceSats: 1.5 })).status).toBe(200);
    await expectRefusal('price_above_limit', { priceMsat: 1_501n }, { maxPriceSats: 1.5 });
    await expectRefusal('price_above_limit', { priceMsat: 1n }, { maxPriceSats: 0 });
  });

  it('M31: the error names price and limit, and carries the offer', async () => {
    const error: unknown = await buy(openShop({ priceMsat: 12_500n })).catch((error: unknown) => error);
    expect(error).toMatchObject({
      message: 'price_above_limit: the price is 12.5 sats, the limit 10',
      hint: expect.stringContaining('maxPriceSats'),
      offer: { priceMsat: 12_500n, network: 'regtest' },
    });
  });

  it.each([
    ['(1) without an amount', 'bcrt', 'invoice_amount_missing'],
    ['(2) with an explicit zero', 'bcrt0', 'invoice_amount_missing'],
    ['(2) with an explicit zero and a multiplier', 'bcrt0n', 'invoice_amount_missing'],
    ['(3) over a whole bitcoin, without a multiplier', 'bcrt1', 'price_above_limit'],
    ['(3) over 25 whole bitcoin', 'bcrt25', 'price_above_limit'],
    ['(4) whose amount begins with the first "1"', 'bcrt1u', 'price_above_limit'],
    ['(4) whose amount holds several "1"', 'bcrt2111u', 'price_above_limit'],
    ['(4) whose amount before the first "1" would be small', 'bcrt91m', 'price_above_limit'],
    ['(5) over one and a half millisatoshi', 'bcrt15p', 'invoice_amount_sub_msat'],
    ['over less than a millisatoshi', 'bcrt1p', 'invoice_amount_sub_msat'],
    ['over more bitcoin than there is', 'bcrt21000001', 'invoice_amount_too_large'],
    ['over more than any number type holds', `bcrt${'9'.repeat(400)}`, 'invoice_amount_too_large'],
    ['with leading zeros', 'bcrt010n', 'invoice_malformed'],
    ['with an unknown multiplier', 'bcrt10x', 'invoice_malformed'],
    ['of an unknown coin', 'xx10n', 'invoice_malformed'],
  ])('M31: an invoice %s is not paid', async (_, prefix, code) => {
    await expectRefusal(code, { invoice: { prefix } });
  });

  it('M31: (7) a price that the server declares beside the invoice does not count, only the invoice does', async () => {
    const challenge = ({ token, invoice }: { token: string; invoice: string }) =>
      `L402 macaroon="${token}", invoice="${invoice}", price="1", amount="1", price_sats="1"`;
    await expectRefusal('price_above_limit', { priceMsat: 5_000_000n, challenge });
  });

  it('M31: (10) a price that rises between preview and payment is held against the limit again', async () => {
    const options: { priceMsat: bigint }[] = [{ priceMsat: 10_000n }, { priceMsat: 50_000n }];
    const [cheap, expensive] = options.map((offered) => openShop(offered));
    const preview = readOffer(await cheap!.fetch(ADDRESS));
    expect(preview.ok && preview.value.priceMsat).toBe(10_000n);
    await expect(buy(expensive!)).rejects.toMatchObject({ code: 'price_above_limit' });
    expect(expensive!.paid).toEqual([]);
  });
});

describe('network and expiry', () => {
  it('M31, D33: (9) an invoice of every other network is refused, whichever network is set', async () => {
    for (const network of NETWORKS) {
      for (const other of NETWORKS.filter((other) => other !== network)) {
        await expectRefusal('invoice_network_wrong', { network: other }, { network });
      }
      expect((await buy(openShop({ network }), { network })).status).toBe(200);
    }
  });

  it('D33: a client that is told nothing is a mainnet client: it refuses a regtest invoice and pays a mainnet one', async () => {
    await expectRefusal('invoice_network_wrong', { network: 'regtest' }, { network: undefined });
    expect((await buy(openShop({ network: 'mainnet' }), { network: undefined })).status).toBe(200);
  });

  it('M31: (8) an invoice is paid until the second before it ends, and not from then on', async () => {
    const ending = (expirySeconds: number): ShopOptions => ({ invoice: { createdAtSeconds: NOW_SECONDS - 100, expirySeconds } });
    expect((await buy(openShop(ending(101)))).status).toBe(200);
    await expectRefusal('invoice_expired', ending(100));
    await expectRefusal('invoice_expired', ending(1));
  });
});

describe('invoice and token', () => {
  it('M31: (6) an invoice with another payment hash than the token is not paid', async () => {
    await expectRefusal('invoice_hash_wrong', { token: () => makeToken(crypto.getRandomValues(new Uint8Array(32))) });
  });

  it.each([
    ['is no macaroon', 'b3BhcXVl'],
    ['is JSON', formatBase64(new TextEncoder().encode('{"v":2}'))],
    ['is a macaroon with another identifier', formatBase64(Uint8Array.of(2, 2, 1, 65, 0, 0, 6, 32, ...new Uint8Array(32)))],
    ['is not even base64', 'to ken'],
    ['is longer than any token', 'A'.repeat(9000)],
  ])('M31: a token that %s cannot be held against the invoice and is not paid for', async (_, token) => {
    await expectRefusal('token_unreadable', { token: () => token });
  });
});

describe('redirects', () => {
  it('M31: a challenge of another origin, met after a redirect, is not paid', async () => {
    for (const elsewhere of ['https://evil.example/v1/answer', 'http://shop.example/v1/answer', 'https://shop.example:8443/', 'nonsense']) {
      const shop = openShop();
      const fetch: typeof globalThis.fetch = async (input, init) => from(elsewhere, await shop.fetch(input, init));
      await expect(buy(shop, { fetch })).rejects.toMatchObject({ code: 'cross_origin_challenge', paid: 'no' });
      expect((await buy(shop, { fetch, unpaid: 'response' })).status).toBe(402);
      expect(shop.paid).toEqual([]);
    }
  });

  it('M31: a challenge of the same origin, met after a redirect, is paid, but not when the credential could not follow it', async () => {
    const shop = openShop();
    const fetch: typeof globalThis.fetch = async (input, init) => from('https://shop.example/moved', await shop.fetch(input, init));
    expect((await buy(shop, { fetch })).status).toBe(200);
    const own = openShop();
    const moved: typeof globalThis.fetch = async (input, init) => from('https://shop.example/moved', await own.fetch(input, init));
    const paying = createL402Fetch({ wallet: own.wallet, maxPriceSats: 10, network: 'regtest', fetch: moved, clock: () => NOW_MS });
    await expect(paying(ADDRESS, { headers: { authorization: 'Bearer mine' } })).rejects.toMatchObject({
      code: 'redirected_challenge',
      paid: 'no',
    });
    expect(own.paid).toEqual([]);
  });
});
