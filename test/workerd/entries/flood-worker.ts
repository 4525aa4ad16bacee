/* The Worker that is flooded: the one that ships, with every fence as it is when nothing is said of it. */
import { defineGateway } from '#src/config.ts';
import { createWorker } from '#src/worker.ts';

export { Control } from '#durable-objects/control.ts';
export { Quota } from '#durable-objects/quota.ts';
export { RateLimiter } from '#durable-objects/rate-limiter.ts';
export { ReplaySet } from '#durable-objects/replay-set.ts';
export { Settlements } from '#durable-objects/settlements.ts';

export default createWorker(defineGateway({ routes: [{ match: 'GET /paid', service: 'paid', priceSats: 1, access: { calls: 10 } }] }));
