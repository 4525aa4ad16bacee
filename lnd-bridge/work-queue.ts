/*
 * Back-pressure: a bounded number of running tasks and of waiting ones; any more are refused at once. Work ends with its
 * caller (M34): a task is not started if its caller has gone or if it could not finish in time, and is not queued if that is
 * known in advance. The duration of tasks is learned. Tasks with a waiting client go first; otherwise first come, first
 * served. Effects: memory of one process.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';

/** The caller of a task. */
export interface Caller {
  /** Whether a client waits for it, or nobody yet. */
  readonly waiting: 'client' | 'nobody';
  /** By the queue's own clock: after this the result is useless. */
  readonly deadlineMs: number;
  readonly isGone: () => boolean;
}

/** `full`: too many wait already. `late`: it could not be done in time. */
export type QueueRefusal = 'full' | 'late';

export interface WorkQueue {
  /** Runs the task when a slot is free. Rethrows what the task throws. */
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

/** The weight of the latest task in the learned duration. */
const LEARNING = 0.2;
const ANYONE: Caller = { waiting: 'client', deadlineMs: Infinity, isGone: () => false };

/** Creates a queue with at most `concurrency` running and `capacity` waiting tasks. */
export function createWorkQueue({ concurrency, capacity, nowMs = () => performance.now() }: WorkQueueOptions): WorkQueue {
  const classes = { client: [] as Waiting[], nobody: [] as Waiting[] };
  let running = 0;
  let taskMs = 0;
  const count = () => classes.client.length + classes.nobody.length;

  const isLate = ({ deadlineMs, isGone }: Caller, ahead: number) => isGone() || nowMs() + taskMs * (1 + ahead / concurrency) > deadlineMs;

  /** Returns the next task whose caller can still be served; refuses those before it as late. */
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
        // The slot of the finished task is handed over, so no other task can take it.
        const turn = await new Promise<'now' | 'late'>((resolve) => void trafficClass.push({ caller, resolve }));
        if (turn === 'late') return refuse('late');
      } else if (caller.isGone()) return refuse('late');
      // With a free slot lateness is not predicted: otherwise durations learned in an outage would go on refusing work after it.
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
