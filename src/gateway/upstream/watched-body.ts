/*
 * The body of a paid response, watched to its end, for routes where an origin that breaks off is not paid (`brokenBody`).
 * Only failures of the origin are given back. These are counted (M11): a client that leaves, that stops reading until the
 * origin gives up, or whose own upload ends the call (M40), and a body that takes longer than it is watched. Effects:
 * streams, the given clock and timer.
 */
import { type Clock } from '../../ports.ts';
import { LONGEST_WATCH_SECONDS } from '../payment/lease.ts';
import { endOfStream, type StreamTerms } from './stream-end.ts';

/** The end of a body. `broken`: the origin broke it off. `client_failed`: it broke off, and the client may be the cause. */
export type BodyEnd = 'whole' | 'broken' | 'client_failed' | 'client_left' | 'time_over';

export interface WatchTerms extends StreamTerms {
  readonly clock: Clock;
  /** Whether the client is late with its part, or gone: its upload and the response are one call, which ends as one. */
  readonly hasClientFailed: () => boolean;
  /** Tells when the client has gone: the origin may be quiet just then. */
  readonly left: AbortSignal;
}

/** A client that accepts nothing for this long at once, or for this long in total, has kept the origin waiting. */
const LONGEST_STALL_MS = 2000;
const LONGEST_STALL_IN_ALL_MS = 10_000;

/** Returns the same response, and later the end of its body. Here every body also ends by the clock, with or without a length. */
export function watchBody(answer: Response, terms: WatchTerms): { readonly answer: Response; readonly end: Promise<BodyEnd> } {
  const { body, headers } = answer;
  if (body === null) return { answer, end: Promise.resolve('whole') };
  const length = headers.get('content-length');
  // An encoded body may be decoded and re-encoded on its way, which changes its length.
  const isSized = length !== null && !headers.has('content-encoding');
  const { readable, writable } = isSized ? new FixedLengthStream(BigInt(length)) : new IdentityTransformStream();
  return { answer: new Response(readable, answer), end: passOn(body, writable, terms) };
}

/** Copies by hand: the platform's pipe does not say which end failed. */
async function passOn(
  body: ReadableStream<Uint8Array>,
  writable: WritableStream<Uint8Array>,
  { clock, hasClientFailed, left, ...terms }: WatchTerms,
): Promise<BodyEnd> {
  const from = body.getReader();
  const to = writable.getWriter();
  const done = new AbortController();
  const breakOff = (end: BodyEnd, reason: string): BodyEnd => {
    // Either side may know already, and neither is awaited: a client that stops reading must not delay the record.
    void Promise.allSettled([from.cancel(new Error(reason)), to.abort(new Error(reason))]);
    return end;
  };
  let longestStallMs = 0;
  let stalledMs = 0;
  const mayBeClient = () => hasClientFailed() || longestStallMs > LONGEST_STALL_MS || stalledMs > LONGEST_STALL_IN_ALL_MS;
  const copy = async (): Promise<BodyEnd> => {
    for (;;) {
      const part = await from.read().catch(() => undefined);
      if (part === undefined) return breakOff(mayBeClient() ? 'client_failed' : 'broken', 'the origin broke off');
      const startedMs = clock();
      const write = part.done ? to.close() : to.write(part.value);
      const isPassed = await write.then(
        () => true,
        () => false,
      );
      if (!isPassed) return breakOff('client_left', 'the client has gone');
      const waitedMs = clock() - startedMs;
      stalledMs += waitedMs;
      longestStallMs = Math.max(longestStallMs, waitedMs);
      if (part.done) return 'whole';
    }
  };
  const over = endOfStream(terms, done.signal).then(() => breakOff('time_over', 'the time of this stream is over'));
  const gone = new Promise<BodyEnd>((resolve) => {
    const leave = () => resolve(breakOff('client_left', 'the client has gone'));
    if (left.aborted) leave();
    left.addEventListener('abort', leave, { once: true, signal: done.signal });
  });
  const watched = Promise.race([over, gone, copy()]).finally(() => done.abort());
  const isWatchedFor = terms.wait(LONGEST_WATCH_SECONDS * 1000, done.signal).then((): BodyEnd => 'time_over');
  return Promise.race([watched, isWatchedFor]);
}
