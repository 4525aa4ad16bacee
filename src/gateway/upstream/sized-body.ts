/*
 * The body on its way to the origin. One that was priced by its declared length ends where it was declared to end, however
 * much the client goes on sending (M26). Effects: streams; FixedLengthStream is the platform's.
 */
import { type HeldBody } from '../request/held-body.ts';
import { type RequestFacts } from '../request/request-facts.ts';

export interface SentBody {
  readonly body: ReadableStream | Uint8Array<ArrayBuffer> | null;
  /** Whether the client sent more than was priced. */
  readonly isTooLong: () => boolean;
  /** Cuts the request off. A body of unknown length that merely fails is ended by the platform as if it were complete. */
  readonly signal?: AbortSignal;
}

/** What to send of a request's body. */
export function sendBody(body: ReadableStream | null, held: HeldBody | undefined): SentBody {
  if (held?.kind === 'read') return { body: held.bytes.length === 0 ? null : held.bytes, isTooLong: () => false };
  if (held === undefined || body === null) return { body, isTooLong: () => false };
  let sent = 0;
  let tooLong = false;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      sent += chunk.byteLength;
      tooLong = sent > held.bytes;
      if (tooLong) controller.error(new Error('the body is longer than it was declared'));
      else controller.enqueue(chunk);
    },
  });
  // Of fixed length, so that the origin is told the length as the client told it.
  const { readable, writable } = new FixedLengthStream(held.bytes);
  void body
    .pipeThrough(counted)
    .pipeTo(writable)
    .catch(() => undefined);
  return { body: readable, isTooLong: () => tooLong };
}

/** A body of known length was judged before (findObstacle); one of unknown length is counted as it passes. */
export function limitBody(
  request: Request,
  { facts: { hasBody, headers }, most }: { facts: Pick<RequestFacts, 'hasBody' | 'headers'>; most: number | undefined },
): SentBody {
  // Of length zero, where none can be sent.
  const body = hasBody ? request.body : null;
  if (most === undefined || body === null || headers.has('content-length')) return { body, isTooLong: () => false };
  const stop = new AbortController();
  let sent = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      sent += chunk.byteLength;
      if (sent > most) stop.abort();
      else controller.enqueue(chunk);
    },
  });
  return { body: body.pipeThrough(counted), isTooLong: () => sent > most, signal: stop.signal };
}
