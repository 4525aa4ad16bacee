/* The Worker of the tests with a real Lightning node: the one that ships, selling one thing of each kind. */
import { defineGateway } from '#src/config.ts';
import { createWorker } from '#src/worker.ts';
import { MANY_CHALLENGES } from '#support/fakes.ts';

export { Control } from '#durable-objects/control.ts';
export { Quota } from '#durable-objects/quota.ts';
export { RateLimiter } from '#durable-objects/rate-limiter.ts';
export { ReplaySet } from '#durable-objects/replay-set.ts';
export { Settlements } from '#durable-objects/settlements.ts';

export default createWorker(
  defineGateway({
    origin: 'http://127.0.0.1:1',
    settlementFeed: true,
    // All buyers of these tests are one address.
    fences: { challenges: MANY_CHALLENGES },
    routes: [
      { match: 'GET /call/*', service: 'call', priceSats: 10, description: 'One call' },
      { match: 'GET /calls/*', service: 'calls', priceSats: 20, access: { calls: 10 } },
      { match: 'GET /pass/*', service: 'pass', priceSats: 50, access: { seconds: 3600 } },
      // More than the buyer of these tests has.
      { match: 'GET /dear/*', service: 'dear', priceSats: 15_500_000 },
    ],
  }),
);
