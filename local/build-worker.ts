/*
 * Builds the Worker as a deployment would, into a folder. Effects: runs wrangler's dry run.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Bundles the Worker; the folder then holds `index.js`. */
export async function buildWorker({ outDirectory, entry }: { outDirectory: string; entry?: string }): Promise<void> {
  const entries = entry === undefined ? [] : [entry];
  const command = ['wrangler', 'deploy', ...entries, '--dry-run', '--outdir', outDirectory];
  await run('npx', command, {
    cwd: new URL('..', import.meta.url),
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
  });
}
