/*
 * Before the suite: the daemons and the Worker are built. After it: the figures that the tests left, as one JSON line.
 * Where they cannot be built, the suite is skipped with a line that says why.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { type TestProject } from 'vitest/node';
import { buildWorker } from '#local/build-worker.ts';
import { buildDaemons, type Daemons } from './daemons.ts';
import { FIGURES_PATH } from './figures.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Nothing where they cannot be built. */
    daemons: Daemons | undefined;
  }
}

const say = (line: string): void => void process.stderr.write(`test:lnd: ${line}\n`);

export async function setup(project: TestProject): Promise<void> {
  rmSync(FIGURES_PATH, { force: true });
  const built = await buildDaemons(say);
  const daemons = 'missing' in built ? undefined : built;
  project.provide('daemons', daemons);
  if ('missing' in built) say(`SKIPPED: ${built.missing}`);
  if (daemons === undefined) return;
  const { go, btcd, lnd } = daemons.versions;
  say(`lnd ${lnd}, btcd ${btcd}, built with ${go}`);
  for (const name of ['lnd-worker', 'lnd-pool-worker']) {
    await buildWorker({ outDirectory: 'dist/test/lnd', entry: `test/workerd/entries/${name}.ts` });
  }
}

export function teardown(): void {
  if (existsSync(FIGURES_PATH)) process.stdout.write(`${readFileSync(FIGURES_PATH, 'utf8')}\n`);
}
