/*
 * Free ports of the loopback address. Effects: opens and closes a listener.
 */
import { createServer } from 'node:net';

export const LARGEST_PORT = 65_535;

/** Returns the first free port from the given one on. */
export async function findFreePort(from: number): Promise<number> {
  const last = Math.min(from + 99, LARGEST_PORT);
  for (let port = from; port <= last; port++) if (await isFree(port)) return port;
  throw new Error(`no free port from ${from} to ${last}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
