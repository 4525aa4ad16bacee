/* The Worker of the tests over real sockets: the one that ships, with other things to sell. */
import { createWorker } from '#src/worker.ts';
import { testGateway } from '#support/test-gateway.ts';

export { Control } from '#durable-objects/control.ts';
export { Quota } from '#durable-objects/quota.ts';
export { RateLimiter } from '#durable-objects/rate-limiter.ts';
export { ReplaySet } from '#durable-objects/replay-set.ts';
export { Settlements } from '#durable-objects/settlements.ts';

export default createWorker(testGateway);
