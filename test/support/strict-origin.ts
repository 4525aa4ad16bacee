/*
 * An origin as particular as nginx, and more: any field that stands twice, two ways to frame a body, a folded line, a bare
 * line feed or a byte that may not stand in a head is a 400 that names it.
 */
import { createServer, type Socket } from 'node:net';
import { type AddressInfo } from 'node:net';

export interface StrictOrigin {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Starts the origin on a free port. */
export async function startStrictOrigin(): Promise<StrictOrigin> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let text = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const border = text.indexOf('\r\n\r\n');
      if (border < 0) return;
      const wrong = findFault(text.slice(0, border));
      if (wrong === undefined && !isComplete(text.slice(0, border), text.slice(border + 4))) return;
      const body = wrong ?? 'strict';
      const status = wrong === undefined ? '200 OK' : '400 Bad Request';
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function findFault(head: string): string | undefined {
  const [requestLine, ...lines] = head.split('\r\n');
  if (!/^[A-Z]+ \/[\u0021-\u007e]* HTTP\/1\.[01]$/.test(requestLine!)) return 'request line';
  const seen = new Set<string>();
  for (const line of lines) {
    const field = /^([A-Za-z0-9!#$%&'*+.^`|~-]+):[ \t]*([\u0020-\u007e]*)$/.exec(line);
    if (field === null) return `malformed line ${line.split(':')[0]}`;
    const name = field[1]!.toLowerCase();
    if (seen.has(name)) return `duplicate header line ${name}`;
    seen.add(name);
    if (name === 'content-length' && !/^[0-9]+$/.test(field[2]!)) return 'content-length';
    if (name === 'transfer-encoding' && field[2] !== 'chunked') return 'transfer-encoding';
  }
  if (!seen.has('host')) return 'no host';
  return seen.has('content-length') && seen.has('transfer-encoding') ? 'two ways to frame the body' : undefined;
}

function isComplete(head: string, body: string): boolean {
  if (/^transfer-encoding:/im.test(head)) return body.endsWith('0\r\n\r\n');
  return body.length >= Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? '0');
}
