/*
 * Builds the Worker into a folder, as for a deployment. Effects: runs wrangler's dry run.
 */
import { execFile } from 'node:child_process';
import { basename, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Bundles the Worker, or another entry, and returns the path of the bundle. */
export async function buildWorker({ outDirectory, entry }: { outDirectory: string; entry?: string }): Promise<string> {
  const entries = entry === undefined ? [] : [entry];
  await run('npx', ['wrangler', 'deploy', ...entries, '--dry-run', '--outdir', resolve(outDirectory)], {
    cwd: new URL('..', import.meta.url),
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
  });
  return resolve(outDirectory, `${basename(entry ?? 'index.ts', '.ts')}.js`);
}
