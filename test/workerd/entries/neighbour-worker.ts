/* The Worker of the tests over real sockets: the one that ships, with an expensive route among cheap ones. */
import { createWorker } from '#src/worker.ts';
import { neighbourGateway } from '#support/test-gateway.ts';

export * from '#durable-objects/objects.ts';

export default createWorker(neighbourGateway);
