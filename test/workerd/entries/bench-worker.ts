/* The Worker that is measured: the one that ships, with one free and one paid route. */
import { MANY_CHALLENGES } from '#support/fakes.ts';
import { defineGateway } from '#src/config.ts';
import { createWorker } from '#src/worker.ts';

export { Control } from '#durable-objects/control.ts';
export { Quota } from '#durable-objects/quota.ts';
export { RateLimiter } from '#durable-objects/rate-limiter.ts';
export { ReplaySet } from '#durable-objects/replay-set.ts';

export default createWorker(
  defineGateway({
    claimShardBits: 0,
    // The load says of each request of 402s from where it comes; with the defaults it would meet its quota at once.
    clientAddress: { trustedHops: 1 },
    fences: { challenges: MANY_CHALLENGES },
    routes: [
      { match: 'GET /free', free: true },
      { match: 'GET /paid', service: 'bench', priceSats: 1 },
    ],
  }),
);
