/*
 * The Worker's entry: the configuration and the Durable Object classes. Exports only.
 */
import { gateway } from '../gateway.config.ts';
import { createWorker } from './worker.ts';

export * from '#durable-objects/objects.ts';

export default createWorker(gateway);
