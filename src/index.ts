/*
 * The Worker's entry: what is sold, and the Durable Object classes. Nothing else.
 */
import { gateway } from '../gateway.config.ts';
import { createWorker } from './worker.ts';

export * from '#durable-objects/objects.ts';

export default createWorker(gateway);
