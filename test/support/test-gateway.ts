/*
 * What the tests sell: every kind of route, an expensive one with cheap and free neighbours, one service with two tiers.
 */
import { defineGateway } from '#src/config/config.ts';
import { MANY_CHALLENGES } from './fakes.ts';

export const testGateway = defineGateway({
  origin: 'http://127.0.0.1:1',
  originTimeoutSeconds: 1,
  policy: { challenges: MANY_CHALLENGES },
  settlementFeed: true,
  routes: [
    { match: 'GET /free/*', free: true },
    { match: '/closed/*', closed: true },
    { match: 'GET /premium', service: 'premium', priceSats: 100 },
    { match: '/call/*', service: 'call', priceSats: 1, description: 'One call' },
    { match: '/whole/*', brokenBody: 'released', service: 'whole', priceSats: 1 },
    { match: '/pack/*', service: 'pack', priceSats: 5, access: { calls: 3 } },
    { match: 'GET /agent', query: { svc: 'dear' }, service: 'dear', priceSats: 50 },
    { match: 'GET /agent', query: { svc: 'cheap' }, service: 'cheap', priceSats: 2 },
    { match: 'GET /tiers/low', service: 'tiered', priceSats: 3 },
    { match: 'GET /tiers/high', service: 'tiered', tier: 1, priceSats: 30 },
    { match: 'GET /tiers/write', service: 'tiered', tier: 2, capabilities: ['write'], priceSats: 40 },
    { match: 'GET /odd', service: 'odd', priceMsat: 1234 },
    { match: '/host-only', host: 'dear.example', service: 'host', priceSats: 70 },
    { match: 'GET /planned', headers: { 'x-plan': 'pro' }, service: 'pro', priceSats: 60 },
    { match: 'GET /planned', service: 'basic', priceSats: 1 },
    { match: 'POST /small/*', service: 'small', priceSats: 1, maxBodyBytes: 16 },
    { match: '/zone/*', host: 'gateway.test', origin: 'same-zone', service: 'zone', priceSats: 1 },
    { match: 'GET /fallback/*', service: 'fallback', priceSats: 1 },
  ],
});

/** Beside `/premium`: everything else of this gateway costs one satoshi. */
export const neighbourGateway = defineGateway({
  origin: 'http://127.0.0.1:1',
  originTimeoutSeconds: 5,
  policy: { challenges: MANY_CHALLENGES },
  maxStreamSeconds: 1,
  routes: [
    { match: 'GET /free/*', free: true },
    { match: '* /premium/*', service: 'premium', priceSats: 100 },
    { match: '/planned', headers: { 'x-plan': 'pro' }, service: 'pro', priceSats: 60 },
    { match: '* /v1/premium/*', stripPrefix: '/v1', service: 'premium-v1', priceSats: 100 },
    { match: '/v1/*', stripPrefix: '/v1', service: 'neighbour', priceSats: 1 },
    { match: '/agent', query: { svc: 'dear' }, service: 'dear', priceSats: 50 },
    { match: '/*', service: 'neighbour', priceSats: 1 },
  ],
});
