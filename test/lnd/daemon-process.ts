/*
 * One daemon as a process: its output kept for when it fails, its end awaited, ended by its own id, and gone with the test
 * process whatever becomes of that. Also waiting for what another process will make true. Effects: processes, timers.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface DaemonProcess {
  readonly pid: number;
  /** What it said, on either output. */
  output(): string;
  isAlive(): boolean;
  /** Resolves with the exit code once it has ended by itself or was ended. */
  readonly ended: Promise<number | null>;
  /** Resolves once the process is gone, and its ports with it. */
  end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<void>;
}

const LONGEST_OUTPUT = 4_194_304;
const TOLD_OUTPUT = 2000;
const PATIENCE_MS = 60_000;
const POLL_MS = 50;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const children = new Set<ChildProcess>();

const killAll = (): void => children.forEach((child) => void child.kill('SIGKILL'));
process.once('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killAll();
    process.kill(process.pid, signal);
  });
}

/** Starts a program in the repository's folder, with nothing in its environment but this. */
export function startDaemon(path: string, argv: readonly string[], environment: Readonly<Record<string, string>> = {}): DaemonProcess {
  const child = spawn(path, argv, { stdio: ['ignore', 'pipe', 'pipe'], env: environment, cwd: ROOT });
  children.add(child);
  let output = '';
  const keep = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-LONGEST_OUTPUT));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      output += error.message;
      resolve(null);
    });
    child.once('close', resolve);
  });
  void ended.then(() => children.delete(child));
  return {
    pid: child.pid ?? -1,
    output: () => output,
    ended,
    isAlive: () => child.exitCode === null && child.signalCode === null && child.pid !== undefined,
    async end(signal) {
      child.kill(signal);
      const killer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS / 2);
      await ended;
      clearTimeout(killer);
    },
  };
}

/** Asks until there is an answer; gives up, saying for what, after a minute, or at once when the process has ended. */
export async function until<Value>(what: string, ask: () => Promise<Value | undefined | false>, daemon?: DaemonProcess): Promise<Value> {
  const endMs = Date.now() + PATIENCE_MS;
  let lastError: unknown;
  while (Date.now() < endMs) {
    if (daemon !== undefined && !daemon.isAlive()) throw new Error(`${what}: the process has ended: ${tail(daemon)}`);
    try {
      const value = await ask();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      lastError = error;
    }
    await pause(POLL_MS);
  }
  throw new Error(`${what}: not within ${PATIENCE_MS} ms: ${tail(daemon)}`, { cause: lastError });
}

/** A port that the system has just had free. */
export function takePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function tail(daemon: DaemonProcess | undefined): string {
  return daemon?.output().slice(-TOLD_OUTPUT) ?? '';
}
