/*
 * From the figures of each round to what the bench prints: medians with their ranges, each case beside its yardstick of the
 * same round. Pure.
 */
import { type Case } from './cases.ts';
import type { FloodFigures } from './flood.ts';
import { type Load } from './load.ts';
import { type Machine } from './machine.ts';
import { median, round2 } from './statistics.ts';

/** The figures of a case or a yardstick. */
export interface Summary {
  readonly rps: number;
  readonly rps_range: readonly [number, number];
  readonly against?: string;
  readonly ratio?: number;
  readonly ratio_range?: readonly [number, number];
  /** Beside every yardstick of the run. */
  readonly ratios?: Readonly<Record<string, number>>;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly cpu_us: number;
  /** More than the yardstick takes. */
  readonly cpu_over_us?: number;
  readonly object_calls?: number;
}

/** What `-- --json` prints, without the cases, which stand beside these by their names. */
export interface Surroundings {
  readonly machine: Machine;
  readonly rounds: number;
  readonly seconds: number;
  readonly yardstick: Readonly<Record<string, number>>;
  readonly bundle: { readonly gzip_bytes: number };
  readonly startup_ms: number;
  /** CPU time of a new isolate until it can answer, as workerd itself measures it. */
  readonly startup?: { readonly cpu_ms: number; readonly script_cpu_ms: number; readonly samples: number };
  /** CPU time of comparisons of secrets: right, and wrong at either end. */
  readonly compare?: Readonly<Record<string, number>>;
  readonly flood?: FloodFigures;
  readonly memory: { readonly before_kib: number; readonly after_kib: number };
  /** Cases without figures, and why: an answer was another one than is measured. */
  readonly void?: Readonly<Record<string, string>>;
}

export type Report = Surroundings & { readonly cases: Readonly<Record<string, Summary>> };

/** The figures of every round, by case. */
export type Rounds = ReadonlyMap<string, readonly Load[]>;

type Measured = Pick<Case, 'name' | 'against'>;

/** One case over all rounds. */
export function summarizeCase(
  { name, against }: Measured,
  { rounds, yardsticks }: { rounds: Rounds; yardsticks: readonly string[] },
): Summary {
  const runs = rounds.get(name)!;
  const all = (pick: (load: Load) => number) => runs.map(pick);
  const beside = (yardstick: string) => runs.map(({ rps }, round) => rps / rounds.get(yardstick)![round]!.rps);
  const over = (yardstick: string) => runs.map(({ cpuUs }, round) => cpuUs - rounds.get(yardstick)![round]!.cpuUs);
  return {
    rps: roundRate(median(all(({ rps }) => rps))),
    rps_range: rangeOf(
      all(({ rps }) => rps),
      roundRate,
    ),
    ...(against === undefined
      ? {}
      : {
          against,
          ratio: round2(median(beside(against))),
          ratio_range: rangeOf(beside(against), round2),
          ratios: Object.fromEntries(yardsticks.map((yardstick) => [yardstick, round2(median(beside(yardstick)))])),
          cpu_over_us: Math.round(median(over(against))),
        }),
    p50_ms: round2(median(all(({ p50Ms }) => p50Ms))),
    p99_ms: round2(median(all(({ p99Ms }) => p99Ms))),
    cpu_us: Math.round(median(all(({ cpuUs }) => cpuUs))),
  };
}

/** The report as a table for people. */
export function formatReport({ cases, machine, bundle, startup, startup_ms: startMs, compare, flood, memory, ...run }: Report): string {
  const rows = Object.entries(cases).map(([name, { rps, against, ratio, ratio_range: range, object_calls: objects, ...figures }]) =>
    [
      `${name.padEnd(16)}${String(rps).padStart(8)}/s`,
      (against === undefined ? 'yardstick' : `${ratio} (${range!.join('–')}) of ${against}`).padEnd(34),
      `p50 ${figures.p50_ms} ms  p99 ${figures.p99_ms} ms`.padEnd(32),
      `${figures.cpu_us} us CPU${figures.cpu_over_us === undefined ? '' : ` (${figures.cpu_over_us} over)`}`.padEnd(26),
      objects === undefined ? '' : `${objects} object calls`,
    ]
      .join('  ')
      .trimEnd(),
  );
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memory_mib} MiB, ${machine.system}, load ${machine.load} before`,
    `Node ${machine.node}, workerd ${machine.workerd}, load from ${machine.generator}; ${machine.date}, commit ${machine.commit}`,
    `medians of ${run.rounds} rounds of ${run.seconds} s, (min–max)`,
    '',
    ...rows,
    '',
    `bundle   ${bundle.gzip_bytes} bytes gzip; ${startMs} ms from nothing to the first answer`,
    ...(startup === undefined
      ? []
      : [`startup  ${startup.cpu_ms} ms CPU for a new isolate, ${startup.script_cpu_ms} of it the script; median of ${startup.samples}`]),
    ...(compare === undefined
      ? []
      : [
          `compare  ${Object.entries(compare)
            .map(([name, ns]) => `${name} ${ns < 1000 ? `${ns} ns` : `${round2(ns / 1000)} us`}`)
            .join(', ')}`,
        ]),
    ...(flood === undefined ? [] : [`flood    ${formatFlood(flood)}`]),
    `memory   ${Math.round(memory.before_kib / 1024)} MiB before, ${Math.round(memory.after_kib / 1024)} MiB after`,
    ...Object.entries(run.void ?? {}).map(([name, reason]) => `void     ${name}: ${reason}`),
  ].join('\n');
}

function formatFlood({
  requests,
  per_second: rate,
  answers,
  node_asked: minted,
  payer,
  rows,
  capacity_rps: most,
  ...memory
}: FloodFigures): string {
  const told = Object.entries(answers).map(([status, times]) => `${times} x ${status}`);
  return (
    `${requests} requests of one client at ${rate}/s of at most ${most} (${told.join(', ')}) cost the node ${minted} invoices and ${rows} rows; ` +
    `${payer.calls} paid calls beside it, ${payer.refused} refused, p99 ${payer.p99_ms} ms (${payer.calm_p99_ms} in calm); ` +
    `gateway ${Math.round(memory.gateway_kib / 1024)} MiB more than in calm, bridge ${Math.round(memory.bridge_kib / 1024)}`
  );
}

function rangeOf(values: readonly number[], round: (value: number) => number): readonly [number, number] {
  return [round(Math.min(...values)), round(Math.max(...values))];
}

/** Large answers come a few a second. */
function roundRate(rps: number): number {
  return rps < 100 ? Math.round(rps * 10) / 10 : Math.round(rps);
}
