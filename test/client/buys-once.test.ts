/*
 * The payer never buys what it has (M47): credentials are found by what was bought, concurrent calls of one intent buy once, and a
 * live credential is neither overwritten nor taken from the call that bought it. Payments are counted throughout.
 */
import { describe, expect, it } from 'vitest';
import { createL402Fetch, formatStoreKey } from '#client/index.ts';
import { NOW_MS } from './invoice-maker.ts';
import { ADDRESS, makeToken, openShop } from './fake-shop.ts';
import { client, NOW, ORIGIN, sells, settle, street } from './payer.ts';

describe('what was bought for many calls', () => {
  it('M47: is bought once by ten first calls at once, and used by all of them', async () => {
    for (const token of [undefined, sells('weather', 'access=calls:100')]) {
      const { shop, kept, fetch } = client({ uses: 100, ...(token === undefined ? {} : { token }) });
      const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(ADDRESS)));
      expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
      expect([shop.paid.length, kept.size]).toEqual([1, 1]);
    }
  });

  it.each([['access=calls:100'], ['access=pass'], ['access=credit:5000']])(
    'M47: is good at every address of its service, and for another client of the same store: %s',
    async (access) => {
      const { shop, make } = client({ token: sells('history', access), uses: 100 });
      for (let city = 0; city < 10; city++) expect((await make()(`${ORIGIN}/v1/history/city${city}?year=${city}`)).status).toBe(200);
      expect((await make()(`${ORIGIN}/v1/history/form`, { method: 'POST', body: 'x' })).status).toBe(200);
      expect(shop.paid).toHaveLength(1);
    },
  );

  it('M47: is bought once by ten first calls to ten addresses at once', async () => {
    const { shop, fetch } = client({ token: sells('history', 'access=calls:100'), uses: 100 });
    const answers = await Promise.all(Array.from({ length: 10 }, (_, city) => fetch(`${ORIGIN}/v1/history/city${city}`)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(shop.paid).toHaveLength(1);
  });

  it('M47: is kept beside what was bought for another service, and found again when a 402 names its service', async () => {
    const { fetch, payments } = street([
      ['a', { token: sells('alpha', 'access=pass') }],
      ['b', { token: sells('beta', 'access=pass') }],
    ]);
    for (const path of ['/a/1', '/b/1', '/a/2', '/b/2', '/a/3', '/b/3']) expect((await fetch(`${ORIGIN}${path}`)).status).toBe(200);
    expect(payments()).toBe(2);
  });

  it.each([9, 40])('M47: is bought once for each of %i services of one origin that are used in turn', async (count) => {
    const names = Array.from({ length: count }, (_, index) => `s${index}`);
    const { fetch, payments } = street(names.map((name) => [name, { token: sells(name, 'access=calls:100'), uses: 100 }]));
    for (let round = 0; round < 4; round++) {
      for (const name of names) expect((await fetch(`${ORIGIN}/${name}/${round}`)).status).toBe(200);
    }
    expect(payments()).toBe(count);
  });

  it('M47: goes only where an origin has more than 256 of it: first what has ended, then what was used longest ago', async () => {
    const names = Array.from({ length: 258 }, (_, index) => `s${index}`);
    let nowMs = NOW_MS;
    const until = (name: string) => (paymentHash: Uint8Array) =>
      makeToken(paymentHash, [`services=${name}:0`, 'access=pass', `${name}_valid_until=${NOW + (name === 's3' ? 60 : 3600)}`]);
    const { kept, fetch, payments } = street(
      names.map((name) => [name, { token: until(name) }]),
      { clock: () => nowMs },
    );
    const keptAt = () => kept.get(ORIGIN)!.split('\n');
    const use = async (name: string) => expect((await fetch(`${ORIGIN}/${name}/`)).status).toBe(200);
    for (const name of names.slice(0, 256)) await use(name);
    const bought = keptAt().toReversed();
    // The first is used again; the second is now the one that was used longest ago.
    await use('s0');
    nowMs += 61_000;
    await use('s256');
    expect(bought.filter((one) => !keptAt().includes(one))).toEqual([bought[3]]);
    await use('s257');
    expect(bought.filter((one) => !keptAt().includes(one))).toEqual([bought[1], bought[3]]);
    expect([keptAt().length, payments()]).toEqual([256, 258]);
  });

  it('M47: is not sent where its holder has narrowed it away from, nor after its end, nor to another origin', async () => {
    const cases = [
      ['methods=GET', { method: 'POST', body: 'x' }, `${ORIGIN}/v1/a`],
      ['path=/v1/reports', {}, `${ORIGIN}/v1/a`],
      ['host=elsewhere.example', {}, `${ORIGIN}/v1/a`],
      [`valid_until=${NOW - 1}`, {}, `${ORIGIN}/v1/a`],
      [`request=${'00'.repeat(32)}`, {}, `${ORIGIN}/v1/a`],
      ['methods=GET', {}, 'https://shop.example:444/v1/a'],
      ['methods=GET', {}, 'https://evil.example/v1/a'],
    ] as const;
    for (const [caveat, init, address] of cases) {
      const { shop, fetch, kept } = client();
      const token = makeToken(new Uint8Array(32), ['services=a:0', 'access=pass', `a_valid_until=${NOW + 60}`, caveat]);
      kept.set(ORIGIN, `L402 ${token}:${'ab'.repeat(32)}`);
      await fetch(address, init);
      expect([caveat, shop.seen[0]!.headers.get('authorization')]).toEqual([caveat, null]);
    }
  });

  it('M47: is used until the answer says that nothing is left, and then bought anew, once', async () => {
    const { shop, kept, fetch } = client({ token: sells('pack', 'access=calls:3'), uses: 3 });
    for (let call = 0; call < 7; call++) expect((await fetch(`${ORIGIN}/pack/${call}`)).status).toBe(200);
    expect(shop.paid).toHaveLength(3);
    expect(kept.size).toBe(1);
  });
});

