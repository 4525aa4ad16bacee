/* The Worker that is measured: the one that ships, with a route for each kind of access. */
import { MANY_CHALLENGES } from '#support/fakes.ts';
import { defineGateway } from '#src/config/config.ts';
import { type Env } from '#src/deps.ts';
import { createWorker } from '#src/worker.ts';
import { stockPools } from '../bench-stock.ts';

export * from '#durable-objects/objects.ts';

/** One route has places at its origin; the others do without. */
const fences = { concurrency: false } as const;
const oftenEnough = { calls: 10_000, seconds: 1 } as const;
/** Maintenance, breaker and concurrency are on unless a route switches them off. */
const everyFence = {
  allow: { cidrs: ['10.0.0.0/8', '127.0.0.0/8'] },
  block: { cidrs: ['203.0.113.0/24', '2001:db8::/32'] },
  clientRate: { ...oftenEnough, total: 160_000 },
  tokenRate: { calls: 1000, seconds: 60 },
};

const sold = defineGateway({
  // Before a round of 402s it is filled to the brim: what is measured is not how fast a node signs.
  pool: { low: 16, high: 64_000 },
  // The load says from which client each request is. Even so one table of invoices holds more of them than it would for clients.
  clientAddress: { trustedHops: 1 },
  fences: { challenges: MANY_CHALLENGES, concurrency: { most: 1000 } },
  routes: [
    { match: 'GET /free', free: true, fences },
    { match: 'GET /paid', service: 'bench', priceSats: 1, fences },
    // Its pool is filled with invoices that no node has made.
    { match: 'GET /ready', service: 'ready', priceSats: 1, fences },
    // No whole satoshi: each of its invoices is made while somebody waits.
    { match: 'GET /direct', service: 'direct', priceMsat: 1001, fences },
    { match: 'GET /pass', service: 'pass', priceSats: 1, access: { seconds: 3600 }, fences },
    { match: 'POST /up', service: 'pass', priceSats: 1, access: { seconds: 3600 }, fences },
    { match: 'GET /down', service: 'pass', priceSats: 1, access: { seconds: 3600 }, fences },
    { match: 'GET /events', service: 'pass', priceSats: 1, access: { seconds: 3600 }, fences },
    { match: 'GET /calls', service: 'calls', priceSats: 1, access: { calls: 1_000_000 }, fences },
    // A client has here what it has by default; all together more, since others have been here before it.
    {
      match: 'GET /quota',
      service: 'quota',
      priceSats: 1,
      fences: { ...fences, challenges: { ...MANY_CHALLENGES, perMinute: 30, open: 30 } },
    },
    // One request an hour and client: everything else is a flood.
    { match: 'GET /flood', service: 'flood', priceSats: 1, fences: { ...fences, clientRate: { calls: 1, seconds: 3600, total: 16 } } },
    { match: 'GET /credit', service: 'credit', priceSats: 1, access: { creditSats: 1_000_000 }, fences },
    { match: 'GET /fences', service: 'fences', priceSats: 1, fences: { ...everyFence, rate: { ...oftenEnough, count: 'isolate' } } },
    {
      match: 'GET /fences-exact',
      service: 'fences-exact',
      priceSats: 1,
      fences: { ...everyFence, rate: { ...oftenEnough, count: 'exact' } },
    },
  ],
});
const gateway = createWorker(sold);

const worker: ExportedHandler<Env> = {
  fetch(request, env, context) {
    if (request.url.endsWith('/stock')) return stockPools(env, { gateway: sold, match: 'GET /ready', count: 1000 });
    return gateway.fetch!(request, env, context);
  },
};

export default worker;
