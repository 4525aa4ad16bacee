/*
 * What the tests of origins sell: a route for every kind of origin, and for everything that can happen on the way there.
 */
import { defineGateway } from '#src/config/config.ts';

const shop = { host: 'shop.test', origin: 'same-zone' } as const;

export const originsGateway = defineGateway({
  origin: 'http://127.0.0.1:1',
  zoneHosts: ['*.zone.test'],
  routes: [
    { ...shop, match: 'GET /zone/free/*', free: true },
    { ...shop, match: '/zone/*', service: 'zone', priceSats: 1 },
    { match: 'GET /anywhere/*', origin: 'same-zone', free: true },
    { match: '/bound/*', origin: { service: 'UPSTREAM' }, stripPrefix: '/bound', service: 'bound', priceSats: 1 },
    { match: '/users/:id/*', origin: 'http://other.test:8080/base/', rewrite: '/v2/:id/*', service: 'other', priceSats: 1 },
    { match: '/keyed/*', setHeaders: { authorization: { secret: 'UPSTREAM_KEY' }, 'x-env': 'test' }, service: 'keyed', priceSats: 1 },
    { match: '/small/*', maxBodyBytes: 16, service: 'small', priceSats: 1 },
    { match: '/impatient/*', timeoutSeconds: 1, service: 'impatient', priceSats: 1 },
    { match: '/free/*', free: true },
    { match: '/closed/*', closed: true },
    { match: '/call/*', service: 'call', priceSats: 1 },
  ],
});
