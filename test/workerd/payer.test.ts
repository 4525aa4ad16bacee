/*
 * The client before a real gateway (M47): what that says of a credential, and what the client makes of it. Payments are counted.
 */
import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { createL402Fetch } from '#client/index.ts';
import { defineGateway, type Gateway } from '#src/config/config.ts';
import { startEmbedded } from './embedded-mint.ts';
import { openGateway } from './front-door.ts';

beforeEach(() => reset());

/** A gateway that sells this, and one who buys there; payments and requests are counted. */
function openPayer(routes: Gateway['routes']) {
  const node = startEmbedded();
  const door = openGateway(defineGateway({ origin: 'http://origin.test', routes }), { parts: { lightning: node } });
  const counted = { payments: 0, requests: 0 };
  const l402Fetch = createL402Fetch({
    maxPriceSats: 1000,
    network: 'regtest',
    wallet: async (invoice) => {
      counted.payments += 1;
      return node.pay(invoice);
    },
    fetch: async (input, init) => {
      counted.requests += 1;
      const { pathname, search } = new URL(String(input));
      return door.ask(pathname + search, { headers: new Headers(init?.headers) });
    },
  });
  const buyAll = async (paths: readonly string[]) => {
    for (const path of paths) expect((await l402Fetch(`http://gateway.test${path}`)).status).toBe(200);
  };
  return { counted, buyAll };
}

describe('a payer', () => {
  const pack = { access: { calls: 100 } };

  it.each<[string, Gateway['routes'], readonly string[]]>([
    [
      'tiers',
      [
        { match: '/low', service: 's', tier: 0, priceSats: 100, ...pack },
        { match: '/high', service: 's', tier: 1, priceSats: 200, ...pack },
      ],
      ['/low', '/high'],
    ],
    [
      'capabilities',
      [
        { match: '/read', service: 's', priceSats: 100, capabilities: ['read'], ...pack },
        { match: '/write', service: 's', priceSats: 100, capabilities: ['write'], ...pack },
      ],
      ['/read', '/write'],
    ],
    [
      'prices',
      [{ match: '/count', price: { parameter: 'n', unitSats: 2, max: 50 }, ...pack }],
      ['/count?n=1', '/count?n=3', '/count?n=20'],
    ],
    [
      'services without a name',
      Array.from({ length: 9 }, (_, index) => ({ match: `/r${index}`, priceSats: 100, ...pack })),
      Array.from({ length: 9 }, (_, index) => `/r${index}`),
    ],
  ])('M47: who calls in turn what needs different %s buys each once', async (_, routes, paths) => {
    const { counted, buyAll } = openPayer(routes);
    await buyAll(paths);
    expect(counted.payments).toBe(paths.length);
    counted.requests = 0;
    for (let round = 0; round < 4; round++) await buyAll(paths);
    // And sends each time what was taken there before.
    expect(counted).toEqual({ payments: paths.length, requests: 4 * paths.length });
  });

  it('M47: whose balance is too small for an expensive call spends the rest of it on cheap ones', async () => {
    const access = { creditSats: 100 };
    const { counted, buyAll } = openPayer([
      { match: '/cheap', service: 's', priceSats: 10, access },
      { match: '/dear', service: 's', priceSats: 80, access },
    ]);
    await buyAll(['/cheap', '/cheap', '/cheap', '/dear']);
    expect(counted.payments).toBe(2);
    // 70 and 20 are left.
    await buyAll(Array.from({ length: 9 }, () => '/cheap'));
    expect(counted.payments).toBe(2);
    await buyAll(['/cheap']);
    expect(counted.payments).toBe(3);
  });
});
