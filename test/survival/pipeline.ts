/*
 * A keep-alive connection with several requests under way, as cheap for the driver as it can be: what is read of an
 * answer is its status, and of the bodies only that they cannot look like the start of an answer.
 */
import { connect } from 'node:net';

/** What one connection sends, and how. */
export interface Pipeline {
  readonly port: number;
  /** The whole text of the next request; nothing when there are no more. */
  readonly next: () => string | undefined;
  /** Requests under way at a time. */
  readonly depth: number;
  readonly onStatus: (status: number) => void;
}

const START = /HTTP\/1\.1 (\d{3}) /g;
/** No start of an answer is longer. */
const START_LENGTH = 13;

/** Sends until there is nothing more to send and everything is answered. */
export function runPipeline({ port, next, depth, onStatus }: Pipeline): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let open = 0;
    let tail = '';
    const fill = () => {
      const batch: string[] = [];
      while (open < depth) {
        const text = next();
        if (text === undefined) break;
        batch.push(text);
        open += 1;
      }
      if (batch.length > 0) socket.write(batch.join(''));
      else if (open === 0) socket.destroy();
    };
    socket.setNoDelay(true);
    socket.once('connect', fill);
    socket.on('data', (chunk: Buffer) => {
      const text = tail + chunk.toString('latin1');
      let end = 0;
      for (const match of text.matchAll(START)) {
        end = match.index + START_LENGTH;
        open -= 1;
        onStatus(Number(match[1]));
      }
      tail = text.slice(Math.max(end, text.length - START_LENGTH + 1));
      fill();
    });
    socket.once('error', reject);
    socket.once('close', () => (open === 0 ? resolve() : reject(new Error(`a connection ended with ${open} requests under way`))));
  });
}

/** A GET by hand. */
export function formatGet(path: string, authorization: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: gateway.test\r\nauthorization: ${authorization}\r\n\r\n`;
}