describe('what was bought for one call', () => {
  it.each([
    ['tells so', sells('once')],
    ['does not tell', undefined],
  ])('M47: is used by the call that bought it, whatever others do meanwhile: its token %s', async (_, token) => {
    const { shop, kept, make } = client({ uses: 1, ...(token === undefined ? {} : { token }) });
    let goOn = () => undefined as void;
    const held = new Promise<void>((resolve) => void (goOn = resolve));
    const slow: typeof fetch = async (input, init) => {
      if (new Headers(init?.headers).has('authorization')) await held;
      return shop.fetch(input, init);
    };
    const first = make({ fetch: slow })(ADDRESS);
    while (kept.size === 0) await settle();
    const second = make()(ADDRESS);
    await settle();
    goOn();
    expect((await Promise.all([first, second])).map(({ status }) => status)).toEqual([200, 200]);
    expect([shop.paid.length, kept.size]).toEqual([2, 0]);
  });

  it('M47: is bought by as many calls as there are, at once, as soon as it is known that one does not do for two', async () => {
    const { shop, kept, fetch } = client({ uses: 1, token: sells('once') });
    const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(ADDRESS)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect([shop.paid.length, kept.size]).toEqual([10, 0]);
  });

  it('M47: stays beside others that are kept for the same address, and each is used once', async () => {
    let troubles = 5;
    const { shop, kept, fetch } = client({
      uses: 1,
      token: sells('once'),
      answer: (_, credential) => (credential !== undefined && troubles-- > 0 ? new Response('later', { status: 503 }) : undefined),
    });
    const failed = await Promise.all(Array.from({ length: 5 }, () => fetch(ADDRESS)));
    expect(failed.map(({ status }) => status)).toEqual(Array(5).fill(503));
    expect([...kept.values()].join('\n').split('\n')).toHaveLength(5);
    const used = await Promise.all(Array.from({ length: 5 }, () => fetch(ADDRESS)));
    expect(used.map(({ status }) => status)).toEqual(Array(5).fill(200));
    expect([shop.paid.length, kept.size]).toEqual([5, 0]);
  });
});

