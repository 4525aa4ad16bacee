/*
 * What was paid for is used again as far as the server lets it, and never bought twice. Payments are counted throughout.
 */
import { describe, expect, it } from 'vitest';
import { createL402Fetch, createMemoryStore, formatStoreKey, type CredentialStore } from '#client/index.ts';
import { NOW_MS } from './invoice-maker.ts';
import { ADDRESS, from, makeToken, openShop, paymentRequired, type Shop, type ShopOptions } from './fake-shop.ts';
import { client } from './payer.ts';

const KEY = formatStoreKey('GET', new URL(ADDRESS));
const credentialOf = (shop: Shop, index = 0) => `L402 ${shop.sales[index]!.token}:${shop.sales[index]!.preimageHex}`;

describe('a credential that stays good', () => {
  it('Y5, F8: is sent with the first request of the next call, which costs nothing', async () => {
    const { shop, fetch } = client();
    for (let call = 0; call < 5; call++) expect((await fetch(ADDRESS)).status).toBe(200);
    expect(shop.paid).toHaveLength(1);
    expect(shop.seen).toHaveLength(6);
    expect(shop.seen.slice(1).map(({ headers }) => headers.get('authorization'))).toEqual(Array(5).fill(credentialOf(shop)));
  });

  it('F8: is kept in memory when no store is given, and a Map is a store', async () => {
    const { shop, fetch } = client({}, { store: undefined });
    await fetch(ADDRESS);
    await fetch(ADDRESS);
    expect(shop.paid).toHaveLength(1);
    const other = client();
    await other.fetch(ADDRESS);
    expect([...other.kept]).toEqual([[KEY, credentialOf(other.shop)]]);
  });

  it('F8: is used by a client without a wallet that shares the store', async () => {
    const { shop, kept, fetch } = client();
    await fetch(ADDRESS);
    const reader = createL402Fetch({ maxPriceSats: 0, store: kept, fetch: shop.fetch });
    expect((await reader(ADDRESS)).status).toBe(200);
  });

  it.each(['l402-remaining', 'l402-remaining-msat'])('is dropped when %s says that nothing is left of it', async (field) => {
    const { kept, fetch } = client({
      answer: (_, credential) => (credential === undefined ? undefined : new Response('last', { headers: { [field]: '0' } })),
    });
    expect(await (await fetch(ADDRESS)).text()).toBe('last');
    expect(kept.size).toBe(0);
  });

  it('M31: is never sent to another origin, path, query or method', async () => {
    const { shop, fetch } = client();
    await fetch(ADDRESS);
    for (const address of [
      'https://evil.example/v1/answer?of=everything',
      'http://shop.example/v1/answer?of=everything',
      'https://shop.example:444/v1/answer?of=everything',
      'https://shop.example/v1/answer',
      'https://shop.example/v1/Answer?of=everything',
    ]) {
      const before = shop.seen.length;
      await fetch(address);
      expect(shop.seen[before]!.headers.get('authorization')).toBeNull();
    }
    const before = shop.seen.length;
    await fetch(ADDRESS, { method: 'DELETE' });
    expect(shop.seen[before]!.headers.get('authorization')).toBeNull();
  });

  it('M31: goes into L402-Authorization beside an Authorization of the caller, and then follows no redirect', async () => {
    const { shop, kept } = client();
    await client({}, { store: kept, fetch: shop.fetch, wallet: shop.wallet }).fetch(ADDRESS);
    const redirects: unknown[] = [];
    const watched: typeof fetch = (input, init) => {
      redirects.push(init?.redirect);
      return shop.fetch(input, init);
    };
    const again = createL402Fetch({ maxPriceSats: 0, store: kept, fetch: watched });
    expect((await again(ADDRESS, { headers: { authorization: 'Bearer mine' } })).status).toBe(200);
    expect((await again(new Request(ADDRESS, { headers: { authorization: 'Bearer mine' } }), { redirect: 'follow' })).status).toBe(200);
    expect(redirects).toEqual(['manual', 'manual']);
  });
});

