/*
 * The handshake as a caller sees it: a fetch that pays, and everything that it leaves alone.
 */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createL402Fetch, readOffer } from '#client/index.ts';
import { NOW_MS, NOW_SECONDS } from './invoice-maker.ts';
import { ADDRESS, openShop, paymentRequired } from './fake-shop.ts';

const clock = () => NOW_MS;

describe('the handshake', () => {
  it('D12, P28, Y4: the snippet of the README buys with a mock wallet and a mock gateway, without a line about 402', async () => {
    const shop = openShop();
    const myNode = { pay: async (invoice: string) => ({ preimage: await shop.wallet(invoice) }) };
    const fetch = shop.fetch;

    const client = {
      fetch: createL402Fetch({
        wallet: async (invoice) => (await myNode.pay(invoice)).preimage,
        maxPriceSats: 100,
        network: 'regtest',
        fetch,
        clock,
      }),
    };
    const response = await client.fetch('https://shop.example/v1/answer');

    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ answer: 42 });
    expect(shop.paid).toHaveLength(1);
  });

  it('F8, Y5: the second request carries the token byte for byte, and the preimage in lower-case hex', async () => {
    const shop = openShop();
    await createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock })(ADDRESS);
    const [sale] = shop.sales;
    expect(shop.seen).toHaveLength(2);
    expect(shop.seen[0]!.headers.get('authorization')).toBeNull();
    expect(shop.seen[1]!.headers.get('authorization')).toBe(`L402 ${sale!.token}:${sale!.preimageHex}`);
    expect(shop.seen[1]!.headers.get('authorization')).toMatch(/:[0-9a-f]{64}$/);
  });

  it('Y3: the wallet is a plain function from invoice to preimage, called once with what the server asked for', async () => {
    const shop = openShop();
    const asked: string[] = [];
    const wallet = async (invoice: string) => {
      asked.push(invoice);
      return shop.wallet(invoice);
    };
    await createL402Fetch({ wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock })(ADDRESS);
    expect(asked).toEqual([shop.sales[0]!.invoice]);
  });

  it('Y3: needs no WebCrypto, which a page on plain http has not', async () => {
    const { crypto } = globalThis;
    vi.stubGlobal('crypto', { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) });
    onTestFinished(() => void vi.unstubAllGlobals());
    const shop = openShop();
    const fetch = createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock });
    expect((await fetch(ADDRESS)).status).toBe(200);
  });

  it('Y3: a preimage in upper-case hex is as good', async () => {
    const shop = openShop();
    const wallet = async (invoice: string) => (await shop.wallet(invoice)).toUpperCase();
    const response = await createL402Fetch({ wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock })(ADDRESS);
    expect(response.status).toBe(200);
  });

  it('M27: an Authorization of the caller stays as it is, and the credential goes into L402-Authorization without following redirects', async () => {
    const redirects: (string | undefined)[] = [];
    const shop = openShop();
    const watched: typeof fetch = (input, init) => {
      redirects.push(init?.redirect);
      return shop.fetch(input, init);
    };
    const fetch = createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch: watched, clock });
    const response = await fetch(ADDRESS, { headers: { authorization: 'Bearer mine' } });
    expect(response.status).toBe(200);
    expect(shop.seen.map(({ headers }) => headers.get('authorization'))).toEqual(['Bearer mine', 'Bearer mine']);
    expect(shop.seen[1]!.headers.get('l402-authorization')).toBe(`L402 ${shop.sales[0]!.token}:${shop.sales[0]!.preimageHex}`);
    expect(redirects).toEqual([undefined, 'manual']);
  });

  it('M31: a credential that the caller sends itself is never topped up by a payment', async () => {
    const shop = openShop();
    const fetch = createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock });
    for (const name of ['authorization', 'l402-authorization']) {
      await expect(fetch(ADDRESS, { headers: { [name]: `L402 AgEB:${'0'.repeat(64)}` } })).rejects.toMatchObject({
        code: 'own_credential_refused',
        paid: 'no',
      });
    }
    expect(shop.paid).toEqual([]);
  });
});