describe('a credential that a 402 has refused', () => {
  it.each([
    [{ code: 'tier_too_low' }],
    [{ code: 'capability_missing' }],
    [{ code: 'payment_too_small' }],
    [{ code: 'payment_spent', remaining_msat: 30 }],
    [{ code: 'payment_spent' }],
    [{ code: 'token_key_unknown' }],
    [{ code: 'caveat_exhausted' }],
    [{ code: 'payment_required' }],
  ])('M47: stays, and is used where it is good, as long as nobody says that it is over: %j', async (problem) => {
    const offered = (more: string) => ({ token: sells('s', 'access=calls:100', more), uses: 100, refusal: () => problem });
    const { fetch, payments } = street([
      ['low', offered('note=low')],
      ['high', offered('note=high')],
    ]);
    for (let round = 0; round < 5; round++) {
      for (const address of ['low', 'high']) expect((await fetch(`${ORIGIN}/${address}`)).status).toBe(200);
    }
    expect(payments()).toBe(2);
  });

  it.each([
    [{ code: 'token_expired' }],
    [{ code: 'token_revoked' }],
    [{ code: 'payment_spent', remaining: 0 }],
    [{ code: 'payment_spent', remaining_msat: 0 }],
  ])('M47: goes when it is said to be over, whether or not another is bought: %j', async (problem) => {
    for (const priceMsat of [10_000n, 99_000n]) {
      const { shop, kept, fetch } = client({ token: sells('s', 'access=calls:100'), refusal: () => problem, priceMsat });
      const old = `L402 ${sells('s', 'access=calls:100')(new Uint8Array(32))}:${'ab'.repeat(32)}`;
      const live = `L402 ${sells('other', 'access=pass')(new Uint8Array(32))}:${'ab'.repeat(32)}`;
      kept.set(ORIGIN, `${old}\n${live}`);
      const { status } = await fetch(ADDRESS).catch(() => ({ status: 'too expensive' }));
      const bought = shop.paid.length > 0 ? [`L402 ${shop.sales.at(-1)!.token}:${shop.sales.at(-1)!.preimageHex}`] : [];
      expect([status, bought.length]).toEqual(priceMsat === 10_000n ? [200, 1] : ['too expensive', 0]);
      expect(kept.get(ORIGIN)!.split('\n')).toEqual([...bought, live]);
    }
  });

  it.each([
    ['a lower tier', ['services=s:0', 'paid_msat=10000']],
    ['a capability less', ['services=s:1', 's_capabilities=read', 'paid_msat=10000']],
    ['a smaller price', ['services=s:1', 's_capabilities=read,write', 'paid_msat=9999']],
  ])('M47: is joined by no other that %s makes too little for what is offered', async (_, caveats) => {
    const wanted = ['services=s:1', 's_capabilities=read,write', 'paid_msat=10000', 'quote=q'];
    const make = (more: readonly string[]) => (paymentHash: Uint8Array) =>
      makeToken(paymentHash, [...more, 'access=calls:100', `s_valid_until=${NOW + 3600}`]);
    const { shop, kept, fetch } = client({ token: make(wanted), uses: 100, refusal: () => ({ code: 'tier_too_low' }) });
    const held = Array.from({ length: 5 }, () => `L402 ${make(caveats)(new Uint8Array(32))}:${'ab'.repeat(32)}`);
    kept.set(ORIGIN, held.join('\n'));
    expect((await fetch(ADDRESS)).status).toBe(200);
    // The first, which was sent before anything was known; none; what was bought.
    expect([shop.seen.length, shop.paid.length]).toEqual([2, 1]);
    expect(kept.get(ORIGIN)!.split('\n').slice(1)).toEqual(held);
  });

  it('M47: leaves the call to another that does cover what is offered: a balance, a higher tier, a price that was the same', async () => {
    const offers = [
      ['access=credit:5000', 'services=s:1', 'paid_msat=5000'],
      ['access=calls:100', 'services=s:2', 'paid_msat=10000'],
      ['access=calls:100', 'services=s:1', 'paid_msat=1', 'quote=q'],
    ];
    for (const good of offers) {
      const wanted = ['access=calls:100', 'services=s:1', 'paid_msat=10000', 'quote=q'];
      const tokens = [good, wanted];
      const token = (paymentHash: Uint8Array) => makeToken(paymentHash, [...(tokens.shift() ?? wanted), `s_valid_until=${NOW + 3600}`]);
      const { shop, kept, fetch } = client({ token, uses: 100, refusal: () => ({ code: 'tier_too_low' }) });
      await shop.fetch(ADDRESS);
      const low = `L402 ${makeToken(new Uint8Array(32), ['services=s:0', 'access=pass', 'paid_msat=1'])}:${'ab'.repeat(32)}`;
      kept.set(ORIGIN, [low, `L402 ${shop.sales[0]!.token}:${shop.sales[0]!.preimageHex}`].join('\n'));
      expect((await fetch(ADDRESS)).status).toBe(200);
      expect(shop.paid).toEqual([]);
    }
  });

  it('M47: leaves the call to another for one call that is kept for the same address, unless somebody else is using that', async () => {
    const token = (paymentHash: Uint8Array) => sells('once', 'paid_msat=10000')(paymentHash);
    const { shop, kept, fetch } = client({ token, uses: 1, refusal: () => ({ code: 'payment_too_small' }) });
    await shop.fetch(ADDRESS);
    const small = `L402 ${sells('once', 'paid_msat=1')(new Uint8Array(32))}:${'ab'.repeat(32)}`;
    const large = `L402 ${shop.sales[0]!.token}:${shop.sales[0]!.preimageHex}`;
    const key = formatStoreKey('GET', new URL(ADDRESS));
    kept.set(key, `${small}\n${large}`);
    const answers = await Promise.all([fetch(ADDRESS), fetch(ADDRESS)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect([shop.paid.length, kept.get(key)]).toEqual([1, small]);
  });

  it('M47: is one of eight at most: then the call pays', async () => {
    const { shop, kept, fetch } = client({ token: sells('s', 'access=credit:5000'), refusal: () => ({ code: 'payment_spent' }) });
    const rests = Array.from({ length: 12 }, () => `L402 ${sells('s', 'access=credit:5000')(new Uint8Array(32))}:${'ab'.repeat(32)}`);
    kept.set(ORIGIN, rests.join('\n'));
    expect((await fetch(ADDRESS)).status).toBe(200);
    expect([shop.seen.length, shop.paid.length, kept.get(ORIGIN)!.split('\n').length]).toEqual([9, 1, 13]);
  });

  it('M47: stays when it was the origin behind the gateway that asks for a payment of its own', async () => {
    const headers = { 'content-type': 'application/problem+json', 'l402-answered-by': 'origin' };
    const answer = () => new Response('{"code":"token_expired"}', { status: 402, headers });
    const { kept, fetch } = client({ answer });
    const old = `L402 ${sells('s', 'access=pass')(new Uint8Array(32))}:${'ab'.repeat(32)}`;
    kept.set(ORIGIN, old);
    expect([(await fetch(ADDRESS)).status, kept.get(ORIGIN)]).toEqual([402, old]);
  });

  it('M47: stays when the body is endless, broken or no object, and what comes back can still be read', async () => {
    const endless = () => new ReadableStream({ pull: (stream) => stream.enqueue(new Uint8Array(10_000)) });
    const broken = () => new ReadableStream({ pull: (stream) => stream.error(new Error('reset')) });
    const over = '{"code":"token_expired"}';
    for (const body of [endless, broken, () => 'null', () => '[', () => '', () => null, () => over]) {
      const old = `L402 ${sells('s', 'access=pass')(new Uint8Array(32))}:${'ab'.repeat(32)}`;
      const shop = openShop({ priceMsat: 99_000n });
      const kept = new Map([[ORIGIN, old]]);
      const fetch = createL402Fetch({
        wallet: shop.wallet,
        maxPriceSats: 10,
        unpaid: 'response',
        store: kept,
        clock: () => NOW_MS,
        fetch: async (input, init) => new Response(body(), await shop.fetch(input, init)),
      });
      const response = await fetch(ADDRESS);
      expect([response.status, kept.get(ORIGIN)]).toEqual([402, body() === over ? undefined : old]);
      if (body() === over) expect(await response.text()).toBe(over);
      else await response.body?.cancel().catch(() => {});
    }
  });
});
