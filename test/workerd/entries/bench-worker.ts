/* The Worker that is measured: the one that ships, with a route for each kind of access. */
import { MANY_CHALLENGES } from '#support/fakes.ts';
import { defineGateway } from '#src/config/config.ts';
import { type Env } from '#src/deps.ts';
import { createWorker } from '#src/worker.ts';
import { stockPools } from '../bench-stock.ts';

export * from '#durable-objects/objects.ts';

/** One route has places at its origin; the others do without. */
const policy = { concurrency: false } as const;
const oftenEnough = { calls: 10_000, seconds: 1 } as const;
/** Maintenance, breaker and concurrency are on unless a route switches them off. */
const everyPolicy = {
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
  policy: { challenges: MANY_CHALLENGES, concurrency: { most: 1000 } },
  routes: [
    { match: 'GET /free', free: true, policy },
    { match: 'GET /paid', service: 'bench', priceSats: 1, policy },
    // Its pool is filled with invoices that no node has made.
    { match: 'GET /ready', service: 'ready', priceSats: 1, policy },
    // No whole satoshi: each of its invoices is made while somebody waits.
    { match: 'GET /direct', service: 'direct', priceMsat: 1001, policy },
    { match: 'GET /pass', service: 'pass', priceSats: 1, access: { seconds: 3600 }, policy },
    { match: 'POST /up', service: 'pass', priceSats: 1, access: { seconds: 3600 }, policy },
    { match: 'GET /down', service: 'pass', priceSats: 1, access: { seconds: 3600 }, policy },
    { match: 'GET /events', service: 'pass', priceSats: 1, access: { seconds: 3600 }, policy },
    { match: 'GET /calls', service: 'calls', priceSats: 1, access: { calls: 1_000_000 }, policy },
    // A client has here what it has by default; all together more, since others have been here before it.
    {
      match: 'GET /quota',
      service: 'quota',
      priceSats: 1,
      policy: { ...policy, challenges: { ...MANY_CHALLENGES, perMinute: 30, open: 30 } },
    },
    // One request an hour and client: everything else is a flood.
    { match: 'GET /flood', service: 'flood', priceSats: 1, policy: { ...policy, clientRate: { calls: 1, seconds: 3600, total: 16 } } },
    { match: 'GET /credit', service: 'credit', priceSats: 1, access: { creditSats: 1_000_000 }, policy },
    { match: 'GET /policy', service: 'policy', priceSats: 1, policy: { ...everyPolicy, rate: { ...oftenEnough, count: 'isolate' } } },
    {
      match: 'GET /policies-exact',
      service: 'policies-exact',
      priceSats: 1,
      policy: { ...everyPolicy, rate: { ...oftenEnough, count: 'exact' } },
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