describe('without a wallet', () => {
  it('Y7: the original 402 comes back as the very same object, its body unread', async () => {
    const original = paymentRequired(['L402 macaroon="AgEB", invoice="lnbc1"']);
    const fetch = createL402Fetch({ maxPriceSats: 10, fetch: async () => original });
    const response = await fetch(ADDRESS);
    expect(response).toBe(original);
    expect(await response.text()).toContain('payment_required');
  });

  it('Y7: the challenge of that 402 can be read: price, network, token, invoice, expiry', async () => {
    const shop = openShop({ priceMsat: 12_345n, invoice: { description: 'one answer' } });
    const response = await createL402Fetch({ maxPriceSats: 10, fetch: shop.fetch })(ADDRESS);
    const [sale] = shop.sales;
    expect(readOffer(response)).toEqual({
      ok: true,
      value: {
        scheme: 'L402',
        token: sale!.token,
        invoice: sale!.invoice,
        network: 'regtest',
        priceMsat: 12_345n,
        priceSats: '12.345',
        paymentHashHex: expect.stringMatching(/^[0-9a-f]{64}$/),
        expiresAtSeconds: NOW_SECONDS + 600,
        description: 'one answer',
      },
    });
  });

  it('Y7: a body of any size goes out unbuffered, since nothing will be sent twice', async () => {
    const shop = openShop({ answer: () => new Response('free') });
    const given: unknown[] = [];
    const fetch: typeof globalThis.fetch = (input, init) => {
      given.push(init?.body);
      return shop.fetch(input, init);
    };
    const body = new Blob(['x'.repeat(100)]).stream();
    const init = { method: 'POST', body, duplex: 'half' } as const;
    await createL402Fetch({ maxPriceSats: 1, maxBodyBytes: 10, fetch })(ADDRESS, init);
    expect(given).toEqual([body]);
  });
});

describe('what is not for it to pay', () => {
  const passed = async (response: Response, unpaid: 'throw' | 'response' = 'throw') => {
    let payments = 0;
    let sent = 0;
    const wallet = async () => String(payments++);
    const fetch = createL402Fetch({
      wallet,
      maxPriceSats: 1e6,
      network: 'regtest',
      unpaid,
      clock,
      fetch: async () => {
        sent++;
        return response;
      },
    });
    const answer = await fetch(ADDRESS);
    return { same: answer === response, payments, sent };
  };
  const untouched = { same: true, payments: 0, sent: 1 };

  it.each([200, 201, 204, 206, 301, 304, 400, 403, 404, 409, 429, 500, 503])('Y11: a %i passes through unchanged', async (status) => {
    expect(await passed(new Response(null, { status }))).toEqual(untouched);
  });

  it('Y1, Y11: any other status passes through unpaid even with a good L402 challenge on it', async () => {
    const shop = openShop();
    const challenge = (await shop.fetch(ADDRESS)).headers.get('www-authenticate')!;
    for (const status of [200, 401, 403, 500]) {
      expect(await passed(new Response(null, { status, headers: { 'www-authenticate': challenge } }))).toEqual(untouched);
    }
  });

  it.each([
    [[]],
    [['']],
    [['Bearer realm="api"']],
    [['Payment id="x", method="lightning", intent="charge", request="e30"']],
    [['L4022 macaroon="AgEB", invoice="lnbc1"']],
  ])('Y1: a 402 without an L402 challenge passes through: %j', async (challenges) => {
    expect(await passed(paymentRequired(challenges))).toEqual(untouched);
  });

  it('Y1: a 402 that the gateway marks as the own answer of its origin passes through, before a payment and after one', async () => {
    const shop = openShop({
      answer: (_seen, credential) =>
        credential === undefined ? undefined : new Response(null, { status: 402, headers: { 'l402-answered-by': 'origin' } }),
    });
    const challenge = (await shop.fetch(ADDRESS)).headers.get('www-authenticate')!;
    const own = new Response(null, { status: 402, headers: { 'www-authenticate': challenge, 'l402-answered-by': 'origin' } });
    expect(await passed(own)).toEqual(untouched);
    const fetch = createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock });
    expect((await fetch(ADDRESS)).status).toBe(402);
    expect(shop.paid).toHaveLength(1);
  });

  it('Y11: an error of fetch itself comes out as it is', async () => {
    const failure = new TypeError('fetch failed');
    const fetch = createL402Fetch({ wallet: async () => '', maxPriceSats: 1, fetch: () => Promise.reject(failure) });
    await expect(fetch(ADDRESS)).rejects.toBe(failure);
  });
});

describe('the options', () => {
  it.each([[undefined], [Number.NaN], [-1], ['10'], [10n]])('M31: a limit of %s is a mistake that throws at once', (maxPriceSats) => {
    expect(() => createL402Fetch({ maxPriceSats: maxPriceSats as number })).toThrow(/^maxPriceSats/);
  });

  it('D33: an unknown network is a mistake that throws at once', () => {
    expect(() => createL402Fetch({ maxPriceSats: 1, network: 'bitcoin' as 'mainnet' })).toThrow(/^network/);
  });
});
