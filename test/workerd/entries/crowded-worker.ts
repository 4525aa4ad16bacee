/* A Worker whose origin has one place, and whose breaker is heard of within a second. */
import { defineGateway } from '#src/config/config.ts';
import { createWorker } from '#src/worker.ts';

export * from '#durable-objects/objects.ts';

export default createWorker(
  defineGateway({
    originTimeoutSeconds: 20,
    controlRefreshSeconds: 1,
    policy: { concurrency: { most: 1, waitSeconds: 10 }, breaker: { failuresInARow: 3 } },
    routes: [
      { match: '/pass/*', service: 'pass', priceSats: 1, access: { seconds: 3600 } },
      { match: '/call/*', service: 'call', priceSats: 1 },
      { match: '/film/*', brokenBody: 'released', service: 'film', priceSats: 1 },
      { match: '/open/*', brokenBody: 'released', service: 'open', priceSats: 1, policy: { concurrency: false } },
      { match: '/small/*', brokenBody: 'released', service: 'small', priceSats: 1, maxBodyBytes: 16, policy: { concurrency: false } },
    ],
  }),
);
