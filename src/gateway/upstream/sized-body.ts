/*
 * The body on its way to the origin. A body priced by its declared length ends at that length, whatever else the client sends
 * (M26). Effects: streams; FixedLengthStream is the platform's.
 */
import { type HeldBody } from '../request/held-body.ts';
import { type RequestFacts } from '../request/request-facts.ts';

export interface SentBody {
  readonly body: ReadableStream | Uint8Array<ArrayBuffer> | null;
  /** Whether the client sent more than was priced. */
  readonly isTooLong: () => boolean;
  /** Cuts the request off. If a body of unknown length merely fails, the platform ends it as if it were complete. */
  readonly signal?: AbortSignal;
}

/** Returns what to send of a request's body. */
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
  // A stream of fixed length, so that the origin gets the length that the client declared.
  const { readable, writable } = new FixedLengthStream(held.bytes);
  void body
    .pipeThrough(counted)
    .pipeTo(writable)
    .catch(() => undefined);
  return { body: readable, isTooLong: () => tooLong };
}

/** Limits a body of unknown length as it passes. One of known length was judged before (findObstacle). */
export function limitBody(
  request: Request,
  { facts: { hasBody, headers }, most }: { facts: Pick<RequestFacts, 'hasBody' | 'headers'>; most: number | undefined },
): SentBody {
  // Drops the empty body of a GET or HEAD, which cannot be sent.
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
