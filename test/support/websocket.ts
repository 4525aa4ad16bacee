/*
 * The server's half of a WebSocket in one file: shakes hands, echoes short text messages, closes when told. For tests only.
 */
import { createHash } from 'node:crypto';
import { type IncomingMessage } from 'node:http';
import { type Duplex } from 'node:stream';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const TEXT = 1;
const CLOSE = 8;

/** Takes an upgrade and answers every message with the same text. */
export function echoWebSocket(request: IncomingMessage, socket: Duplex): void {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${GUID}`).digest('base64');
  const protocol = request.headers['sec-websocket-protocol'];
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
  let pending = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    // Short masked frames only: two bytes, four of mask, then the text.
    while (pending.length >= 6 && pending.length >= 6 + (pending[1]! & 127)) {
      const length = pending[1]! & 127;
      const mask = pending.subarray(2, 6);
      const text = pending.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]!);
      const kind = pending[0]! & 15;
      pending = pending.subarray(6 + length);
      if (kind === TEXT) socket.write(Buffer.concat([Buffer.from([128 | TEXT, length]), text]));
      if (kind === CLOSE) socket.end(Buffer.concat([Buffer.from([128 | CLOSE, length]), text]));
    }
  });
}
