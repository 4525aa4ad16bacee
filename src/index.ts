/*
 * The Worker's entry: what is sold, and the Durable Object classes. Nothing else.
 */
import { gateway } from '../gateway.config.ts';
import { createWorker } from './worker.ts';

export { Control } from '#durable-objects/control.ts';
export { Quota } from '#durable-objects/quota.ts';
export { RateLimiter } from '#durable-objects/rate-limiter.ts';
export { ReplaySet } from '#durable-objects/replay-set.ts';
export { Settlements } from '#durable-objects/settlements.ts';

export default createWorker(gateway);
