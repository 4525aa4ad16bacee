/*
 * The shipped gateway.config.ts is told from a seller's own by what it says.
 */
import { describe, expect, it } from 'vitest';
import { hasSampleOrigin, hasSampleRoutes, SAMPLE_GATEWAY } from '#scripts/sample-gateway.ts';
import { planSale, readStartSettings } from '#scripts/local-sale.ts';
import { gateway as shipped } from '../../gateway.config.ts';

const secrets = { tokenSecretHex: '0a'.repeat(32), bridgeSecretHex: '0b'.repeat(32), nodeKeyHex: '0c'.repeat(32) };
const OWN = {
  origin: 'https://api.example.com/base',
  routes: [
    { match: 'GET /health', free: true },
    { match: 'GET /v1/ask', price: { parameter: 'n', unitSats: 1, max: 9 } },
    { match: 'POST /v1/weather/:city/*', query: { svc: 'a b' }, priceSats: 7 },
  ],
};

function plan(gateway: unknown, environment: Readonly<Record<string, string>> = {}) {
  const settings = readStartSettings(environment);
  const sale = settings.ok ? planSale(gateway, settings.value, { environment, secrets }) : settings;
  return sale.ok ? sale.value : sale.refusal;
}

describe('the sample', () => {
  it('is what the shipped gateway.config.ts sells', () => {
    expect(shipped).toEqual(SAMPLE_GATEWAY);
    expect([hasSampleOrigin(shipped), hasSampleRoutes(shipped)]).toEqual([true, true]);
  });

  it('is sold no longer once the file names another origin, and has no say over prices once a route is another', () => {
    expect(hasSampleOrigin({ ...shipped, origin: 'http://127.0.0.1:3000' })).toBe(false);
    const [health, greeting, ...others] = shipped.routes!;
    expect(hasSampleRoutes({ ...shipped, routes: [health, { ...greeting, priceSats: 2 }, ...others] })).toBe(false);
    for (const nothing of [undefined, {}, 3]) expect([hasSampleOrigin(nothing), hasSampleRoutes(nothing)]).toEqual([false, false]);
  });
});

describe('what npm start sells', () => {
  it('is the sample as long as the file names its origin, also when a price of it was changed', () => {
    expect(plan(shipped)).toMatchObject({ origin: 'sample', isSample: true, priceSats: undefined, call: { path: '/greeting' } });
    const changed = { ...shipped, routes: [{ match: 'GET /greeting', priceSats: 2 }] };
    expect(plan(changed)).toMatchObject({ origin: 'sample', isSample: false, priceSats: undefined });
  });

  it('is the origin of the file where it is another, and the call that is suggested is one that the file sells', () => {
    expect(plan(OWN)).toMatchObject({
      origin: 'configured',
      originName: 'https://api.example.com/base',
      priceSats: undefined,
      call: { method: 'POST', path: '/v1/weather/city/example?svc=a+b' },
    });
  });

  it('is all of ORIGIN_URL at a satoshi over the routes of the sample, and by the own routes over others', () => {
    const environment = { ORIGIN_URL: 'http://127.0.0.1:3000' };
    expect(plan(shipped, environment)).toMatchObject({ origin: { url: 'http://127.0.0.1:3000' }, priceSats: '1', call: { path: '/' } });
    expect(plan(OWN, environment)).toMatchObject({ originName: 'http://127.0.0.1:3000', priceSats: undefined });
    expect(plan(OWN, { ...environment, PRICE_SATS: '' })).toMatchObject({ priceSats: undefined });
    expect(plan(OWN, { ...environment, PRICE_SATS: '3' })).toMatchObject({ priceSats: '3' });
  });

  it('is nothing where something is wrong, which is said', () => {
    for (const port of ['99999', '-1', 'abc']) expect(plan(OWN, { PORT: port })).toEqual(['PORT: must be a whole number from 0 to 65535']);
    expect(plan({ routes: OWN.routes })).toEqual(['gateway.config.ts: origin: missing; set it, or set ORIGIN_URL']);
    expect(plan({ ...OWN, origin: { service: 'API' } })).toEqual([expect.stringContaining('a service binding exists only on Cloudflare')]);
    expect(plan(OWN, { PRICE_SATS: '1.5' })).toEqual(['PRICE_SATS: must be a whole number of satoshis, at least 1']);
  });

  it('has the secrets that the file names, from variables of their names', () => {
    const routes = [{ match: '/*', priceSats: 1, setHeaders: { 'x-api-key': { secret: 'UPSTREAM_KEY' } } }];
    expect(plan({ ...OWN, routes })).toEqual([expect.stringContaining('the secret UPSTREAM_KEY is missing')]);
    expect(plan({ ...OWN, routes }, { UPSTREAM_KEY: 'key', OTHER: 'x' })).toMatchObject({ furtherSecrets: { UPSTREAM_KEY: 'key' } });
  });
});
