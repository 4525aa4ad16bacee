/*
 * Prices that depend on the request, through the front door: the invoice asks for what the rule says, the token is good for
 * what it was sold for, and nothing is ever sold at a price that was not worked out.
 */
import { describe, expect, it } from 'vitest';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, formatHex } from '#protocol/bytes.ts';
import { hmac } from '#support/tokens.ts';
import { openPriceDoor, PRICING_SECRET_HEX } from './price-door.ts';

const bounded = { minSats: 1, maxSats: 100 };
const codeOf = async (response: Response) => (await response.json<{ code: string }>()).code;

describe('a price that depends on the request', () => {
  const routes = [
    { match: 'GET /count', price: { parameter: 'n', unitSats: 2, max: 1000 } },
    { match: 'GET /table', price: { parameter: 'model', sats: { small: 1, large: 20 } } },
    { match: 'GET /header', price: { header: 'x-model', sats: { small: 1, large: 20 } } },
    { match: 'GET /alerts', priceSats: 200 },
    {
      match: 'GET /path/:tier',
      price: ({ pathParameters }: { pathParameters: Readonly<Record<string, string>> }) => BigInt(pathParameters['tier']!.length) * 1000n,
      ...bounded,
    },
    { match: 'GET /agent', query: { svc: 'primes' }, service: 'primes', price: { parameter: 'n', unitSats: 1, max: 50 } },
    { match: 'GET /agent', query: { svc: 'cycle' }, service: 'cycle', priceSats: 10 },
  ];

  it('P17: the invoice is over what path, query and header come to', async () => {
    const door = openPriceDoor(routes);
    expect(await door.price('/count?n=1')).toBe(2000n);
    expect(await door.price('/count?n=1000')).toBe(2_000_000n);
    expect(await door.price('/table?model=large')).toBe(20_000n);
    expect(await door.price('/header', { headers: { 'x-model': 'small' } })).toBe(1000n);
    expect(await door.price('/path/abc')).toBe(3000n);
    expect(await door.price('/path/abcdef')).toBe(6000n);
    expect(await door.price('/path/abc', { method: 'HEAD' })).toBe(3000n);
  });

  it('A10: a call at 200 satoshi sells', async () => {
    const door = openPriceDoor(routes);
    expect(await door.price('/alerts')).toBe(200_000n);
    expect(await door.use('/alerts', await door.buy('/alerts'))).toBe('origin');
    expect(door.seen).toMatchObject([{ path: '/alerts', priceMsat: '200000' }]);
  });

  it('A6: services of one path have prices of their own, and one of them counts', async () => {
    const door = openPriceDoor(routes);
    expect([await door.price('/agent?svc=primes&n=7'), await door.price('/agent?svc=cycle&n=7')]).toEqual([7000n, 10_000n]);
    expect(await door.use('/agent?svc=primes&n=7', await door.buy('/agent?svc=cycle'))).toBe('service_wrong');
  });

  it('F10: two queries are two payments, each over its own amount', async () => {
    const door = openPriceDoor(routes);
    const [one, two] = [await door.buy('/count?n=3'), await door.buy('/count?n=4')];
    expect([await door.use('/count?n=3', one), await door.use('/count?n=4', two)]).toEqual(['origin', 'origin']);
    expect([await door.use('/count?n=3', one), await door.use('/count?n=4', two)]).toEqual(['payment_spent', 'payment_spent']);
    expect(door.seen.map(({ path, priceMsat }) => [path, priceMsat])).toEqual([
      ['/count?n=3', '6000'],
      ['/count?n=4', '8000'],
    ]);
  });

  it('M5: what was sold for other inputs is compared by amount', async () => {
    const door = openPriceDoor(routes);
    expect(await door.use('/count?n=5', await door.buy('/count?n=4'))).toBe('payment_too_small');
    expect(await door.use('/count?n=4', await door.buy('/count?n=5'))).toBe('origin');
    expect(await door.use('/table?model=large', await door.buy('/table?model=small'))).toBe('payment_too_small');
    expect(door.seen.map(({ path }) => path)).toEqual(['/count?n=4']);
  });

  it('M5: the same inputs are honoured at the price sold, whatever the price is now', async () => {
    const cheap = openPriceDoor([{ match: 'GET /count', service: 'count', price: { parameter: 'n', unitSats: 2, max: 10 } }]);
    const expensive = openPriceDoor([{ match: 'GET /count', service: 'count', price: { parameter: 'n', unitSats: 90, max: 10 } }]);
    const [same, other] = [await cheap.buy('/count?n=3'), await cheap.buy('/count?n=4')];
    expect(await expensive.use('/count?x=1&n=3', same)).toBe('origin');
    expect(await expensive.use('/count?n=3', other)).toBe('payment_too_small');
  });

  it.each(['/count', '/count?n=0', '/count?n=1001', '/count?n=1.5', '/table', '/table?model=huge', '/header'])(
    'M17 M26: what is not sold is a 400 that names what is, without an invoice and without the origin: %s',
    async (path) => {
      const door = openPriceDoor(routes);
      const authorization = await door.buy('/alerts');
      const response = await door.ask(path, { headers: { authorization } });
      expect([response.status, await codeOf(response), door.minted(), door.seen.length]).toEqual([400, 'price_input_invalid', 1, 0]);
    },
  );

  it.each(['/count?n=1&n=9', '/count?%6e=1', '/count?n=1&N=9', '/count?n=1&n[]=9', '/count?n=1;n=9', '/path/a?b=1&b=2'])(
    'M26: a priced parameter stands once, under its literal name: %s',
    async (path) => {
      const door = openPriceDoor(routes);
      expect([await door.price(path), door.minted()]).toEqual(['parameter_ambiguous', 0]);
    },
  );

  it('M26: a priced header stands once, and cannot be dropped on the way or shadowed by one that is read as it', async () => {
    const door = openPriceDoor(routes);
    const tricks: [string, string][][] = [
      [
        ['x-model', 'small'],
        ['x-model', 'large'],
      ],
      [
        ['x-model', 'small'],
        ['x_model', 'large'],
      ],
      [
        ['x-model', 'small'],
        ['connection', 'x-model'],
      ],
    ];
    for (const headers of tricks) expect(await door.price('/header', { headers })).toBe('header_ambiguous');
    expect(door.minted()).toBe(0);
  });
});

