/*
 * An origin that does what its path says and remembers every request as it arrived: `/call/status/503`, `/call/hang`,
 * `/call/reset`, `/call/echo`, and 200 for the rest.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type Duplex } from 'node:stream';
import { closeServer } from '#local/sample-origin.ts';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

export interface TestOrigin {
  readonly url: string;
  readonly seen: SeenRequest[];
  /** Requests that hang now; releasing answers them all. */
  readonly hanging: ServerResponse[];
  /** Resolves when the next request to hang has arrived. */
  nextHanging(): Promise<void>;
  /** The path of the next request that breaks off before its body is complete. */
  nextCutOff(): Promise<string>;
  releaseAll(): void;
  /** Instead of everything: gets the request before its body has been read. */
  stream: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /** Takes what asks for another protocol. */
  upgrade: ((request: IncomingMessage, socket: Duplex) => void) | undefined;
  /** Instead of the default answer, for tests of what an origin may make of a path. */
  respond: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  close(): Promise<void>;
}

/** Starts the origin on a free port. */
export async function startTestOrigin(port = 0): Promise<TestOrigin> {
  const waiters: (() => void)[] = [];
  const cutOffWaiters: ((url: string) => void)[] = [];
  const server = createServer((request, response) => {
    // A request that breaks off is nothing that was seen.
    handle(request, response).catch(() => {
      for (const tell of cutOffWaiters.splice(0)) tell(request.url ?? '');
    });
  });
  const origin: TestOrigin = {
    url: '',
    seen: [],
    hanging: [],
    stream: undefined,
    upgrade: undefined,
    respond: undefined,
    nextHanging: () => new Promise((resolve) => void waiters.push(resolve)),
    nextCutOff: () => new Promise((resolve) => void cutOffWaiters.push(resolve)),
    releaseAll() {
      for (const response of origin.hanging.splice(0)) response.end('late');
    },
    close: () => closeServer(server),
  };

  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    const { method = '', url = '', headers, rawHeaders } = request;
    origin.seen.push({ method, url, headers, rawHeaders, body: '' });
    if (origin.upgrade === undefined) socket.destroy();
    else origin.upgrade(request, socket);
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (origin.stream !== undefined) return origin.stream(request, response);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers, rawHeaders } = request;
    origin.seen.push({ method, url, headers, rawHeaders, body: Buffer.concat(chunks).toString('latin1') });
    if (origin.respond !== undefined) return origin.respond(request, response);
    const status = /\/status\/(\d{3})/.exec(url)?.[1];
    if (url.includes('/hang')) {
      origin.hanging.push(response);
      for (const wake of waiters.splice(0)) wake();
      return undefined;
    }
    if (url.includes('/reset')) return void request.socket.resetAndDestroy();
    if (url.includes('/redirect')) return void response.writeHead(302, { location: 'http://elsewhere.example/' }).end();
    if (url.includes('/cacheable')) {
      return void response
        .writeHead(200, { 'cache-control': 'public, max-age=60', 'cdn-cache-control': 'max-age=60', 'l402-remaining': '99' })
        .end('ok');
    }
    if (url.includes('/echo')) return void response.writeHead(200, { 'content-type': 'text/plain' }).end(Buffer.concat(chunks));
    response.writeHead(Number(status ?? '200'), { 'content-type': 'text/plain' }).end(status === '304' ? undefined : 'origin');
    return undefined;
  }

  await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
  return Object.assign(origin, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
