/*
 * Load at a stated rate, whatever becomes of what was sent before: a flood does not wait for its answers.
 */
import { connect, type Socket } from 'node:net';

const TICK_MS = 5;

/** Does the work so many times a second, for so many seconds. */
export function runAtRate(work: () => void, { perSecond, seconds }: { perSecond: number; seconds: number }): Promise<void> {
  return new Promise((resolve) => {
    const startedMs = performance.now();
    let done = 0;
    const timer = setInterval(() => {
      const elapsed = Math.min(seconds, (performance.now() - startedMs) / 1000);
      for (const due = Math.floor(elapsed * perSecond); done < due; done++) work();
      if (elapsed < seconds) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
}

/** Connections that are written to in turn and opened anew when they are closed; nobody reads the answers. */
export interface Hoses {
  readonly write: (text: string) => void;
  /** Statuses that came, and connections that were closed by the other side. */
  readonly counts: ReadonlyMap<string, number>;
  readonly close: () => void;
}

/** Opens so many connections. */
export function openHoses(port: number, count: number): Hoses {
  const counts = new Map<string, number>();
  const add = (label: string) => void counts.set(label, (counts.get(label) ?? 0) + 1);
  const sockets: (Socket | undefined)[] = Array.from({ length: count }, () => undefined);
  let at = 0;
  let isClosing = false;
  const open = (index: number): Socket => {
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (chunk: Buffer) => {
      for (const [, status] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g)) add(status!);
    });
    // Resets are what a flood may get.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      sockets[index] = undefined;
      if (!isClosing) add('closed');
    });
    sockets[index] = socket;
    return socket;
  };
  return {
    write(text) {
      const index = at++ % count;
      (sockets[index] ?? open(index)).write(text);
    },
    counts,
    close() {
      isClosing = true;
      for (const socket of sockets) socket?.destroy();
    },
  };
}

/** Opens so many connections and keeps them, each with the beginning of a request. */
export async function holdConnections(port: number, { count, text }: { count: number; text: string }): Promise<() => void> {
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve, reject) => {
          socket.once('error', reject);
          socket.once('connect', () => {
            socket.off('error', reject);
            socket.on('error', () => undefined);
            socket.resume();
            if (text !== '') socket.write(text);
            resolve();
          });
        }),
    ),
  );
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}
