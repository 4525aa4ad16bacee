/*
 * Type-checks each runtime's code with its own tsconfig, so that no code sees globals that its platform lacks. Effects: runs
 * tsc.
 */
import { spawnSync } from 'node:child_process';

const PROJECTS = ['src/protocol', 'src', 'lnd-bridge', 'client', 'client/node', 'test', 'test/workerd'];

const failed = PROJECTS.filter((project) => spawnSync('tsc', ['-p', project], { stdio: 'inherit' }).status !== 0);
if (failed.length > 0) console.error(`Type errors in: ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
