/*
 * Prices as a seller writes them: every mistake is named with its key and with what would be right, before anything is sold.
 */
import { describe, expect, it } from 'vitest';
import { readConfig } from '#src/config/config.ts';

const SECRET = 'ab'.repeat(32);
const VARIABLES = {
  ORIGIN_URL: 'http://origin.test',
  BRIDGE_URL: 'http://bridge.test',
  NETWORK: 'regtest',
  TOKEN_SECRET_1: SECRET,
  BRIDGE_SECRET: 'b1'.repeat(32),
  PRICING_SECRET: 'cd'.repeat(32),
};

function problemsOf(gateway: unknown, variables: Readonly<Record<string, unknown>> = VARIABLES): readonly string[] {
  const config = readConfig(gateway, variables);
  return config.ok ? [] : config.refusal.map((problem) => problem.replace('gateway.config.ts: ', ''));
}

const problemsOfRoute = (route: object, rest: object = {}) => problemsOf({ routes: [{ match: '/a', ...route }], ...rest });
const bounded = { minSats: 1, maxSats: 100 };
const decide = () => 1000n;

describe('a key that nobody knows', () => {
  it.each([
    [{ orgin: 'http://x' }, 'orgin: unknown key; did you mean origin?'],
    [{ routes: [{ match: '/a', priceSat: 1 }] }, 'routes.0.priceSat: unknown key; did you mean priceSats?'],
    [{ routes: [{ match: '/a', pricesats: 1 }] }, 'routes.0.pricesats: unknown key; did you mean priceSats?'],
    [{ routes: [{ match: '/a', price: { paramter: 'n' } }] }, 'routes.0.price.paramter: unknown key; did you mean parameter?'],
    [{ routes: [{ match: '/a', priceFacts: { header: [] } }] }, 'routes.0.priceFacts.header: unknown key; did you mean headers?'],
    [{ graceHour: 1 }, 'graceHour: unknown key; did you mean graceHours?'],
  ])('is answered with the nearest one that is known (%j)', (gateway, problem) => {
    expect(problemsOf(gateway)).toContain(problem);
  });

  it('is answered with all that are known when none is near, and a variable likewise', () => {
    expect(problemsOfRoute({ priceFacts: { colour: 1 } })).toContain(
      'routes.0.priceFacts.colour: unknown key; allowed keys: parameters, headers',
    );
    expect(problemsOf({}, { ...VARIABLES, PRICE_SAT: '1' })).toEqual(['PRICE_SAT: unknown key; did you mean PRICE_SATS?']);
  });

  it.each<[object, string]>([
    [{ access: 'calls' }, 'access: must be "call"; or an object with calls, seconds, creditSats, maxPerMinute'],
    [{ access: { call: 1 } }, 'access.call: unknown key; did you mean calls?'],
    [{ origin: { binding: 'X' } }, 'origin.binding: unknown key; allowed keys: service'],
    [{ headers: { 'X-Plan': 'pro' } }, 'headers.X-Plan: must be a lower-case header name that is forwarded to the origin'],
    [
      { setHeaders: { 'X-Key': 'a' } },
      'setHeaders.X-Key: must be a lower-case header name that is neither reserved by the gateway nor hop-by-hop',
    ],
    [{ setHeaders: { 'x-key': 7 } }, 'setHeaders.x-key: must be printable ASCII, or { secret: "NAME" }'],
    [{ match: 'GTE /a' }, 'match: unknown method; did you mean GET?'],
    [{ host: 'api.example.com.' }, 'host: must be a lower-case host without port or trailing dot'],
    [{ host: 'API.example.com' }, 'host: must be a lower-case host without port or trailing dot'],
    [{ policy: { block: { cidr: [] } } }, 'policy.block.cidr: unknown key; did you mean cidrs?'],
  ])('or a form that is none of those that are meant is told with these: %j', (route, problem) => {
    expect(problemsOfRoute({ priceSats: 1, ...route })).toContain(`routes.0.${problem}`);
  });

  it.each(['PROPFIND', 'SEARCH', 'COPY', 'MOVE', 'LOCK', 'QUERY', 'ACL', 'BAN', 'PURGE', 'REPORT', 'MERGE'])(
    'no rarer method is taken for a mistake: %s',
    (method) => {
      expect(problemsOfRoute({ priceSats: 1, match: `${method} /a` })).toEqual([]);
    },
  );

  it.each([null, [], 'text'])('a file that is no object is told so: %j', (gateway) => {
    expect(problemsOf(gateway)).toEqual(['missing, or not of type object']);
  });

  it('a client address likewise', () => {
    expect(problemsOf({ clientAddress: { trustedHop: 1 } })).toContain('clientAddress.trustedHop: unknown key; did you mean trustedHops?');
  });

  it('a value of the wrong kind is answered with what is right, and never with the value', () => {
    const problems = problemsOf({ epochHours: 'secret', graceHours: 0, claimShardBits: 99 }, { ...VARIABLES, NETWORK: 'moon' });
    expect(problems).toEqual([
      'NETWORK: must be one of: mainnet, testnet, signet, regtest, simnet',
      'epochHours: missing, or not of type number',
      'graceHours: must be at least 1',
      'claimShardBits: must be at most 16',
    ]);
  });
});

