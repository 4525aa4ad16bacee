/*
 * What a request costs, worked out without a gateway round it: formulas, the facts that a function gets, digests.
 */
import { describe, expect, it } from 'vitest';
import { type PriceFacts } from '#gateway/pricing/price.ts';
import { type PriceQuestion } from '#src/ports.ts';
import { type RouteConfig } from '#src/config/route.ts';
import { openCounter } from '#support/price-counter.ts';

const bounded = { minSats: 1, maxSats: 100 };

describe('a price by formula', () => {
  it('a fixed price has one quote for all, and no promise', () => {
    const { ask } = openCounter({ priceSats: 3 });
    const [one, other] = [ask('/a?x=1'), ask('/b', { method: 'POST', body: 'x' })];
    expect(one).not.toBeInstanceOf(Promise);
    expect((one as { value: unknown }).value).toBe((other as { value: unknown }).value);
  });

  it('P17: by a count, as many times the unit as the parameter says, and no promise', async () => {
    const { price, ask } = openCounter({ price: { parameter: 'n', unitSats: 2, max: 1000 } });
    expect(ask('/a?n=5')).not.toBeInstanceOf(Promise);
    expect([await price('/a?n=1'), await price('/a?other=9&n=1000')]).toEqual([2000n, 2_000_000n]);
  });

  it.each([
    '',
    '?n',
    '?n=',
    '?n=0',
    '?n=-1',
    '?n=+1',
    '?n=01',
    '?n=1.0',
    '?n=1e3',
    '?n=0x1',
    '?n=1001',
    '?n=99999999999',
    '?n=%31%20',
    '?n=١',
  ])('M26: a count that is no plain number in range is refused, never rounded and never a default: %s', async (query) => {
    expect(await openCounter({ price: { parameter: 'n', unitSats: 2, max: 1000 } }).price(`/a${query}`)).toBe('price_input_invalid');
  });

  it.each([
    '?n=1&n=5',
    '?n=5&n=1',
    '?n=1&N=5',
    '?%6e=1',
    '?n=1&n[]=5',
    '?n=1&n%5B0%5D=5',
    '?n=1;n=5',
    '?a;n=1',
    '?n=1&+n=5',
    '?n=%zz',
    '?n=1%00',
  ])('M26: a priced parameter that an origin could read otherwise is refused: %s', async (query) => {
    expect(await openCounter({ price: { parameter: 'n', unitSats: 2, max: 1000 } }).price(`/a${query}`)).toBe('parameter_ambiguous');
  });

  it('P17: by a table, and a value that is not listed is refused', async () => {
    const { price } = openCounter({ price: { parameter: 'model', sats: { small: 1, large: 20, 'a b': 3 } } });
    expect([await price('/a?model=small'), await price('/a?model=l%61rge'), await price('/a?model=a+b')]).toEqual([1000n, 20_000n, 3000n]);
    for (const query of ['', '?model', '?model=Small', '?model=small%20', '?model=constructor', '?model=__proto__']) {
      expect(await price(`/a${query}`), query).toBe('price_input_invalid');
    }
  });

  it('P17: by a header, in both ways', async () => {
    const table = openCounter({ price: { header: 'x-model', sats: { small: 1, large: 20 } } });
    expect(await table.price('/a', { headers: { 'X-Model': 'large' } })).toBe(20_000n);
    expect(await table.price('/a')).toBe('price_input_invalid');
    const count = openCounter({ price: { header: 'x-count', unitSats: 1, max: 5 } });
    expect(await count.price('/a', { headers: { 'x-count': '5' } })).toBe(5000n);
    expect(await count.price('/a', { headers: { 'x-count': '6' } })).toBe('price_input_invalid');
  });

  it.each<[string, [string, string][]]>([
    [
      'twice',
      [
        ['x-model', 'small'],
        ['x-model', 'large'],
      ],
    ],
    ['with a comma', [['x-model', 'small,large']]],
    [
      'beside one with an underscore',
      [
        ['x-model', 'small'],
        ['x_model', 'large'],
      ],
    ],
    ['only with an underscore', [['x_model', 'small']]],
    [
      'beside one with a dot',
      [
        ['x-model', 'small'],
        ['x.model', 'large'],
      ],
    ],
    [
      'named in Connection',
      [
        ['x-model', 'small'],
        ['connection', 'close, X-Model'],
      ],
    ],
    ['with letters that are not ASCII', [['x-model', 'smäll']]],
  ])('M26: a priced header is refused %s', async (_, headers) => {
    expect(await openCounter({ price: { header: 'x-model', sats: { small: 1, large: 20 } } }).price('/a', { headers })).toBe(
      'header_ambiguous',
    );
  });

  it('P17: by size, each kibibyte that is begun, and no body as one', async () => {
    const { price } = openCounter({ price: { perKibibyteSats: 2 }, maxSats: 10 });
    const post = (length: string) => price('/a', { method: 'POST', body: 'x', headers: { 'content-length': length } });
    expect(await Promise.all(['0', '1', '1024', '1025', '5120'].map(post))).toEqual([2000n, 2000n, 2000n, 4000n, 10_000n]);
    expect(await price('/a')).toBe(2000n);
    expect(await post('5121')).toBe('body_too_large');
  });

  it('M26: a size that is not told plainly is 411', async () => {
    const { price } = openCounter({ price: { perKibibyteSats: 2 } });
    expect(await price('/a', { method: 'POST', body: 'x' })).toBe('length_required');
    for (const length of ['', '-1', '1, 1', '0x10', '1e3', '+5', '05', '9'.repeat(16)]) {
      expect(await price('/a', { method: 'POST', body: 'x', headers: { 'content-length': length } }), length).toBe('length_required');
    }
    const both = { 'content-length': '1', 'transfer-encoding': 'chunked' };
    expect(await price('/a', { method: 'POST', body: 'x', headers: both })).toBe('length_required');
  });

  it('asks for minSats at least', async () => {
    const count = openCounter({ price: { parameter: 'n', unitSats: 0.25, max: 100 }, minSats: 1 });
    expect([await count.price('/a?n=1'), await count.price('/a?n=4'), await count.price('/a?n=5')]).toEqual([1000n, 1000n, 1250n]);
    expect(await openCounter({ price: { perKibibyteSats: 1 }, minSats: 3 }).price('/a')).toBe(3000n);
  });
});

