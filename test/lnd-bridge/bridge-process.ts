/*
 * The bridge as a process of its own, for the tests of this folder.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface BridgeProcess {
  /** Resolves with a line of stderr that holds this text. */
  line(text: string): Promise<string>;
  stop(): void;
  /** Tells it to read its keys anew. */
  rekey(): void;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** Starts it with nothing in its environment but this; it is gone when the test is. */
export function spawnBridge(environment: Record<string, string>, argv: readonly string[] = []): BridgeProcess {
  const child = spawn(process.execPath, ['lnd-bridge/main.ts', ...argv], { cwd: ROOT, env: environment });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    ended,
    stop: () => void child.kill('SIGTERM'),
    rekey: () => void child.kill('SIGUSR2'),
    line: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = stderr
            .split('\n')
            .slice(0, -1)
            .find((line) => line.includes(text));
          if (found !== undefined) resolve(found);
        };
        child.stderr.on('data', look);
        child.once('close', () => reject(new Error(`the bridge ended: ${stderr}`)));
        look();
      }),
  };
}
