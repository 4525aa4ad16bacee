/*
 * Refusals in the log: a bounded number of lines, however many requests come, since whoever reaches the port can be
 * refused without a signature. Time is passed in. Effects: the log.
 */
import { type RefusalCode } from './answers.ts';
import { type Clock, type Log } from './ports.ts';

export interface RefusalLog {
  /** Takes down one refusal: the first of its code in a second has a line at once, the others are counted into the next. */
  note(refusal: { readonly code: RefusalCode; readonly status: number }): void;
  /** Writes what has been counted and has no line yet. */
  flush(): void;
}

interface Usage {
  readonly status: number;
  /** The second of the last line. */
  second: number;
  /** Refusals since that line. */
  count: number;
}

/** At most one line a second for each code; `count` says for how many refusals it stands. */
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
