/* The same with invoices that are made beforehand. */
import { createWorker } from '#src/worker.ts';
import { LND_SHOP } from '../lnd-shop.ts';

export * from '#durable-objects/objects.ts';

export default createWorker({ ...LND_SHOP, pool: { low: 160, high: 160 } });