describe('a price by a function', () => {
  it('P17: gets plain frozen facts: method, host, path, its named parts, the query, the headers that were asked for', async () => {
    const seen: PriceFacts[] = [];
    const decide = (facts: PriceFacts) => (seen.push(facts), 7000n);
    const { price } = openCounter({ match: '/v1/:model/:id', price: decide, ...bounded, priceFacts: { headers: ['x-plan'] } });
    expect(
      await price('/v1/gr%C3%BCn/7', { method: 'HEAD', headers: { 'x-plan': 'pro', 'x-other': '1', authorization: 'Bearer k' } }),
    ).toBe(7000n);
    expect(await openCounter({ price: decide, ...bounded }).price('/a?b=2&a=1&c')).toBe(7000n);
    expect(await openCounter({ price: decide, ...bounded, priceFacts: { parameters: ['a'] } }).price('/a?b=2&b=3&a=1')).toBe(7000n);
    expect(seen).toMatchObject([
      {
        method: 'GET',
        host: 'shop.test',
        path: '/v1/gr%C3%BCn/7',
        pathParameters: { model: 'grün', id: '7' },
        headers: { 'x-plan': 'pro' },
      },
      { queryParameters: { a: '1', b: '2', c: '' }, headers: {} },
      { queryParameters: { a: '1' } },
    ]);
    expect(Object.keys(seen[0]!.headers)).toEqual(['x-plan']);
    expect(Object.keys(seen[2]!.queryParameters)).toEqual(['a']);
    const [facts] = seen;
    expect([facts, facts!.headers, facts!.queryParameters, facts!.pathParameters].every((part) => Object.isFrozen(part))).toBe(true);
    expect(facts!.queryParameters['constructor']).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['a number', 1000],
    ['nothing', undefined],
    ['a negative amount', -1000n],
    ['nothing to pay', 0n],
    ['less than minSats', 999n],
    ['more than maxSats', 100_001n],
    ['text', '1000'],
    ['a promise of a number', Promise.resolve(1000)],
  ])('is 503 and logged when it answers %s: never free, never a guess', async (_, answer) => {
    const counter = openCounter({ price: () => answer as bigint, ...bounded });
    expect(await counter.price('/a')).toBe('price_unavailable');
    expect(counter.logged).toHaveLength(1);
  });

  it('is 503 when it throws, rejects or takes too long, and the log says where without quoting the request', async () => {
    const sync = openCounter({ price: ({ queryParameters }) => BigInt(queryParameters['n']!), ...bounded });
    expect(await sync.price('/a?n=my-secret')).toBe('price_unavailable');
    expect(sync.logged).toEqual([expect.stringMatching(/^the price function threw a SyntaxError at .*price\.test/)]);
    const rejecting = openCounter({ price: () => Promise.reject(new Error('my-secret')), ...bounded });
    expect(await rejecting.price('/a')).toBe('price_unavailable');
    expect(rejecting.logged.join()).not.toContain('my-secret');
    const waits: number[] = [];
    const wait = (ms: number) => (waits.push(ms), Promise.resolve());
    const endless = openCounter({ price: () => new Promise<bigint>(() => undefined), ...bounded }, { wait });
    expect([await endless.price('/a'), waits]).toEqual(['price_unavailable', [5000]]);
  });

  it.each(['?a=1&a=2', '?a=1&A=2', '?%61=1', '?a[]=1', '?a=1;b=2', '?=1', '?a.b=1&a_b=2', `?${'x=1&'.repeat(65)}`])(
    'M26: every parameter of the query may decide, so each stands once and plainly: %s',
    async (query) => {
      expect(await openCounter({ price: () => 1000n, ...bounded }).price(`/a${query}`)).toBe('parameter_ambiguous');
    },
  );
});

