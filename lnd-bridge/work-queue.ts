/*
 * Back-pressure: so many tasks at once, so many waiting, and beyond that a refusal at once. Work ends with its caller (M34): a
 * task whose caller has gone, or that could not be done before its caller gives up, is not begun, and is not even let in where
 * that is known beforehand. How long a task takes is learned. Those that a client waits for go first; then whoever came first.
 * Memory of one process.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';

/** For whom a task is done. */
export interface Caller {
  /** A client waits for it, or nobody yet. */
  readonly waiting: 'client' | 'nobody';
  /** By the queue's own clock: later than this nobody wants it. */
  readonly deadlineMs: number;
  readonly isGone: () => boolean;
}

/** `full`: too many wait already. `late`: it could not be done in time. */
export type QueueRefusal = 'full' | 'late';

export interface WorkQueue {
  /** Runs the task when there is room for it. What the task throws comes out. */
  run<Value>(task: () => Promise<Value>, caller?: Caller): Promise<Result<Value, QueueRefusal>>;
  readonly waiting: number;
  readonly running: number;
}

export interface WorkQueueOptions {
  readonly concurrency: number;
  readonly capacity: number;
  /** A clock for measuring only. */
  readonly nowMs?: () => number;
}

interface Waiting {
  readonly caller: Caller;
  readonly resolve: (turn: 'now' | 'late') => void;
}

/** How much the latest task says about the next one. */
const LEARNING = 0.2;
const ANYONE: Caller = { waiting: 'client', deadlineMs: Infinity, isGone: () => false };

/** At most `concurrency` tasks at once and `capacity` waiting. */
export function createWorkQueue({ concurrency, capacity, nowMs = () => performance.now() }: WorkQueueOptions): WorkQueue {
  const classes = { client: [] as Waiting[], nobody: [] as Waiting[] };
  let running = 0;
  let taskMs = 0;
  const count = () => classes.client.length + classes.nobody.length;

  const isLate = ({ deadlineMs, isGone }: Caller, ahead: number) => isGone() || nowMs() + taskMs * (1 + ahead / concurrency) > deadlineMs;

  /** The next one whose caller can still be served; those before it are told so. */
  const next = (): Waiting | undefined => {
    for (const trafficClass of [classes.client, classes.nobody]) {
      const kept = trafficClass.splice(0);
      for (const one of kept) {
        if (isLate(one.caller, 0)) one.resolve('late');
        else trafficClass.push(one);
      }
    }
    return classes.client.shift() ?? classes.nobody.shift();
  };

  return {
    get waiting() {
      return count();
    },
    get running() {
      return running;
    },
    async run(task, caller = ANYONE) {
      const trafficClass = classes[caller.waiting];
      if (running >= concurrency) {
        const ahead = caller.waiting === 'client' ? classes.client.length : count();
        if (isLate(caller, ahead + 1)) return refuse('late');
        if (count() >= capacity) return refuse('full');
        // The place of whoever has just finished is handed over, so nobody slips in between.
        const turn = await new Promise<'now' | 'late'>((resolve) => void trafficClass.push({ caller, resolve }));
        if (turn === 'late') return refuse('late');
      } else if (caller.isGone()) return refuse('late');
      // Where there is room nothing is foretold: what was learned in an outage must not outlast it.
      else running += 1;
      const startMs = nowMs();
      try {
        return accept(await task());
      } finally {
        const tookMs = nowMs() - startMs;
        taskMs = taskMs === 0 ? tookMs : taskMs + (tookMs - taskMs) * LEARNING;
        const following = next();
        if (following === undefined) running -= 1;
        else following.resolve('now');
      }
    },
  };
}
