/*
 * The server's half of a WebSocket in one file: shakes hands, echoes messages, closes when told. For tests only.
 */
import { createHash } from 'node:crypto';
import { type IncomingMessage } from 'node:http';
import { type Duplex } from 'node:stream';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;

/** What a socket has got, in the order in which it came; of a close frame code and reason. */
export interface EchoedFrames {
  readonly closed: Promise<string>;
}

/** Takes an upgrade and answers every message with the same one; a message `close …` closes with that code. */
export function echoWebSocket(request: IncomingMessage, socket: Duplex): EchoedFrames {
  shakeHands(request, socket);
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on('close', () => resolve('broken off'));
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let frame = readFrame(pending); frame !== undefined; frame = readFrame(pending)) {
      const { kind, payload, length } = frame;
      pending = pending.subarray(length);
      const code = kind === TEXT ? /^close (\d+) (.*)$/.exec(payload.toString()) : null;
      if (code !== null)
        socket.write(
          formatFrame(CLOSE, Buffer.concat([Buffer.from([Number(code[1]) >> 8, Number(code[1]) & 255]), Buffer.from(code[2]!)])),
        );
      else if (kind === TEXT || kind === BINARY) socket.write(formatFrame(kind, payload));
      if (kind !== CLOSE) continue;
      resolve(payload.length < 2 ? 'no code' : `${payload.readUInt16BE(0)} ${payload.subarray(2).toString()}`);
      socket.end(formatFrame(CLOSE, payload));
    }
  });
  return { closed: promise };
}

/** The server's half of the handshake. */
export function shakeHands(request: IncomingMessage, socket: Duplex): void {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${GUID}`).digest('base64');
  const protocol = request.headers['sec-websocket-protocol'];
  socket.on('error', () => socket.destroy());
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`,
      ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
      '\r\n',
    ].join('\r\n'),
  );
}

/** A whole frame of a server: never masked. */
export function formatFrame(kind: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head =
    length < 126
      ? [length]
      : length < 65_536
        ? [126, length >> 8, length & 255]
        : [127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  return Buffer.concat([Buffer.from([128 | kind, ...head]), payload]);
}

/** The first frame of a client, which masks it; nothing while it is not whole. */
function readFrame(bytes: Buffer): { readonly kind: number; readonly payload: Buffer; readonly length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! & 127;
  const at = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < at + 4) return undefined;
  const size = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  if (bytes.length < at + 4 + size) return undefined;
  const mask = bytes.subarray(at, at + 4);
  const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + size).map((byte, index) => byte ^ mask[index % 4]!));
  return { kind: bytes[0]! & 15, payload, length: at + 4 + size };
}