describe('a credential that is used up', () => {
  it('M31: is dropped when the answer says that nothing is left of it', async () => {
    const { shop, kept, fetch } = client({ uses: 2 });
    await fetch(ADDRESS);
    expect(kept.size).toBe(1);
    await fetch(ADDRESS);
    expect(kept.size).toBe(0);
    expect(shop.paid).toHaveLength(1);
    await fetch(ADDRESS);
    expect([shop.paid.length, shop.seen.length]).toEqual([2, 5]);
  });

  it('M31: is replaced by exactly one purchase when the server forgets it', async () => {
    const kept = new Map([[KEY, `L402 AgEEbHNhdA==:${'ab'.repeat(32)}`]]);
    const { shop, fetch } = client({}, { store: kept });
    expect((await fetch(ADDRESS)).status).toBe(200);
    expect([shop.paid.length, shop.seen.length]).toEqual([1, 2]);
    expect(kept.get(KEY)).toBe(credentialOf(shop));
  });

  it('M31: stays when the new price is over the limit, since it may be good for another body', async () => {
    const old = `L402 AgEEbHNhdA==:${'ab'.repeat(32)}`;
    const kept = new Map([[KEY, old]]);
    const { fetch } = client({ priceMsat: 99_000n }, { store: kept });
    await expect(fetch(ADDRESS)).rejects.toMatchObject({ code: 'price_above_limit', paid: 'no' });
    expect(kept.get(KEY)).toBe(old);
  });

  it('M31: an invoice that is paid already is not paid again, even if the server repeats its challenge', async () => {
    let challenge = '';
    const { shop, fetch } = client({
      challenge: ({ token, invoice }) => (challenge = `L402 macaroon="${token}", invoice="${invoice}"`),
      answer: (seen, credential) => (credential !== undefined && seen.headers.has('x-forget') ? paymentRequired([challenge]) : undefined),
    });
    await fetch(ADDRESS);
    await expect(fetch(ADDRESS, { headers: { 'x-forget': '1' } })).rejects.toMatchObject({
      code: 'credential_refused',
      paid: 'yes',
      credential: credentialOf(shop),
    });
    expect(shop.paid).toHaveLength(1);
  });

  it('M31: does not go away when another call has stored another one in the meantime', async () => {
    const kept = new Map<string, string>();
    const other = `L402 AgEEbHNhdA==:${'cd'.repeat(32)}`;
    const { fetch } = client(
      { uses: 1, answer: (_, credential) => void (credential !== undefined && kept.set(KEY, other)) },
      { store: kept },
    );
    await fetch(ADDRESS);
    expect(kept.get(KEY)).toBe(other);
  });
});

