/* The Worker of the tests over real sockets: the one that ships, with an origin of every kind. */
import { createWorker } from '#src/worker.ts';
import { originsGateway } from '#support/origins-gateway.ts';

export * from '#durable-objects/objects.ts';

export default createWorker(originsGateway);
