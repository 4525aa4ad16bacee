/*
 * `npm run test:survival`: the suite that tries to break what `npm test` has found right. `-- --long` is for a night,
 * `-- --seed N` plays a run again. Effects: runs vitest.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { long: { type: 'boolean' }, seed: { type: 'string' } } });
const { status } = spawnSync('vitest', ['run', '--project', 'survival', '--project', 'survival-workerd', '--no-file-parallelism'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    ...(values.long === true ? { SURVIVAL_LONG: '1' } : {}),
    ...(values.seed === undefined ? {} : { SURVIVAL_SEED: values.seed }),
  },
});
process.exitCode = status ?? 1;