describe('a 401 for a kept credential', () => {
  const stale = () => new Map([[KEY, `L402 AgEEbHNhdA==:${'ab'.repeat(32)}`]]);
  const refusing = (headers: Record<string, string>): ShopOptions => ({
    answer: (seen, credential) =>
      seen.headers.has('authorization') && credential === undefined ? new Response('no', { status: 401, headers }) : undefined,
  });

  it.each([[{}], [{ 'www-authenticate': 'L402' }], [{ 'www-authenticate': 'Basic realm="x", LSAT realm="y"' }]])(
    'M31: drops it and asks exactly once without it: %j',
    async (headers) => {
      const kept = stale();
      const { shop, fetch } = client(refusing(headers), { store: kept });
      expect((await fetch(ADDRESS)).status).toBe(200);
      expect(shop.seen.map((seen) => seen.headers.get('authorization'))).toEqual([stale().get(KEY), null, credentialOf(shop)]);
      expect(shop.paid).toHaveLength(1);
    },
  );

  it('M31: a second 401 is the answer: there is no loop and no payment', async () => {
    const { shop, fetch } = client({ answer: () => new Response('no', { status: 401 }) }, { store: stale() });
    expect((await fetch(ADDRESS)).status).toBe(401);
    expect([shop.seen.length, shop.paid.length]).toEqual([2, 0]);
  });

  it.each([[{ 'l402-answered-by': 'origin' }], [{ 'www-authenticate': 'Bearer realm="origin"' }]])(
    'M31: that is the own answer of the origin says nothing of the credential, which stays: %j',
    async (headers) => {
      const kept = stale();
      const { shop, fetch } = client(refusing(headers), { store: kept });
      expect((await fetch(ADDRESS)).status).toBe(401);
      expect([shop.seen.length, shop.paid.length, kept.size]).toEqual([1, 0, 1]);
    },
  );

  it('M31: from another origin after a redirect, where the credential never went, leaves it alone', async () => {
    const kept = stale();
    const fetch = createL402Fetch({
      wallet: async () => '',
      maxPriceSats: 10,
      store: kept,
      fetch: async () => from('https://other.example/', new Response(null, { status: 401, headers: { 'l402-remaining': '0' } })),
    });
    expect((await fetch(ADDRESS)).status).toBe(401);
    expect(kept.size).toBe(1);
  });
});

describe('after a payment', () => {
  it.each([409, 429, 500, 502, 503, 504])(
    'M31: a %i is returned, and the next identical call uses the credential without paying',
    async (status) => {
      let troubles = 1;
      const { shop, fetch } = client({
        uses: 1,
        answer: (_, credential) => (credential !== undefined && troubles-- > 0 ? new Response('later', { status }) : undefined),
      });
      expect((await fetch(ADDRESS)).status).toBe(status);
      expect((await fetch(ADDRESS)).status).toBe(200);
      expect(shop.paid).toHaveLength(1);
    },
  );

  it('M31: what another origin says after a redirect of the paid call does not drop the credential', async () => {
    const kept = new Map<string, string>();
    const shop = openShop();
    const moved: typeof fetch = async (input, init) => {
      if (!new Headers(init?.headers).has('authorization')) return shop.fetch(input, init);
      return from('https://other.example/', new Response('moved', { headers: { 'l402-remaining': '0' } }));
    };
    await client({}, { wallet: shop.wallet, fetch: moved, store: kept }).fetch(ADDRESS);
    expect(kept.get(KEY)).toBe(credentialOf(shop));
  });

  it('M31: a network failure throws with the credential, and the next identical call uses it without paying', async () => {
    let cuts = 1;
    const shop = openShop({ uses: 1 });
    const cut: typeof fetch = async (input, init) => {
      if (new Headers(init?.headers).has('authorization') && cuts-- > 0) throw new TypeError('connection reset');
      return shop.fetch(input, init);
    };
    const { fetch: paying } = client({}, { wallet: shop.wallet, fetch: cut });
    const error: unknown = await paying(ADDRESS).catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: 'retry_failed',
      paid: 'yes',
      credential: credentialOf(shop),
      cause: { message: 'connection reset' },
    });
    expect((await paying(ADDRESS)).status).toBe(200);
    expect(shop.paid).toHaveLength(1);
  });
});

