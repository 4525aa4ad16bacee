/*
 * A breaker for a failing node: after three failures in a row it is not asked for 5 seconds, then one request may try, and
 * each failed try doubles the pause up to a minute. Time is passed in. Effects: memory of one process.
 */

export interface NodeBreaker {
  /** Whether the node may be asked now. An admitted caller reports back with `succeed` or `fail`. */
  admit(nowSeconds: number): boolean;
  succeed(): void;
  /** `opened`: this failure has opened the breaker. */
  fail(nowSeconds: number): 'opened' | 'counted';
  /** For health and metrics. */
  isOpen(nowSeconds: number): boolean;
}

const FAILURES_TO_OPEN = 3;
const FIRST_PAUSE_SECONDS = 5;
const LONGEST_PAUSE_SECONDS = 60;

/** Creates a closed breaker. */
export function createNodeBreaker(): NodeBreaker {
  let failures = 0;
  let pauseSeconds = 0;
  let openUntilSeconds = 0;
  let isTrying = false;

  return {
    admit(nowSeconds) {
      if (pauseSeconds === 0) return true;
      if (isTrying || nowSeconds < openUntilSeconds) return false;
      isTrying = true;
      return true;
    },
    succeed() {
      failures = 0;
      pauseSeconds = 0;
      isTrying = false;
    },
    fail(nowSeconds) {
      failures += 1;
      // Requests that were in flight when it opened fail too, and add no information.
      if (failures < FAILURES_TO_OPEN || (pauseSeconds > 0 && !isTrying)) return 'counted';
      pauseSeconds = Math.min(LONGEST_PAUSE_SECONDS, pauseSeconds === 0 ? FIRST_PAUSE_SECONDS : pauseSeconds * 2);
      openUntilSeconds = nowSeconds + pauseSeconds;
      isTrying = false;
      return 'opened';
    },
    isOpen: (nowSeconds) => pauseSeconds > 0 && nowSeconds < openUntilSeconds,
  };
}
