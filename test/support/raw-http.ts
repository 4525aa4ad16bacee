/*
 * HTTP by hand over a socket: the request goes out byte for byte as written, so that paths arrive as an attacker sends
 * them and no client library tidies them up.
 */
import { connect } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

export interface RawRequest {
  readonly method?: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further header lines, as they are. */
  readonly lines?: readonly string[];
  readonly body?: string;
}

/** Sends one request on a connection of its own and reads the whole answer. */
export function sendRaw(
  port: number,
  { method = 'GET', target, headers = {}, lines: further = [], body = '' }: RawRequest,
): Promise<RawAnswer> {
  const fields = {
    host: 'gateway.test',
    connection: 'close',
    ...(body === '' || 'transfer-encoding' in headers ? {} : { 'content-length': String(body.length) }),
    ...headers,
  };
  const lines = [...Object.entries(fields).map(([name, value]) => `${name}: ${value}`), ...further].map((line) => `${line}\r\n`);
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => void chunks.push(chunk));
    socket.once('error', reject);
    socket.once('close', () => resolve(readAnswer(Buffer.concat(chunks).toString('latin1'))));
    socket.write(Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`, 'latin1'));
  });
}

function readAnswer(text: string): RawAnswer {
  const border = text.indexOf('\r\n\r\n');
  const head = border < 0 ? text : text.slice(0, border);
  return { status: Number(head.split(' ')[1] ?? 0), head, body: border < 0 ? '' : text.slice(border + 4) };
}