describe('stores', () => {
  it('M31: the memory store is bounded, and the oldest goes first', () => {
    const store = createMemoryStore({ mostCredentials: 2 });
    for (const [key, value] of [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
      ['c', '4'],
    ] as const)
      store.set(key, value);
    expect(['a', 'b', 'c'].map((key) => store.get(key))).toEqual(['3', undefined, '4']);
    const large = createMemoryStore();
    for (let index = 0; index <= 4096; index++) large.set(String(index), 'x');
    expect([large.get('0'), large.get('1'), large.get('4096')]).toEqual([undefined, 'x', 'x']);
  });

  it('M31 M47: the memory store drops what has ended before anything else, and what was asked for longest ago before the rest', () => {
    const credential = (endsAtSeconds: number) =>
      `L402 ${makeToken(new Uint8Array(32), ['services=a:0', 'access=pass', `a_valid_until=${endsAtSeconds}`])}:${'ab'.repeat(32)}`;
    const now = Math.floor(NOW_MS / 1000);
    const [one, two, three, four] = [1, 2, 3, 4].map((more) => credential(now + more)) as [string, string, string, string];
    const store = createMemoryStore({ mostCredentials: 3, clock: () => NOW_MS });
    store.set('a', one);
    store.set('b', `${two}\n${credential(now)}`);
    store.set('c', three);
    expect(['a', 'b', 'c'].map((key) => store.get(key))).toEqual([one, two, three]);
    store.get('a');
    store.set('d', four);
    expect(['a', 'b', 'c', 'd'].map((key) => store.get(key))).toEqual([one, undefined, three, four]);
    store.delete('a');
    store.set('b', two);
    expect(['a', 'b', 'c', 'd'].map((key) => store.get(key))).toEqual([undefined, two, three, four]);
  });

  it('M31: a store may be asynchronous', async () => {
    const kept = new Map<string, string>();
    const store: CredentialStore = {
      get: async (key) => kept.get(key),
      set: async (key, value) => void kept.set(key, value),
      delete: async (key) => void kept.delete(key),
    };
    const { shop, fetch } = client({ uses: 2 }, { store });
    for (let call = 0; call < 2; call++) await fetch(ADDRESS);
    expect([shop.paid.length, kept.size]).toEqual([1, 0]);
  });

  const broken = (what: 'get' | 'set' | 'delete'): CredentialStore => {
    const kept = new Map<string, string>();
    const fail = () => Promise.reject(new Error('disk full'));
    return { get: (key) => kept.get(key), set: (key, value) => kept.set(key, value), delete: (key) => kept.delete(key), [what]: fail };
  };

  it('M31: a store that cannot be read stops the call before anything is sent', async () => {
    const { shop, fetch } = client({}, { store: broken('get') });
    await expect(fetch(ADDRESS)).rejects.toMatchObject({ code: 'store_failed', paid: 'no' });
    expect(shop.seen).toEqual([]);
  });

  it('M31: a store that cannot be written after a payment does not cost the answer, or else the error has the credential', async () => {
    const good = client({}, { store: broken('set') });
    expect((await good.fetch(ADDRESS)).status).toBe(200);
    const bad = client(
      { answer: (_, credential) => (credential === undefined ? undefined : new Response(null, { status: 503 })) },
      { store: broken('set') },
    );
    const error: unknown = await bad.fetch(ADDRESS).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'store_failed', paid: 'yes', credential: credentialOf(bad.shop) });
  });

  it('M31: a store that cannot delete does not cost the answer', async () => {
    const { fetch } = client({ uses: 1 }, { store: broken('delete') });
    expect((await fetch(ADDRESS)).status).toBe(200);
  });

  it('M31: what is in the store and is no credential is not sent', async () => {
    for (const junk of ['Bearer x', 'L402 a:b\r\nx-evil: 1', '']) {
      const { shop, fetch } = client({}, { store: new Map([[KEY, junk]]) });
      expect((await fetch(ADDRESS)).status).toBe(200);
      expect(shop.seen[0]!.headers.get('authorization')).toBeNull();
    }
  });
});

describe('many calls at once', () => {
  it('M31: each pays for itself at most once, none gets the answer of another, and single-use credentials are all used up', async () => {
    const { shop, kept, fetch } = client({ uses: 1 });
    const statuses = await Promise.all(Array.from({ length: 50 }, async (_, index) => (await fetch(`${ADDRESS}&n=${index % 10}`)).status));
    expect(statuses).toEqual(Array(50).fill(200));
    expect(new Set(shop.paid).size).toBe(shop.paid.length);
    expect(shop.paid.length).toBeLessThanOrEqual(50);
    expect(kept.size).toBe(0);
  });
});
