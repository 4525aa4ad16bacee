/*
 * Builds the Workers that the tests over real sockets run: the one that ships, and ones that sell what tests need.
 */
import { buildWorker } from '#local/build-worker.ts';

export const BUNDLES = {
  shipped: 'dist/test/shipped/index.js',
  test: 'dist/test/test/test-worker.js',
  neighbour: 'dist/test/neighbour/neighbour-worker.js',
  origins: 'dist/test/origins/origins-worker.js',
  /** Needs no building. */
  upstream: 'test/workerd/entries/upstream-worker.js',
  bridgeFront: 'test/workerd/entries/bridge-front-worker.js',
  rowsDriver: 'test/workerd/entries/rows-driver.js',
  priced: 'dist/test/priced/priced-worker.js',
  policy: 'dist/test/policy/policy-worker.js',
  crowded: 'dist/test/crowded/crowded-worker.js',
  /** Built by its own suite. */
  survival: 'dist/test/survival/survival-worker.js',
} as const;

/** Runs once before the suite. */
export async function setup(): Promise<void> {
  await buildWorker({ outDirectory: 'dist/test/shipped' });
  await buildWorker({ outDirectory: 'dist/test/test', entry: 'test/workerd/entries/test-worker.ts' });
  await buildWorker({ outDirectory: 'dist/test/neighbour', entry: 'test/workerd/entries/neighbour-worker.ts' });
  await buildWorker({ outDirectory: 'dist/test/origins', entry: 'test/workerd/entries/origins-worker.ts' });
  await buildWorker({ outDirectory: 'dist/test/priced', entry: 'test/workerd/entries/priced-worker.ts' });
  await buildWorker({ outDirectory: 'dist/test/policy', entry: 'test/workerd/entries/policy-worker.ts' });
  await buildWorker({ outDirectory: 'dist/test/crowded', entry: 'test/workerd/entries/crowded-worker.ts' });
}
