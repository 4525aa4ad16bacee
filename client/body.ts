/*
 * A request body in a form that can be sent twice with the same bytes. A body in memory is copied now, so later changes by
 * the caller do not reach the second request. A stream is read whole, up to a limit, before anything is sent and so before
 * anything is paid (M31). Effects: reads bodies.
 */
import { L402Error } from './error.ts';

/** A body, and the content type that the platform would have given it (with a form's boundary). */
export interface RepeatableBody {
  readonly content: string | Blob | Uint8Array<ArrayBuffer>;
  readonly contentType: string | undefined;
}

export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** Takes the body from the options of a fetch call. */
export async function takeBody(body: NonNullable<RequestInit['body']>, limits: BodyLimits): Promise<RepeatableBody> {
  if (isOneShot(body)) {
    const stream = body instanceof ReadableStream ? body : new Response(body).body!;
    return { content: await readWhole(stream, limits), contentType: undefined };
  }
  // Neither can change, and both get the same content type each time.
  if (typeof body === 'string' || body instanceof Blob) return { content: body, contentType: undefined };
  const taken = new Response(body);
  const contentType = taken.headers.get('content-type') ?? undefined;
  return { content: new Uint8Array(await taken.arrayBuffer()), contentType };
}

/** Takes the body of a request, whose headers already name its type. It counts as a stream: its source cannot be determined. */
export async function takeRequestBody(request: Request, limits: BodyLimits): Promise<RepeatableBody | undefined> {
  if (request.body === null) return undefined;
  if (request.body !== undefined) return { content: await readWhole(request.body, limits), contentType: undefined };
  // Some browsers do not expose a request's body as a stream.
  const content = new Uint8Array(await request.arrayBuffer());
  if (content.byteLength > limits.maxBodyBytes) throw tooLarge(limits);
  return content.byteLength === 0 ? undefined : { content, contentType: undefined };
}

/** Whether a body can be read only once. Node also accepts anything that can be iterated asynchronously. */
function isOneShot(body: object | string): boolean {
  return body instanceof ReadableStream || (typeof body === 'object' && Symbol.asyncIterator in body);
}

async function readWhole(stream: ReadableStream<Uint8Array>, { maxBodyBytes, signal }: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const stop = () => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener('abort', stop);
  try {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await reader.read();
      if (done) break;
      if (!(value instanceof Uint8Array)) throw new TypeError('body: the stream must yield Uint8Array chunks');
      length += value.byteLength;
      if (length > maxBodyBytes) throw tooLarge({ maxBodyBytes });
      chunks.push(value);
    }
    signal?.throwIfAborted();
    return joinChunks(chunks, length);
  } catch (error) {
    void reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

function joinChunks(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

function tooLarge({ maxBodyBytes }: Pick<BodyLimits, 'maxBodyBytes'>): L402Error {
  return new L402Error('body_too_large', { paid: 'no', detail: `a stream body may have at most ${maxBodyBytes} bytes` });
}
