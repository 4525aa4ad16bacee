/*
 * `workerd bench`: workerd's own instrument for what is too short to be seen from outside. It times cases that a module
 * registers, and the start of a Worker in isolates that are new. Effects: a process; files in a folder of its own.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { COMPATIBILITY_DATE } from '#local/workerd-config.ts';
import { WORKERD } from '#local/workerd-process.ts';
import { median, round2 } from './statistics.ts';

/** Nanoseconds of CPU time. */
export interface BenchedCase {
  readonly medianNs: number;
  readonly samples: number;
}

const SERVICE = 'benched';
const run = promisify(execFile);

/** A module round a built Worker that registers one case of nothing: only the start is timed. */
const START_ONLY = `import worker from './index.js';
export * from './index.js';
export default { ...worker, bench(b) { b.run('nothing', () => 0, { minTime: '1ms' }); } };
`;

/** The cases that a built module registers, or the phases of its start. */
export async function runWorkerdBench(
  bundlePath: string,
  { times }: { times: 'cases' | 'start' },
): Promise<Readonly<Record<string, BenchedCase>>> {
  const directory = mkdtempSync(join(tmpdir(), 'l402-workerd-bench-'));
  try {
    copyFileSync(bundlePath, join(directory, 'index.js'));
    writeFileSync(join(directory, 'start.js'), START_ONLY);
    const modules = (times === 'start' ? ['start', 'index'] : ['index']).map(
      (name) => `(name = "${name}.js", esModule = embed "${name}.js")`,
    );
    writeFileSync(
      join(directory, 'bench.capnp'),
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "${SERVICE}", worker = .benched)]);
const benched :Workerd.Worker = (modules = [${modules.join(', ')}], compatibilityDate = "${COMPATIBILITY_DATE}");
`,
    );
    const filter = times === 'start' ? [`${SERVICE}/startup:*`] : ['--no-startup'];
    const { stdout } = await run(WORKERD, ['bench', join(directory, 'bench.capnp'), ...filter, '--format=json'], { maxBuffer: 1 << 26 });
    return readBench(stdout);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

interface BenchReport {
  readonly groups: readonly {
    readonly cases: readonly { readonly name: string; readonly status: string; readonly cpuNs?: { readonly samples: readonly number[] } }[];
  }[];
}

/** The cases of a report; one that failed is an error. */
export function readBench(json: string): Readonly<Record<string, BenchedCase>> {
  const { groups } = JSON.parse(json) as BenchReport;
  const cases = groups.flatMap((group) => group.cases);
  for (const { name, status } of cases) if (status !== 'ok') throw new Error(`workerd bench: ${name}: ${status}`);
  return Object.fromEntries(
    cases.map(({ name, cpuNs }) => [name, { medianNs: median(cpuNs?.samples ?? []), samples: cpuNs?.samples.length ?? 0 }]),
  );
}

/** CPU time of a new isolate with this Worker, until it can answer. */
export async function measureStartup(bundlePath: string): Promise<{ cpu_ms: number; script_cpu_ms: number; samples: number }> {
  const phases = await runWorkerdBench(bundlePath, { times: 'start' });
  const [total, script] = [phases['startup:total'], phases['startup:script']];
  if (total === undefined || script === undefined) throw new Error('workerd bench: did not tell the phases of the start');
  return { cpu_ms: round2(total.medianNs / 1e6), script_cpu_ms: round2(script.medianNs / 1e6), samples: total.samples };
}

/** Nanoseconds of CPU time for each comparison of the module. */
export async function measureCompare(bundlePath: string): Promise<Readonly<Record<string, number>>> {
  const cases = Object.entries(await runWorkerdBench(bundlePath, { times: 'cases' }));
  return Object.fromEntries(cases.map(([name, { medianNs }]) => [name, Math.round(medianNs)]));
}
