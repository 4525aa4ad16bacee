/*
 * Back-pressure: so many tasks at once, so many waiting, and beyond that a refusal at once. Memory of one process; whoever
 * waits longest is next.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';

export interface WorkQueue {
  /** Runs the task when there is room for it. What the task throws comes out. */
  run<Value>(task: () => Promise<Value>): Promise<Result<Value, 'full'>>;
  readonly waiting: number;
  readonly running: number;
}

/** At most `concurrency` tasks at once and `capacity` waiting. */
export function createWorkQueue({ concurrency, capacity }: { concurrency: number; capacity: number }): WorkQueue {
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    get waiting() {
      return waiting.length;
    },
    get running() {
      return running;
    },
    async run(task) {
      if (running >= concurrency) {
        if (waiting.length >= capacity) return refuse('full');
        // The place of whoever has just finished is handed over, so nobody slips in between.
        await new Promise<void>((resolve) => void waiting.push(resolve));
      } else running += 1;
      try {
        return accept(await task());
      } finally {
        const next = waiting.shift();
        if (next === undefined) running -= 1;
        else next();
      }
    },
  };
}
