/*
 * Builds the Worker of the survival suite.
 */
import { buildWorker } from '#local/build-worker.ts';

/** Runs once before the suite. */
export async function setup(): Promise<void> {
  await buildWorker({ outDirectory: 'dist/test/survival', entry: 'test/workerd/entries/survival-worker.ts' });
}
