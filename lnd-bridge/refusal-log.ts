/*
 * Refusals in the log: a bounded number of lines, however many requests come, because anyone who reaches the port can be
 * refused without a signature. Time is passed in. Effects: the log.
 */
import { type RefusalCode } from './answers.ts';
import { type Clock, type Log } from './ports.ts';

export interface RefusalLog {
  /** Records a refusal: the first of its code in a second is logged at once, the others are counted in the next line. */
  note(refusal: { readonly code: RefusalCode; readonly status: number }): void;
  /** Logs what has been counted but not logged yet. */
  flush(): void;
}

interface Usage {
  readonly status: number;
  /** The second of the last line. */
  second: number;
  /** Refusals since that line. */
  count: number;
}

/** Creates a log of at most one line per second and code; `count` is the number of refusals that a line covers. */
export function createRefusalLog({ log, clock }: { log: Log; clock: Clock }): RefusalLog {
  const usages = new Map<RefusalCode, Usage>();

  function write(code: RefusalCode, usage: Usage): void {
    log({ event: 'request_refused', code, status: usage.status, count: usage.count });
    usage.count = 0;
  }

  return {
    note({ code, status }) {
      const nowSeconds = clock.nowSeconds();
      const usage = usages.get(code) ?? { status, second: -1, count: 0 };
      usages.set(code, usage);
      usage.count += 1;
      if (usage.second === nowSeconds) return;
      usage.second = nowSeconds;
      write(code, usage);
    },
    flush() {
      for (const [code, usage] of usages) if (usage.count > 0) write(code, usage);
    },
  };
}
