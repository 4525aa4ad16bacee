/*
 * Configuration: every problem at once, by key and never with a value; a gateway that is half right is not built.
 */
import { describe, expect, it } from 'vitest';
import { readConfig } from '#src/config/config.ts';
import { testGateway } from '#support/test-gateway.ts';

const SECRET = 'ab'.repeat(32);
const VARIABLES = {
  ORIGIN_URL: 'http://origin.test',
  BRIDGE_URL: 'http://bridge.test',
  NETWORK: 'regtest',
  TOKEN_SECRET_1: SECRET,
  BRIDGE_SECRET: 'b1'.repeat(32),
};

function problemsOf(gateway: unknown, variables: Readonly<Record<string, unknown>> = VARIABLES): readonly string[] {
  const config = readConfig(gateway, variables);
  return config.ok ? [] : config.refusal;
}

function serviceOf(routes: readonly object[], index = 0): string {
  const config = readConfig({ routes }, VARIABLES);
  if (!config.ok) throw new Error(config.refusal.join('; '));
  const { sale } = config.value.settings.routes.routes[index]!;
  return sale.kind === 'paid' ? sale.service : sale.kind;
}

describe('configuration', () => {
  it('sells everything at one satoshi when only an origin is named', () => {
    const config = readConfig({}, VARIABLES);
    expect(config.ok && config.value.settings.routes.routes.map(({ match, sale }) => [match, sale.kind === 'paid' && sale.price])).toEqual([
      ['/*', { kind: 'fixed', priceMsat: 1000n }],
    ]);
  });

  it('lists every problem at once, by key, and shows no value', () => {
    const problems = problemsOf(
      {
        origin: 'ftp://x',
        colour: 'red',
        routes: [
          { match: 'GET x', priceSats: 1 },
          { match: '/a', priceSats: -1 },
          { match: '/b', free: true, priceSats: 2 },
        ],
      },
      { ...VARIABLES, BRIDGE_SECRET: 'tooshort', PRICE_SAT: '1', NETWORK: 'moon' },
    ).join('\n');
    for (const key of ['gateway.config.ts: origin:', 'colour: unknown key', 'BRIDGE_SECRET:', 'PRICE_SAT: unknown key', 'NETWORK:'])
      expect(problems).toContain(key);
    expect(problems).not.toMatch(/tooshort|moon|ftp/);
    const routes = problemsOf({
      routes: [
        { match: 'GET x', priceSats: 1 },
        { match: '/a', priceSats: -1 },
        { match: '/b', free: true, priceSats: 2 },
        { match: '/c' },
      ],
    });
    expect(routes.map((problem) => problem.replace(/^gateway.config.ts: /, '').split(':')[0])).toEqual([
      'routes.0.match',
      'routes.1.priceSats',
      'routes.2',
      'routes.3',
    ]);
  });

  it('tells what a file means wrongly beside what is wrong in its form, where that is in its origin or in routes', () => {
    const routes = [
      { match: 'GET /a', priceSats: '5' },
      { match: 'get /b', priceSats: 7 },
      { match: 'GET /c', priceSats: 9, access: { calls: 10, seconds: 2_592_000 } },
    ];
    const keysOf = (gateway: object) => problemsOf(gateway).map((problem) => problem.replace('gateway.config.ts: ', '').split(':')[0]);
    expect(keysOf({ origin: 'localhost:3000', routes })).toEqual(['origin', 'routes.0.priceSats', 'routes.1.match', 'graceHours']);
    // A default in the place of what was meant would make mistakes of its own.
    expect(keysOf({ graceHours: '800', routes })).toEqual(['routes.0.priceSats', 'graceHours']);
    expect(keysOf({ routes: routes.slice(0, 1) })).toEqual(['routes.0.priceSats']);
  });

  it('says in words what a description may hold', () => {
    const routes = [{ match: '/a', priceSats: 1, description: 'Naïve' }];
    expect(problemsOf({ routes })).toEqual(['gateway.config.ts: routes.0.description: must be printable ASCII']);
  });

  it('refuses to be built without its secrets, and names them', () => {
    const problems = problemsOf(testGateway, { BRIDGE_URL: 'http://bridge.test', NETWORK: 'regtest' }).join('\n');
    expect(problems).toContain('BRIDGE_SECRET');
    expect(problemsOf(testGateway, { ...VARIABLES, TOKEN_SECRET_1: undefined, TOKEN_SECRET_300: SECRET }).join('\n')).toMatch(
      /TOKEN_SECRET_300.*\n?.*TOKEN_SECRET_1: missing/s,
    );
  });

  it.each(['/a/../b', '//a', '/a*', '/a/*/b', 'get /a', 'TRACE /a', '/:a/:a', '/%61', 'GET  /a'])('refuses the pattern %s', (match) => {
    expect(problemsOf({ routes: [{ match, priceSats: 1 }] })).toHaveLength(1);
  });

  it.each(['BRIDGE_SECRET', 'ORIGIN_SECRET', 'PRICING_SECRET', 'ADMIN_SECRET'])('M28: %s is none of the keys that sign tokens', (name) => {
    const keys = { ...VARIABLES, TOKEN_SECRET_7: 'cd'.repeat(32) };
    for (const taken of [SECRET, 'CD'.repeat(32)]) {
      const problems = problemsOf({}, { ...keys, [name]: taken });
      expect(problems).toEqual([`${name}: must differ from every other secret`]);
    }
    expect(problemsOf({}, { ...keys, [name]: 'ef'.repeat(32) })).toEqual([]);
  });

  it('M4: a route without a service is a service of its own, named by what it matches and not by its place', () => {
    const route = { match: 'GET /v1/weather/*', priceSats: 1 };
    const name = serviceOf([route]);
    expect(name).toMatch(/^[a-z][a-z0-9-]{0,31}$/);
    expect(serviceOf([{ match: '/first', priceSats: 9 }, route], 1)).toBe(name);
    expect(serviceOf([{ ...route, priceSats: 2 }])).toBe(name);
    expect(serviceOf([{ ...route, host: 'other.test' }])).not.toBe(name);
    expect(serviceOf([{ ...route, query: { a: 'b' } }])).not.toBe(name);
  });

  it('M4: routes of one service and tier at different prices are a mistake; another tier is not', () => {
    const routes = (tier: number) => [
      { match: '/a', service: 'one', priceSats: 1 },
      { match: '/b', service: 'one', tier, priceSats: 2 },
    ];
    expect(problemsOf({ routes: routes(0) })).toHaveLength(1);
    expect(problemsOf({ routes: routes(1) })).toEqual([]);
    expect(problemsOf({ routes: [{ match: '/a', service: 'Upper', priceSats: 1 }] })).toHaveLength(1);
  });

  it('reports a route that can never match', () => {
    const config = readConfig(
      {
        routes: [
          { match: '/v1/*', priceSats: 1 },
          { match: 'GET /v1/dear', priceSats: 100 },
        ],
      },
      VARIABLES,
    );
    expect(config.ok && config.value.warnings).toEqual(['route "GET /v1/dear" can never match: "/v1/*" comes first']);
  });
});

