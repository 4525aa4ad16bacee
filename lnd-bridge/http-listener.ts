/*
 * A node:http server whose answers are values: one function from request to answer, bounded bodies, a close that lets
 * requests in flight finish. Shared by the bridge and the embedded wallet. Effects: sockets.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { accept, refuse, type Result } from '#protocol/result.ts';

export interface HttpAnswer {
  readonly status: number;
  /** JSON, unless the headers say otherwise. */
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpListener {
  /** Resolves with the port, which matters if any free one was requested. */
  listen(options: { host: string; port: number }): Promise<{ port: number }>;
  /** Accepts no new connections, finishes requests in flight, then resolves. */
  close(): Promise<void>;
}

export interface HttpListenerOptions<Answer extends HttpAnswer> {
  /** `undefined`: the client has gone. */
  readonly handle: (request: IncomingMessage, isGone: () => boolean) => Promise<Answer | undefined>;
  /** Turns what `handle` threw into an answer. */
  readonly onFault: (error: unknown) => Answer;
  /** Called with an answer that could not be sent completely. */
  readonly onLost?: (answer: Answer) => void;
}

const REQUEST_TIMEOUT_MS = 10_000;
/** After this time a close no longer waits for clients that neither send nor read. */
const CLOSE_GRACE_MS = 10_000;

export function createHttpListener<Answer extends HttpAnswer>({ handle, onFault, onLost }: HttpListenerOptions<Answer>): HttpListener {
  let isClosing = false;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await handle(request, () => response.destroyed).catch(onFault);
    if (answer === undefined) return;
    if (response.destroyed) {
      onLost?.(answer);
      return;
    }
    response.once('close', () => {
      if (!response.writableFinished) onLost?.(answer);
    });
    response.writeHead(answer.status, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'content-length': Buffer.byteLength(answer.body),
      // An unread rest of a body prevents another request on the connection.
      ...(isClosing || !request.complete ? { connection: 'close' } : {}),
      ...answer.headers,
    });
    response.end(answer.body);
  }

  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    void serve(request, response);
  });

  return {
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, () => {
          server.off('error', reject);
          resolve({ port: (server.address() as AddressInfo).port });
        });
      }),
    close: () =>
      new Promise((resolve, reject) => {
        isClosing = true;
        const giveUp = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
        server.close((error) => {
          clearTimeout(giveUp);
          if (error === undefined) resolve();
          else reject(error);
        });
      }),
  };
}

/** Reads the whole body as text. Stops reading one that is too large; if its stated length is too large, reads nothing. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Result<string, 'too_large' | 'gone'>> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve(refuse('too_large'));
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) {
        request.pause();
        resolve(refuse('too_large'));
        return;
      }
      chunks.push(chunk);
    });
    request.once('end', () => resolve(accept(Buffer.concat(chunks).toString('utf8'))));
    request.once('error', () => resolve(refuse('gone')));
    request.once('close', () => resolve(refuse('gone')));
  });
}

/** Parses the JSON value of a body; `undefined` if it is invalid. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