describe('a price by size', () => {
  const sized = { match: 'POST /size', service: 'size', price: { perKibibyteSats: 1 }, maxSats: 4 };
  const post = (body: string, length = String(body.length)): RequestInit => ({
    method: 'POST',
    body,
    headers: { 'content-length': length },
  });

  it('P17: the invoice is over the kibibytes that are declared, and the origin gets the body and its length', async () => {
    const door = openPriceDoor([sized]);
    const body = 'x'.repeat(1500);
    expect([await door.price('/size', post('x')), await door.price('/size', post(body))]).toEqual([1000n, 2000n]);
    expect(await door.use('/size', await door.buy('/size', post(body)), post(body))).toBe('origin');
    expect(door.seen).toMatchObject([{ body, length: '1500', priceMsat: '2000' }]);
    expect(await door.use('/size', await door.buy('/size', post('x')), post(body))).toBe('payment_too_small');
  });

  it('M17 M26: no length is 411, more than is sold 413, and neither costs an invoice', async () => {
    const door = openPriceDoor([sized]);
    const stream = () => new Response('abc').body!.pipeThrough(new TransformStream());
    expect(await door.price('/size', { method: 'POST', body: stream() })).toBe('length_required');
    expect(await door.price('/size', post('x', '1, 1'))).toBe('length_required');
    expect(await door.price('/size', { ...post('x'), headers: { 'content-length': '1', 'transfer-encoding': 'chunked' } })).toBe(
      'length_required',
    );
    expect(await door.price('/size', post('x', '4097'))).toBe('body_too_large');
    expect([await door.price('/size', post('x', '4096')), door.minted()]).toEqual([4000n, 1]);
    const statuses = await Promise.all(['', '4097'].map(async (length) => (await door.ask('/size', post('x', length))).status));
    expect(statuses).toEqual([411, 413]);
  });

  it('M26: a body that goes on beyond its declared length is cut there and answered 413, and the call is counted', async () => {
    const door = openPriceDoor([sized]);
    const authorization = await door.buy('/size', post('x'));
    const longer = { method: 'POST', headers: { 'content-length': '10', authorization } };
    const body = new Response('x'.repeat(5000)).body!.pipeThrough(new TransformStream());
    const response = await door.ask('/size', { ...longer, body });
    expect([response.status, response.headers.get('l402-remaining'), await codeOf(response)]).toEqual([413, '0', 'body_too_large']);
    expect(door.seen).toEqual([]);
    expect(await door.use('/size', authorization, post('x'))).toBe('payment_spent');
  });
});

describe('a price by a function', () => {
  it('M5: is asked anew for each request, and a sale is honoured when the answer has risen', async () => {
    let now = 5000n;
    const door = openPriceDoor([{ match: 'GET /f', price: async () => now, ...bounded }]);
    const authorization = await door.buy('/f?q=1');
    now = 50_000n;
    expect(await door.price('/f?q=1')).toBe(50_000n);
    expect(await door.use('/f?q=2', authorization)).toBe('payment_too_small');
    expect(await door.use('/f?q=1', authorization)).toBe('origin');
  });

  it('M17: when it fails the answer is 503 with Retry-After, logged, for payers too: never free, never a guess, never an invoice', async () => {
    let answer: unknown = 5000n;
    const decide = () => {
      if (answer === 'throw') throw new Error('prices are gone');
      return answer as bigint;
    };
    const door = openPriceDoor([{ match: 'GET /f', price: decide, ...bounded }]);
    const authorization = await door.buy('/f');
    for (answer of ['throw', 5000, -1n, 0n, 100_001n, undefined]) {
      const response = await door.ask('/f', { headers: { authorization } });
      expect([response.status, response.headers.get('retry-after'), await codeOf(response)]).toEqual([503, '5', 'price_unavailable']);
    }
    expect([door.minted(), door.seen.length]).toEqual([1, 0]);
    expect(door.logged.filter((line) => line.includes('"at":"price"'))).toHaveLength(6);
    expect(door.logged.join()).not.toContain('prices are gone');
    answer = 5000n;
    expect(await door.use('/f', authorization)).toBe('origin');
  });
});

