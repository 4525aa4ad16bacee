/* The Worker of the tests with a real Lightning node: the one that ships. Its invoices are made while the client waits. */
import { createWorker } from '#src/worker.ts';
import { LND_SHOP } from '../lnd-shop.ts';

export * from '#durable-objects/objects.ts';

export default createWorker({ ...LND_SHOP, pool: false });