describe('a price by a service', () => {
  const asked = (answer: unknown, price = {}) => {
    const questions: PriceQuestion[] = [];
    const pricing = (question: PriceQuestion) => (questions.push(question), Promise.resolve(answer as never));
    return { questions, ...openCounter({ match: 'POST /v1/:job', price: { service: 'PRICING', ...price }, ...bounded }, { pricing }) };
  };

  it('P17: is told the facts and the body, and the whole body is kept for the origin', async () => {
    const { quote, questions } = asked(5000n, { bodyPrefixBytes: 8, timeoutMs: 77, cacheSeconds: 5 });
    const answer = await quote('/v1/run?b=1&a=2', { method: 'POST', body: 'a body' });
    expect(answer).toMatchObject({ priceMsat: 5000n, body: { kind: 'read', bytes: new TextEncoder().encode('a body') } });
    expect(questions).toMatchObject([{ service: 'PRICING', timeoutMs: 77, cacheSeconds: 5 }]);
    expect(JSON.parse(questions[0]!.body)).toEqual({
      version: 1,
      route: 'POST /v1/:job',
      method: 'POST',
      host: 'shop.test',
      path: '/v1/run',
      path_parameters: { job: 'run' },
      query_parameters: { a: '2', b: '1' },
      headers: {},
      body_base64: 'YSBib2R5',
    });
  });

  it('M26: a body longer than the prefix is 413 and nobody is asked', async () => {
    const { price, questions } = asked(5000n, { bodyPrefixBytes: 8 });
    expect(await price('/v1/run', { method: 'POST', body: '123456789' })).toBe('body_too_large');
    expect(await price('/v1/run', { method: 'POST', body: '1', headers: { 'content-length': '9' } })).toBe('body_too_large');
    expect(questions).toEqual([]);
    expect(await price('/v1/run', { method: 'POST', body: '12345678' })).toBe(5000n);
  });

  it('leaves the body alone when it is not shown', async () => {
    const { quote, questions } = asked(5000n);
    expect(await quote('/v1/run', { method: 'POST', body: 'a body' })).toMatchObject({ body: undefined });
    expect(questions[0]!.body).not.toContain('body');
  });

  it('is 503 when it cannot be asked, and when its answer is out of bounds', async () => {
    const down = openCounter({ price: { service: 'PRICING' }, ...bounded });
    expect([await down.price('/a'), down.logged]).toEqual(['price_unavailable', ['nobody to ask']]);
    for (const answer of [0n, 999n, 100_001n, 5000, undefined])
      expect(await asked(answer).price('/v1/a', { method: 'POST' })).toBe('price_unavailable');
  });
});

describe('the digest of a quote', () => {
  it('M5: is over route and inputs, never the price', async () => {
    const cheap = openCounter({ price: { parameter: 'n', unitSats: 2, max: 10 } });
    const expensive = openCounter({ price: { parameter: 'n', unitSats: 9, max: 99 }, minSats: 50 });
    expect(await cheap.digest('/a?n=3&x=1')).toBe(await expensive.digest('/b?n=3'));
    expect(await cheap.digest('/a?n=3')).not.toBe(await cheap.digest('/a?n=4'));
    const size = openCounter({ price: { perKibibyteSats: 1 } });
    const post = (length: number) => size.digest('/a', { method: 'POST', body: 'x', headers: { 'content-length': String(length) } });
    expect(await post(1)).toBe(await post(1024));
    expect(await post(1)).not.toBe(await post(1025));
  });

  it('M5: is another for another kind of input, another route and another value, and the same however the query is ordered', async () => {
    const priced = (price: NonNullable<RouteConfig['price']>, match = '/*') => openCounter({ match, price, ...bounded });
    const digests = await Promise.all([
      priced({ parameter: 'm', sats: { 1: 1 } }).digest('/a?m=1'),
      priced({ parameter: 'm', sats: { 1: 1 } }, '/a').digest('/a?m=1'),
      priced({ parameter: 'n', sats: { 1: 1 } }).digest('/a?n=1'),
      priced({ header: 'm', sats: { 1: 1 } }).digest('/a', { headers: { m: '1' } }),
      priced(() => 1000n).digest('/a?m=1'),
      priced(() => 1000n).digest('/a?m=2'),
      priced(() => 1000n).digest('/b?m=1'),
      priced(() => 1000n).digest('/a?m=1', { method: 'POST' }),
      openCounter({ priceSats: 1 }).digest('/a'),
    ]);
    expect(new Set(digests).size).toBe(digests.length);
    expect(digests.every((digest) => /^[0-9a-f]{32}$/.test(digest))).toBe(true);
    expect(await priced(() => 1000n).digest('/a?m=1&b=2')).toBe(await priced(() => 2000n).digest('/a?b=2&m=1'));
  });
});