describe('a price by a pricing service', () => {
  const route = {
    match: 'POST /asked/:job',
    service: 'asked',
    price: { service: 'PRICING', bodyPrefixBytes: 4096, cacheSeconds: 0 },
    ...bounded,
  };
  const answering = (priceMsat: unknown) => Response.json({ price_msat: priceMsat });
  const post = (body: string): RequestInit => ({ method: 'POST', body });

  it('P17: the invoice is over what the service makes of the body, and the origin gets the whole body', async () => {
    const door = openPriceDoor([route], async (request) => {
      const { body_base64: body } = await request.json<{ body_base64: string }>();
      return answering(String(atob(body).length * 1000));
    });
    const body = '{"prompt":"hello"}';
    expect([await door.price('/asked/run', post(body)), await door.price('/asked/run', post('ab'))]).toEqual([18_000n, 2000n]);
    expect(await door.use('/asked/run', await door.buy('/asked/run', post(body)), post(body))).toBe('origin');
    expect(door.seen).toMatchObject([{ body, priceMsat: '18000' }]);
    expect(await door.use('/asked/run', await door.buy('/asked/run', post('ab')), post(body))).toBe('payment_too_small');
  });

  it('M5: a token is held to the body that it was sold for', async () => {
    let priceMsat = '2000';
    const door = openPriceDoor([route], () => answering(priceMsat));
    const authorization = await door.buy('/asked/run', post('one'));
    priceMsat = '9000';
    expect(await door.use('/asked/run', authorization, post('two'))).toBe('payment_too_small');
    expect(await door.use('/asked/run', authorization, post('one'))).toBe('origin');
  });

  it('M26: a body longer than the prefix is 413; nobody is asked and no invoice is made', async () => {
    let asked = 0;
    const door = openPriceDoor([route], () => ((asked += 1), answering('1000')));
    expect(await door.price('/asked/run', post('x'.repeat(4097)))).toBe('body_too_large');
    expect([asked, door.minted()]).toEqual([0, 0]);
  });

  it('the question is signed with a key of its own, as docs/pricing.md says', async () => {
    const questions: { request: Request; body: string }[] = [];
    const door = openPriceDoor([route], async (request) => {
      questions.push({ request, body: await request.text() });
      return answering('1000');
    });
    await door.price('/asked/run', post('x'));
    const [{ request, body }] = questions as [(typeof questions)[number]];
    const header = (name: string) => request.headers.get(`x-l402-pricing-${name}`)!;
    const bytes = (text: string) => new TextEncoder().encode(text);
    const text = [
      'l402-pricing v1',
      request.method,
      new URL(request.url).pathname,
      formatHex(sha256(bytes(body))),
      header('time'),
      header('nonce'),
    ];
    const key = Uint8Array.from(PRICING_SECRET_HEX.match(/../g)!, (pair) => Number.parseInt(pair, 16));
    expect(header('signature')).toBe(formatHex(await hmac(key, concatBytes(bytes(`${text.join('\n')}\n`)))));
    expect(Math.abs(Number(header('time')) - Date.now() / 1000)).toBeLessThan(60);
    expect(body).not.toContain('L402');
  });

  it.each<[string, () => Response | Promise<Response>]>([
    ['is down', () => Promise.reject(new Error('connection refused'))],
    ['answers 500', () => new Response('{"price_msat":"1000"}', { status: 500 })],
    ['answers 404', () => new Response('{"price_msat":"1000"}', { status: 404 })],
    ['redirects', () => new Response(null, { status: 302, headers: { location: 'https://elsewhere.test/' } })],
    ['answers no JSON', () => new Response('1000')],
    ['answers a number', () => answering(1000)],
    ['answers a fraction', () => answering('1000.5')],
    ['answers below minSats', () => answering('999')],
    ['answers zero', () => answering('0')],
    ['answers above maxSats', () => answering('100001')],
    ['answers an amount with a sign', () => answering('-1000')],
    ['says more than a price', () => Response.json({ price_msat: '1000', free: true })],
    ['answers a list', () => Response.json(['1000'])],
    ['answers too much', () => answering(`1000${' '.repeat(2000)}`)],
  ])('M17: when the service %s the answer is 503: never free, never a guess, never an invoice', async (_, service) => {
    const door = openPriceDoor([route], service);
    const response = await door.ask('/asked/run', post('x'));
    expect([response.status, await codeOf(response), door.minted()]).toEqual([503, 'price_unavailable', 0]);
    expect(door.logged.some((line) => line.includes('"at":"price"'))).toBe(true);
  });
});