describe('grace', () => {
  const HOUR = 3600;
  /** An invoice's ten minutes, and five for a node whose clock runs ahead. */
  const BEFORE = 600 + 300;
  const sells = (seconds: number, changes: object = {}) =>
    problemsOf({ routes: [{ match: '/a', priceSats: 1, access: { seconds } }], graceHours: 100, ...changes });

  it('M8: shorter than the longest life that is sold is a mistake that says what would do', () => {
    expect(sells(100 * HOUR - BEFORE)).toEqual([]);
    expect(sells(100 * HOUR - BEFORE + 1)).toEqual([
      'gateway.config.ts: graceHours: must be at least 101, the lifetime of the longest-lived token on sale',
    ]);
    expect(sells(100 * HOUR - BEFORE, { invoiceExpirySeconds: 601 })).toHaveLength(1);
    expect(sells(60, { redeemSeconds: 100 * HOUR - BEFORE + 1 })).toHaveLength(1);
  });

  it('M8: for every life that can be sold there is one that suffices', () => {
    expect(sells(365 * 86_400, { graceHours: 8784 })).toEqual([]);
    expect(sells(365 * 86_400 + 1, { graceHours: 8784 })).toEqual(['gateway.config.ts: routes.0.access.seconds: must be at most 31536000']);
  });
});
