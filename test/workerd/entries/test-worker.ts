/* The Worker of the tests over real sockets: the one that ships, with other things to sell. */
import { createWorker } from '#src/worker.ts';
import { testGateway } from '#support/test-gateway.ts';

export * from '#durable-objects/objects.ts';

export default createWorker(testGateway);
