/*
 * A proxy on loopback that passes everything on as it is and remembers what it passed: what a client really sends, counted
 * outside both of them.
 */
import { createServer, request as sendOn } from 'node:http';
import { type AddressInfo } from 'node:net';
import { closeServer } from '#local/sample-origin.ts';

export interface PassedRequest {
  readonly method: string;
  readonly url: string;
  readonly hasCredential: boolean;
  readonly status: number;
}

export interface CountingProxy {
  readonly url: string;
  /** In the order of their answers. */
  readonly passed: PassedRequest[];
  close(): Promise<void>;
}

/** Starts a proxy in front of a port of this machine. */
export async function startCountingProxy(port: number): Promise<CountingProxy> {
  const passed: PassedRequest[] = [];
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    const upstream = sendOn({ port, host: '127.0.0.1', method, path: url, headers }, (answer) => {
      const status = answer.statusCode ?? 0;
      passed.push({ method, url, hasCredential: headers.authorization !== undefined, status });
      response.writeHead(status, answer.rawHeaders);
      answer.pipe(response);
    });
    upstream.once('error', () => response.destroy());
    request.pipe(upstream);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, passed, close: () => closeServer(server) };
}
