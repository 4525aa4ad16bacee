/*
 * The body of a paid answer, watched to its end, for routes where an origin that breaks off is not paid (`brokenBody`). Only
 * what the origin did is for the payer: a client that leaves, or a stream that is ended by the clock, is counted (M11).
 * Effects: streams and the timer that it is given.
 */
import { endOfStream, type StreamTerms } from './stream-end.ts';

/** What became of a body. `broken`: the origin broke it off. */
export type BodyEnd = 'whole' | 'broken' | 'client_left' | 'time_over';

/** The same answer, and in the end what became of its body. Every body ends by the clock here, with a length or without. */
export function watchBody(answer: Response, terms: StreamTerms): { readonly answer: Response; readonly end: Promise<BodyEnd> } {
  const { body, headers } = answer;
  if (body === null) return { answer, end: Promise.resolve('whole') };
  const length = headers.get('content-length');
  // An encoded body may be decoded and encoded anew on its way: its length is not what it was.
  const isSized = length !== null && !headers.has('content-encoding');
  const { readable, writable } = isSized ? new FixedLengthStream(BigInt(length)) : new IdentityTransformStream();
  return { answer: new Response(readable, answer), end: passOn(body, writable, terms) };
}

/** By hand: the platform's own pipe does not tell whose end has failed. */
async function passOn(body: ReadableStream<Uint8Array>, writable: WritableStream<Uint8Array>, terms: StreamTerms): Promise<BodyEnd> {
  const from = body.getReader();
  const to = writable.getWriter();
  const done = new AbortController();
  const breakOff = (end: BodyEnd, reason: string): BodyEnd => {
    // Either side may know it already, and neither is waited for: a client that reads no more must not hold up the record.
    void Promise.allSettled([from.cancel(new Error(reason)), to.abort(new Error(reason))]);
    return end;
  };
  const copy = async (): Promise<BodyEnd> => {
    for (;;) {
      const part = await from.read().catch(() => undefined);
      if (part === undefined) return breakOff('broken', 'the origin broke off');
      const write = part.done ? to.close() : to.write(part.value);
      const isPassed = await write.then(
        () => true,
        () => false,
      );
      if (!isPassed) return breakOff('client_left', 'the client has gone');
      if (part.done) return 'whole';
    }
  };
  const over = endOfStream(terms, done.signal).then(() => breakOff('time_over', 'the time of this stream is over'));
  return Promise.race([over, copy()]).finally(() => done.abort());
}
