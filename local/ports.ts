/*
 * Free ports of the loopback address. Effects: opens and closes a listener.
 */
import { createServer } from 'node:net';

/** The first port from the given one on that nobody listens on. */
export async function findFreePort(from: number): Promise<number> {
  for (let port = from; port < from + 100; port++) if (await isFree(port)) return port;
  throw new Error(`no free port from ${from} to ${from + 99}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
