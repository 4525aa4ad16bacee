/*
 * `npm run check:size`: builds the Worker as a deployment would and holds its size against bench/budgets.json. Effects: runs
 * wrangler's dry run.
 */
import { BUDGETS, judgeBundle, readBundleSize } from '#bench/bundle.ts';
import { buildWorker } from '#local/build-worker.ts';

const { fits, line } = judgeBundle(readBundleSize(await buildWorker({ outDirectory: 'dist/check' })), BUDGETS.bundle_gzip_kib);
console.log(line);
process.exitCode = fits ? 0 : 1;
