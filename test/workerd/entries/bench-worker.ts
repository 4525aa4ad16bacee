/* The Worker that is measured: the one that ships, with a route for each kind of access. */
import { MANY_CHALLENGES } from '#support/fakes.ts';
import { defineGateway } from '#src/config.ts';
import { createWorker } from '#src/worker.ts';

export { Control } from '#durable-objects/control.ts';
export { Quota } from '#durable-objects/quota.ts';
export { RateLimiter } from '#durable-objects/rate-limiter.ts';
export { ReplaySet } from '#durable-objects/replay-set.ts';

export default createWorker(
  defineGateway({
    // The load says from which client each request is. Even so one table of invoices holds more of them than it would for clients.
    clientAddress: { trustedHops: 1 },
    fences: { challenges: MANY_CHALLENGES },
    routes: [
      { match: 'GET /free', free: true },
      { match: 'GET /paid', service: 'bench', priceSats: 1 },
      { match: 'GET /pass', service: 'pass', priceSats: 1, access: { seconds: 3600 } },
      { match: 'GET /calls', service: 'calls', priceSats: 1, access: { calls: 1_000_000 } },
      { match: 'GET /credit', service: 'credit', priceSats: 1, access: { creditSats: 1_000_000 } },
    ],
  }),
);
