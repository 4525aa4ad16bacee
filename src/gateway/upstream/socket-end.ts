/*
 * Where a WebSocket ends that was paid for (M14). The platform would pass it on by itself and tell nobody when it is over, so both
 * ends are taken here and every message is handed from one to the other. Messages that are not taken are bounded, for a socket and
 * for all of an isolate. Effects: the sockets and the timer that it is given, memory.
 */
import { endOfStream, type StreamTerms } from './stream-end.ts';

/** A socket cannot be paused: a receiver that is this far behind is cut off before memory runs out. */
export const MOST_BUFFERED_BYTES = 4_194_304;
/** The same for all sockets of an isolate, which has 128 MB for everything: the fullest is cut off. */
export const MOST_BUFFERED_IN_ALL = 16_777_216;
/** Sockets with less are not looked at. */
const WORTH_A_LOOK_BYTES = 65_536;
/** RFC 6455, section 7.4.1. */
const POLICY_VIOLATION = 1008;
const UNEXPECTED = 1011;
/** Never sent in a close frame: no code was given, or the connection broke off. */
const NO_STATUS = 1005;
const UNSENDABLE: ReadonlySet<number> = new Set([1004, NO_STATUS, 1006, 1015]);

type Close = (code: number, reason: string) => void;
/** Ends that messages are handed to, and what closes both ends of each. */
const receivers = new Map<WebSocket, Close>();

/** Closes the socket with the most unread bytes if all sockets together hold too many. */
function boundBuffers(): void {
  let total = 0;
  let fullest: WebSocket | undefined;
  for (const socket of receivers.keys()) {
    total += socket.bufferedAmount;
    if (fullest === undefined || socket.bufferedAmount > fullest.bufferedAmount) fullest = socket;
  }
  if (total > MOST_BUFFERED_IN_ALL && fullest !== undefined) receivers.get(fullest)!(POLICY_VIOLATION, 'messages are taken too slowly');
}

/** The same answer to an upgrade, with a socket that is closed at both ends when its time is over. */
export function endSocket(answer: Response, origin: WebSocket, terms: StreamTerms): Response {
  const { 0: client, 1: ours } = new WebSocketPair();
  const done = new AbortController();
  const closeBoth = (code: number, reason: string) => {
    done.abort();
    for (const socket of [ours, origin]) closeSocket(socket, code, reason);
  };
  for (const socket of [ours, origin]) receivers.set(socket, closeBoth);
  done.signal.addEventListener('abort', () => [ours, origin].forEach((socket) => receivers.delete(socket)), { once: true });
  const handOn = (from: WebSocket, to: WebSocket) => {
    from.binaryType = 'arraybuffer';
    from.accept();
    from.addEventListener('message', ({ data }) => {
      if (done.signal.aborted) return;
      to.send(data as ArrayBuffer | string);
      if (to.bufferedAmount > MOST_BUFFERED_BYTES) closeBoth(POLICY_VIOLATION, 'messages are taken too slowly');
      else if (to.bufferedAmount > WORTH_A_LOOK_BYTES) boundBuffers();
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
