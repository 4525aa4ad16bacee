/*
 * A look at an origin of the gateway's own, for the circuit breaker: a GET without credentials of the path that the seller
 * has named for it (M12). Effects: one request, one timer.
 */
import { type Origin, type OriginOutcome, type Wait } from '../ports.ts';

export interface ProbeOptions {
  readonly origin: Origin;
  readonly path: string;
  /** An origin that says nothing for so long is down. */
  readonly limitMs: number;
  readonly wait: Wait;
}

/** Looks at origins, which are named by the address that goes before the path. */
export function createOriginProbe({ origin, path, limitMs, wait }: ProbeOptions): (originUrl: string) => Promise<OriginOutcome> {
  return async (originUrl) => {
    const done = new AbortController();
    const late = new AbortController();
    void wait(limitMs, done.signal).then(() => late.abort());
    try {
      const response = await origin(new Request(`${originUrl}${path}`, { redirect: 'manual', signal: late.signal }));
      await response.body?.cancel();
      return response.status < 500 ? 'ok' : 'failed';
    } catch {
      return 'failed';
    } finally {
      done.abort();
    }
  };
}
