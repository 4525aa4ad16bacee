/*
 * `npm run check:size`: builds the Worker as for a deployment and compares its size with bench/budgets.json. Also prints its
 * start-up time. Effects: runs wrangler's dry run, and workerd.
 */
import { BUDGETS, judgeBundle, readBundleSize } from '#bench/bundle.ts';
import { measureStartup } from '#bench/workerd-bench.ts';
import { buildWorker } from '#local/build-worker.ts';

const path = await buildWorker({ outDirectory: 'dist/check' });
const { fits, line } = judgeBundle(readBundleSize(path), BUDGETS.bundle_gzip_kib);
console.log(line);
// Only printed: a time differs between machines and with their load.
const { cpu_ms: cpuMs } = await measureStartup(path);
console.log(`start-up ${cpuMs} ms of CPU on this machine, now (target: ${BUDGETS.startup_cpu_ms.aim} ms)`);
process.exitCode = fits ? 0 : 1;
