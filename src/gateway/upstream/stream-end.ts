/*
 * The end of a paid stream (M14). A claim is closed at the head of the response, so nothing else ends an endless body: a pass
 * ends its streams when it ends, and no stream exceeds the configured duration. Effects: streams, the given timer.
 */
import { type Wait } from '../../ports.ts';

/** When a stream ends, even if more would follow. */
export interface StreamTerms {
  /** The end of the pass; `undefined` for a counted call. */
  readonly endsAtSeconds: number | undefined;
  readonly skewSeconds: number;
  readonly maxStreamSeconds: number;
  readonly nowSeconds: number;
  readonly wait: Wait;
}

/**
 * Breaks a body off when its time is over, at the origin too. Only a body without a length gets a timer: every other ends by
 * itself. The body fails instead of closing, so that a reader does not take it for complete.
 */
export function endStream(answer: Response, terms: StreamTerms): Response {
  if (answer.body === null || answer.headers.has('content-length')) return answer;
  const stop = new AbortController();
  const done = new AbortController();
  void endOfStream(terms, done.signal).then(() => stop.abort(new Error('the time of this stream is over')));
  const { readable, writable } = new IdentityTransformStream();
  answer.body
    .pipeTo(writable, { signal: stop.signal })
    // Complete, broken off, or no longer read: both ends know already.
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
