/*
 * What a figure was measured on. Effects: reads facts of the machine, asks git.
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os';
import { GENERATOR } from './load.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_mib: number;
  readonly system: string;
  /** Of the last minute before the run: others who work here make every figure worse. */
  readonly load: number;
  readonly node: string;
  readonly workerd: string;
  readonly generator: string;
  readonly commit: string;
  readonly date: string;
}

/** The machine, now. */
export function readMachine(): Machine {
  const { version } = createRequire(import.meta.url)('workerd/package.json') as { readonly version: string };
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory_mib: Math.round(totalmem() / 2 ** 20),
    system: `${type()} ${release()} ${arch()}`,
    load: Math.round(loadavg()[0]! * 100) / 100,
    node: process.version,
    workerd: version,
    generator: GENERATOR,
    commit: readCommit(),
    date: new Date().toISOString().slice(0, 10),
  };
}

function readCommit(): string {
  try {
    const git = (...words: readonly string[]) =>
      execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
}
