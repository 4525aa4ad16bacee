/*
 * A probe of an origin for the circuit breaker: a GET without credentials of the path that the seller has configured (M12).
 * Effects: one request, one timer.
 */
import { type OriginOutcome, type Wait } from '../ports.ts';

export interface ProbeOptions {
  /** Sends a request to an origin by its name. */
  readonly reach: (name: string, init: RequestInit) => Promise<Response>;
  /** An origin that does not respond for this long is down. */
  readonly limitMs: number;
  readonly wait: Wait;
}

/** Creates a probe of origins by name. */
export function createOriginProbe({ reach, limitMs, wait }: ProbeOptions): (name: string) => Promise<OriginOutcome> {
  return async (name) => {
    const done = new AbortController();
    const late = new AbortController();
    void wait(limitMs, done.signal).then(() => late.abort());
    try {
      const response = await reach(name, { redirect: 'manual', signal: late.signal });
      await response.body?.cancel();
      return response.status < 500 ? 'ok' : 'failed';
    } catch {
      return 'failed';
    } finally {
      done.abort();
    }
  };
}