describe('a balance', () => {
  const ofBalance = (creditSats: number, route: object, rest: object = {}) => problemsOfRoute({ access: { creditSats }, ...route }, rest);

  it.each<[number, object]>([
    [9, { priceSats: 10 }],
    [19, { price: { parameter: 'model', sats: { small: 1, large: 20 } } }],
    [1999, { price: { parameter: 'n', unitSats: 2, max: 1000 } }],
    [99, { price: decide, ...bounded }],
    [99, { price: { service: 'PRICING' }, ...bounded }],
    [99, { price: { perKibibyteSats: 1 }, ...bounded }],
  ])('M4: of %i sat that could not pay for what it is sold for is a mistake: %j', (creditSats, route) => {
    expect(ofBalance(creditSats, route)).toEqual([
      `routes.0.access.creditSats: must be at least ${creditSats + 1}000 msat, the price of this route's most expensive call`,
    ]);
    expect(ofBalance(creditSats + 1, route)).toEqual([]);
  });

  it('M17: sells no larger body than it can pay for where the price is by size alone', () => {
    const config = readConfig({ routes: [{ match: '/a', price: { perKibibyteSats: 2 }, access: { creditSats: 1000 } }] }, VARIABLES);
    const [route] = config.ok ? config.value.settings.routes.routes : [];
    expect(route?.sale).toMatchObject({ price: { kind: 'size', mostKibibytes: 500 } });
    expect(ofBalance(1, { price: { perKibibyteSats: 2 } })).toEqual(['routes.0.access.creditSats: must cover the price of one KiB']);
  });

  it('is no smaller than an invoice can be; what is drawn from it may be', () => {
    const route = { priceSats: 0.5 };
    expect(ofBalance(11, route, { smallestInvoiceMsat: 11_000 })).toEqual([]);
    expect(ofBalance(10, route, { smallestInvoiceMsat: 11_000 })).toEqual([
      'routes.0.access.creditSats: must be at least smallestInvoiceMsat (11000 msat)',
    ]);
  });
});

