/*
 * The size of a built Worker as it is uploaded, against its budget (budgets.json). A budget may only be lowered without a
 * reason: what is kept is what was reached, the aim is beside it. Effects: reads the bundle.
 */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

export interface Budget {
  /** More than this fails the check. */
  readonly budget: number;
  readonly aim: number;
}

export interface BundleSize {
  readonly bytes: number;
  readonly gzipBytes: number;
}

/** What each part may take. Times depend on the machine: they are aims only. */
export const BUDGETS = JSON.parse(readFileSync(new URL('budgets.json', import.meta.url), 'utf8')) as {
  readonly bundle_gzip_kib: Budget;
  readonly startup_cpu_ms: Pick<Budget, 'aim'>;
};

const BYTES_A_KIBIBYTE = 1024;

/** The size of a bundle. */
export function readBundleSize(path: string): BundleSize {
  const bundle = readFileSync(path);
  return { bytes: bundle.length, gzipBytes: gzipSync(bundle, { level: 9 }).length };
}

/** Whether the bundle is within its budget, and a line that says so. */
export function judgeBundle({ bytes, gzipBytes }: BundleSize, { budget, aim }: Budget): { readonly fits: boolean; readonly line: string } {
  const fits = gzipBytes <= budget * BYTES_A_KIBIBYTE;
  const kib = (size: number) => `${(size / BYTES_A_KIBIBYTE).toFixed(1)} KiB`;
  const verdict = fits ? 'within' : 'OVER';
  return { fits, line: `bundle ${kib(bytes)}, ${kib(gzipBytes)} gzip: ${verdict} its budget of ${budget} KiB (the aim is ${aim})` };
}
