/* The Worker of the tests over real sockets: the one that ships, with a dear route among cheap ones. */
import { createWorker } from '#src/worker.ts';
import { neighbourGateway } from '#support/test-gateway.ts';

export { Control } from '#durable-objects/control.ts';
export { Quota } from '#durable-objects/quota.ts';
export { RateLimiter } from '#durable-objects/rate-limiter.ts';
export { ReplaySet } from '#durable-objects/replay-set.ts';
export { Settlements } from '#durable-objects/settlements.ts';

export default createWorker(neighbourGateway);
