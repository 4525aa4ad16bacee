/*
 * A body that a price or a token depends on. One that was shown to a pricing service, or that a token was narrowed to, has
 * been read, and is sent on from memory; it is never longer than what was shown (M26, M9). One that was priced by its declared length is streamed (sized-body.ts).
 * Effects: reads the body it is given.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type GatewayRefusal } from './refusals.ts';

export type HeldBody =
  /** Read whole; send these instead of the body of the request. */
  | { readonly kind: 'read'; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Not read; send at most so many. */
  | { readonly kind: 'sized'; readonly bytes: number };

/** Reads a body that may have at most so many bytes. A longer one is given up at once. */
export async function readWholeBody(request: Request, most: number): Promise<Result<Uint8Array<ArrayBuffer>, GatewayRefusal>> {
  const tooLarge = {
    code: 'body_too_large',
    detail: `the body is read before the call is let through, and may have at most ${most} bytes`,
  } as const;
  if (Number(request.headers.get('content-length') ?? '0') > most) return refuse(tooLarge);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = (request.body as ReadableStream<Uint8Array> | null)?.getReader();
  try {
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
      length += part.value.byteLength;
      if (length > most) {
        void reader?.cancel().catch(() => undefined);
        return refuse(tooLarge);
      }
      chunks.push(part.value);
    }
  } catch {
    return refuse({ code: 'price_input_invalid', detail: 'the body is read before the call is let through, and broke off' });
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return accept(bytes);
}
