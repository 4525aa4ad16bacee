/*
 * `npm run test:survival`: the suite that tries to break what `npm test` has passed. `-- --long` is for a whole night, `--
 * --seed N` repeats a run. Effects: runs vitest, twice.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { long: { type: 'boolean' }, seed: { type: 'string' } } });
const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 31));
const run = (files: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
  spawnSync('vitest', ['run', '--no-file-parallelism', ...files], {
    stdio: 'inherit',
    env: { ...process.env, ...(values.long === true ? { SURVIVAL_LONG: '1' } : {}), SURVIVAL_SEED: seed, ...environment },
  }).status ?? 1;
const all = run(['--project', 'survival', '--project', 'survival-workerd']);
// Once more with few inputs, to measure how much of the parsers they cover.
const covered = run(['--project', 'survival', 'test/survival/fuzz'], { SURVIVAL_COVERAGE: '1' });
process.exitCode = Math.max(all, covered);