describe('prices', () => {
  it.each([
    { price: { parameter: 'n', unitSats: 2, max: 1000 } },
    { price: { header: 'x-count', unitSats: 0.5, max: 10 }, minSats: 1 },
    { price: { parameter: 'model', sats: { small: 1, large: 20 } }, ...bounded },
    { price: { header: 'x-model', sats: { small: 1 } } },
    { price: { perKibibyteSats: 1 } },
    { price: { perKibibyteSats: 1 }, ...bounded },
    { price: decide, ...bounded },
    { price: decide, ...bounded, priceFacts: { parameters: ['n'], headers: ['x-model'] } },
    { price: { service: 'https://prices.test/v1', bodyPrefixBytes: 65_536, cacheSeconds: 0, timeoutMs: 500 }, ...bounded },
    { price: { service: 'PRICING' }, ...bounded },
  ])('are taken: $price', (route) => {
    expect(problemsOfRoute(route)).toEqual([]);
  });

  it.each<[object, string]>([
    [{ price: 5 }, 'price: must be an object with parameter, header, unitSats, max, sats, perKibibyteSats, service, '],
    [{ price: {} }, 'price: must have exactly one of parameter, header, perKibibyteSats, service; for a fixed price use priceSats'],
    [{ price: { parameter: 'n', sats: { a: 1 } }, priceSats: 1 }, ': must have exactly one of priceSats, priceMsat, price, free, closed'],
    [
      { price: { parameter: 'n', header: 'x-n', unitSats: 1, max: 2 } },
      'price.header: cannot be combined with parameter (allowed beside it: unitSats, max)',
    ],
    [
      { price: { parameter: 'n', unitSats: 1, sats: { a: 1 } } },
      'price.unitSats: cannot be combined with parameter (allowed beside it: sats)',
    ],
    [{ price: { parameter: 'n', max: 1 } }, 'price.unitSats: missing; set it, or set sats with a price for each value'],
    [{ price: { parameter: 'n', unitSats: 1 } }, 'price.max: missing; set the largest number of units'],
    [{ price: { parameter: 'n[]', unitSats: 1, max: 1 } }, 'price.parameter: must match /^[A-Za-z0-9_-]{1,64}$/'],
    [{ price: { parameter: 'm', sats: {} } }, 'price.sats: must have 1 to 1000 values'],
    [{ price: { perKibibyteSats: 1, timeoutMs: 1 } }, 'price.timeoutMs: cannot be combined with perKibibyteSats'],
    [{ price: { service: 'https://u:p@prices.test' }, ...bounded }, 'price.service: must be an http or https URL without user info'],
    [{ price: { service: 'PRICING', max: 3 }, ...bounded }, 'price.max: cannot be combined with service'],
    [
      { price: { parameter: 'n', unitSats: 1, max: 2 }, priceFacts: {} },
      'priceFacts: only allowed with a price function or pricing service',
    ],
    [{ priceSats: 1, minSats: 1 }, 'minSats: only allowed together with price'],
    [{ free: true, maxSats: 1 }, 'maxSats: only allowed together with price'],
  ])('are refused with their key: %j', (route, problem) => {
    expect(problemsOfRoute(route).join('\n')).toContain(`routes.0${problem.startsWith(':') ? '' : '.'}${problem}`);
  });

  it.each(['authorization', 'x-l402-claim', 'connection', 'content-length', 'host', 'X-Model', 'x_model', 'macaroon'])(
    'M26: a header that does not reach the origin as it was sent cannot decide a price: %s',
    (header) => {
      const problem = 'must be a lower-case header name that is forwarded to the origin';
      expect(problemsOfRoute({ price: { header, sats: { a: 1 } } })).toEqual([`routes.0.price.header: ${problem}`]);
      expect(problemsOfRoute({ price: decide, ...bounded, priceFacts: { headers: [header] } })).toEqual([
        `routes.0.priceFacts.headers.0: ${problem}`,
      ]);
    },
  );

  it('a function or a service is not asked without bounds', () => {
    for (const price of [decide, { service: 'PRICING' }]) {
      expect(problemsOfRoute({ price })).toHaveLength(2);
      expect(problemsOfRoute({ price, minSats: 1 }).join()).toContain('maxSats: missing');
      expect(problemsOfRoute({ price, minSats: 5, maxSats: 4 })).toEqual(['routes.0.maxSats: must be at least minSats']);
    }
  });

  it('bounds that a formula cannot keep are refused', () => {
    const count = { parameter: 'n', unitSats: 2, max: 1000 };
    expect(problemsOfRoute({ price: count, maxSats: 1999 })).toEqual(['routes.0.maxSats: must be at least unitSats × max']);
    expect(problemsOfRoute({ price: count, maxSats: 2000 })).toEqual([]);
    expect(problemsOfRoute({ price: { ...count, unitSats: 1e9, max: 1_000_000_000 } })).toEqual([
      'routes.0.price.max: times unitSats is more than 21 million bitcoin',
    ]);
    const table = { parameter: 'm', sats: { small: 1, large: 20 } };
    expect(problemsOfRoute({ price: table, minSats: 2, maxSats: 19 })).toEqual([
      'routes.0.price.sats.small: must be at least minSats',
      'routes.0.price.sats.large: must be at most maxSats',
    ]);
    expect(problemsOfRoute({ price: { perKibibyteSats: 2 }, maxSats: 1 })).toEqual(['routes.0.maxSats: must cover the price of one KiB']);
  });

  it('D8: a price below the smallest invoice of the backend is refused at start, one satoshi unless told otherwise', () => {
    const least = 'must be at least smallestInvoiceMsat (1000 msat)';
    expect(problemsOfRoute({ priceMsat: 999 })).toEqual([`routes.0.priceMsat: ${least}`]);
    expect(problemsOfRoute({ priceSats: 0.5 })).toEqual([`routes.0.priceSats: ${least}`]);
    expect(problemsOfRoute({ price: { parameter: 'n', unitSats: 0.5, max: 5 } })).toEqual([`routes.0.price.unitSats: ${least}`]);
    expect(problemsOfRoute({ price: { parameter: 'm', sats: { a: 0.5 } } })).toEqual([`routes.0.price.sats.a: ${least}`]);
    expect(problemsOfRoute({ price: decide, minSats: 0.5, maxSats: 1 })).toEqual([`routes.0.minSats: ${least}`]);
    for (const route of [{ priceMsat: 1 }, { priceMsat: 999 }, { price: decide, minSats: 0.001, maxSats: 1 }]) {
      expect(problemsOfRoute(route, { smallestInvoiceMsat: 1 })).toEqual([]);
    }
    expect(problemsOfRoute({ priceSats: 0 }, { smallestInvoiceMsat: 1 })).toHaveLength(1);
    const everything = problemsOf({ smallestInvoiceMsat: 2000 }, { ...VARIABLES, PRICE_SATS: '1' });
    expect(everything).toEqual(['PRICE_SATS: must be at least smallestInvoiceMsat (2000 msat)']);
  });

  it('M4: routes of one service and tier are priced by the same rule, however it is written', () => {
    const routes = (...prices: readonly object[]) =>
      problemsOf({ routes: prices.map((price, index) => Object.assign({ match: `/${index}`, service: 's' }, price)) });
    const count = { price: { parameter: 'n', unitSats: 2, max: 10 } };
    expect(routes(count, count)).toEqual([]);
    expect(routes({ priceSats: 1 }, { priceMsat: 1000 })).toEqual([]);
    expect(routes({ price: decide, ...bounded }, { price: decide, ...bounded })).toEqual([]);
    expect(routes({ price: decide, ...bounded }, { price: () => 1000n, ...bounded })).toHaveLength(1);
    expect(routes(count, { price: { parameter: 'n', unitSats: 3, max: 10 } })).toHaveLength(1);
    expect(routes(count, { priceSats: 2 })).toHaveLength(1);
  });

  it('a pricing service needs a secret of its own', () => {
    const asked = { routes: [{ match: '/a', price: { service: 'https://prices.test' }, ...bounded }] };
    const { PRICING_SECRET: _, ...without } = VARIABLES;
    expect(problemsOf(asked, without)).toEqual(['PRICING_SECRET: missing; a route uses a pricing service']);
    expect(problemsOf(asked, { ...VARIABLES, PRICING_SECRET: SECRET.toUpperCase() })).toEqual([
      'PRICING_SECRET: must differ from every other secret',
    ]);
    const config = readConfig({ routes: [{ match: '/a', price: { service: 'PRICING' }, ...bounded }] }, VARIABLES);
    expect(config.ok && config.value.pricing.bindings).toEqual(['PRICING']);
  });
});
