/* The Worker of the tests with a real Lightning node: the one that ships. Its invoices are made while the client waits. */
import { createWorker } from '#src/worker.ts';
import { LND_SHOP } from '../lnd-shop.ts';

export { Control } from '#durable-objects/control.ts';
export { Quota } from '#durable-objects/quota.ts';
export { RateLimiter } from '#durable-objects/rate-limiter.ts';
export { ReplaySet } from '#durable-objects/replay-set.ts';
export { Settlements } from '#durable-objects/settlements.ts';

export default createWorker({ ...LND_SHOP, pool: false });
