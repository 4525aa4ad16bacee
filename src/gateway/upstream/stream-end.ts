/*
 * Where a stream ends that was paid for (M14). A claim is closed at the head of the answer, so nothing else ends a body that
 * goes on for ever: a pass ends its streams when it ends itself, and none goes on for longer than is configured.
 */
import { type Wait } from '../../ports.ts';

/** When a stream ends, whatever is still to come. */
export interface StreamTerms {
  /** Of the pass; nothing for a call that is counted. */
  readonly endsAtSeconds: number | undefined;
  readonly skewSeconds: number;
  readonly maxStreamSeconds: number;
  readonly nowSeconds: number;
  readonly wait: Wait;
}

/**
 * Breaks a body off at its time, at the origin too. Only one without a length: every other ends by itself, and gets no timer.
 * Broken off and not closed: whoever reads must not take what came for the whole.
 */
export function endStream(answer: Response, terms: StreamTerms): Response {
  if (answer.body === null || answer.headers.has('content-length')) return answer;
  const stop = new AbortController();
  const done = new AbortController();
  void endOfStream(terms, done.signal).then(() => stop.abort(new Error('the time of this stream is over')));
  const { readable, writable } = new IdentityTransformStream();
  answer.body
    .pipeTo(writable, { signal: stop.signal })
    // Over, broken off, or nobody reads any more: both ends know it already.
    .catch(() => undefined)
    .finally(() => done.abort());
  return new Response(readable, answer);
}

/** Resolves when the time of a stream is over; never once the signal has been aborted. */
export function endOfStream(
  { endsAtSeconds, skewSeconds, maxStreamSeconds, nowSeconds, wait }: StreamTerms,
  done: AbortSignal,
): Promise<void> {
  const ofPass = endsAtSeconds === undefined ? maxStreamSeconds : endsAtSeconds + skewSeconds - nowSeconds;
  return wait(Math.max(0, Math.min(maxStreamSeconds, ofPass)) * 1000, done);
}
