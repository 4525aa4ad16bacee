/*
 * The body of a paid answer, watched to its end, for routes where an origin that breaks off is not paid (`brokenBody`). Only
 * what the origin did is for the payer. A client that leaves, that stops reading until the origin gives up, or whose own upload
 * ends the call (M40), and a body that takes longer than it is watched for are counted (M11).
 * Effects: streams, the clock and the timer that it is given.
 */
import { type Clock } from '../../ports.ts';
import { LONGEST_WATCH_SECONDS } from '../payment/lease.ts';
import { endOfStream, type StreamTerms } from './stream-end.ts';

/** What became of a body. `broken`: the origin broke it off. `client_failed`: it broke off, and the client may have made it. */
export type BodyEnd = 'whole' | 'broken' | 'client_failed' | 'client_left' | 'time_over';

export interface WatchTerms extends StreamTerms {
  readonly clock: Clock;
  /** Whether the client has not done its part, or has gone: its upload and the answer are one call, which ends as one. */
  readonly hasClientFailed: () => boolean;
  /** Tells when the client has gone: the origin may be quiet just then. */
  readonly left: AbortSignal;
}

/** A client that takes nothing for so long at once, or for so long in all, has kept the origin waiting. */
const LONGEST_STALL_MS = 2000;
const LONGEST_STALL_IN_ALL_MS = 10_000;

/** The same answer, and in the end what became of its body. Every body ends by the clock here, with a length or without. */
export function watchBody(answer: Response, terms: WatchTerms): { readonly answer: Response; readonly end: Promise<BodyEnd> } {
  const { body, headers } = answer;
  if (body === null) return { answer, end: Promise.resolve('whole') };
  const length = headers.get('content-length');
  // An encoded body may be decoded and encoded anew on its way: its length is not what it was.
  const isSized = length !== null && !headers.has('content-encoding');
  const { readable, writable } = isSized ? new FixedLengthStream(BigInt(length)) : new IdentityTransformStream();
  return { answer: new Response(readable, answer), end: passOn(body, writable, terms) };
}

/** By hand: the platform's own pipe does not tell whose end has failed. */
async function passOn(
  body: ReadableStream<Uint8Array>,
  writable: WritableStream<Uint8Array>,
  { clock, hasClientFailed, left, ...terms }: WatchTerms,
): Promise<BodyEnd> {
  const from = body.getReader();
  const to = writable.getWriter();
  const done = new AbortController();
  const breakOff = (end: BodyEnd, reason: string): BodyEnd => {
    // Either side may know it already, and neither is waited for: a client that reads no more must not hold up the record.
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
