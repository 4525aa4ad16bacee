/*
 * The end of a paid WebSocket (M14). The platform would connect both sides itself and not report the end, so both ends are
 * accepted here and every message is passed from one to the other. Effects: the given sockets and timer.
 */
import { endOfStream, type StreamTerms } from './stream-end.ts';

/** A socket cannot be paused: a receiver that is this far behind is cut off before memory runs out. */
export const MOST_BUFFERED_BYTES = 4_194_304;
/** RFC 6455, section 7.4.1. */
const POLICY_VIOLATION = 1008;
const UNEXPECTED = 1011;
/** Never sent in a close frame: no code was given, or the connection broke off. */
const NO_STATUS = 1005;
const UNSENDABLE: ReadonlySet<number> = new Set([1004, NO_STATUS, 1006, 1015]);

/** Returns the same upgrade response with a socket that is closed at both ends when its time is over. */
export function endSocket(answer: Response, origin: WebSocket, terms: StreamTerms): Response {
  const { 0: client, 1: ours } = new WebSocketPair();
  const done = new AbortController();
  const closeBoth = (code: number, reason: string) => {
    done.abort();
    for (const socket of [ours, origin]) closeSocket(socket, code, reason);
  };
  const handOn = (from: WebSocket, to: WebSocket) => {
    from.binaryType = 'arraybuffer';
    from.accept();
    from.addEventListener('message', ({ data }) => {
      if (done.signal.aborted) return;
      to.send(data as ArrayBuffer | string);
      if (to.bufferedAmount > MOST_BUFFERED_BYTES) closeBoth(POLICY_VIOLATION, 'messages are taken too slowly');
    });
    from.addEventListener('close', ({ code, reason }) => {
      done.abort();
      closeSocket(to, code, reason);
    });
    from.addEventListener('error', () => closeBoth(UNEXPECTED, 'the other end has broken off'));
  };
  handOn(ours, origin);
  handOn(origin, ours);
  void endOfStream(terms, done.signal).then(() => closeBoth(POLICY_VIOLATION, 'the time of this stream is over'));
  return new Response(null, { status: 101, headers: answer.headers, webSocket: client });
}

function closeSocket(socket: WebSocket, code: number, reason: string): void {
  try {
    if (code === NO_STATUS) socket.close();
    else if (UNSENDABLE.has(code)) socket.close(UNEXPECTED, 'the other end has broken off');
    else socket.close(code, reason);
  } catch {
    // Already closed by one of the ends.
  }
}
