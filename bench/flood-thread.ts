/*
 * The one who floods, in a thread of its own: whoever pays must not wait for it in the queue of one loop. Effects: requests,
 * whose answers it counts and does not wait for; a message to the thread that started it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openHoses, runAtRate } from '#support/open-loop.ts';

export interface FloodOrder {
  readonly port: number;
  readonly text: string;
  readonly connections: number;
  readonly perSecond: number;
  readonly seconds: number;
}

const { port, text, connections, ...rate } = workerData as FloodOrder;
const hoses = openHoses(port, connections);
await runAtRate(() => hoses.write(text), rate);
hoses.close();
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort!.postMessage(Object.fromEntries(hoses.counts));
