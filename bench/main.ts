/*
 * `npm run bench`: what the gateway costs beside a bare proxy, on the same raw workerd, in the same run, interleaved.
 * `-- --help` tells the options, bench/README.md the keys.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { buildWorker } from '#local/build-worker.ts';
import { readBundleSize } from './bundle.ts';
import { CASES, type Case } from './cases.ts';
import { countObjectCalls } from './object-calls.ts';
import { GENERATOR, measureLoad, type Load } from './load.ts';
import { readResidentKib } from './process-facts.ts';
import { startBenchSystem } from './system.ts';

const HELP = `Usage: npm run bench -- [--json] [--rounds N] [--seconds N] [--only name,name]

Cases: ${CASES.map(({ name }) => name).join(', ')}. A case brings its yardstick along.
Measures on loopback, bounded in time: about cases x (rounds + 1) x (seconds + 1) seconds.
`;
const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help === true) {
  process.stdout.write(HELP);
  process.exit(0);
}
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
/** More than any round can use up. */
const TOKENS_A_ROUND = seconds * 8000;
const cases = chooseCases(values.only?.split(',') ?? CASES.map(({ name }) => name));

const shippedPath = await buildWorker({ outDirectory: 'dist' });
const system = await startBenchSystem();

const figures = new Map<string, Load[]>(cases.map(({ name }) => [name, []]));
const objectCalls = new Map<string, number>();
const memory = { before_kib: readResidentKib(system.pid), after_kib: 0 };
try {
  for (let round = 0; round <= rounds; round++) {
    for (const one of cases) {
      const load = await measure(one);
      // The first round warms everything up.
      if (round > 0) figures.get(one.name)!.push(load);
      console.error(`${round === 0 ? 'warm-up' : `round ${round}`}  ${one.name.padEnd(13)} ${Math.round(load.rps)}/s`);
    }
  }
  memory.after_kib = readResidentKib(system.pid);
  for (const one of cases) {
    if (one.gateway === 'gateway') objectCalls.set(one.name, await countObjectCalls(one, system.urlOf('metered', '')));
  }
} finally {
  await system.close();
}
const report = {
  machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version, generator: GENERATOR },
  yardstick: Object.fromEntries(cases.filter(({ against }) => against === undefined).map(({ name }) => [`${name}_rps`, rpsOf(name)])),
  ...Object.fromEntries(cases.map((one) => [one.name, summarize(one)])),
  bundle: { gzip_bytes: readBundleSize(shippedPath).gzipBytes },
  startup_ms: Math.round(system.startMs),
  memory,
};
console.log(values.json === true ? JSON.stringify(report) : table());

async function measure({ gateway: name, path, tokens, status, fromMany = false, isSpent = false, isStocked = false }: Case): Promise<Load> {
  const authorizations =
    tokens === undefined
      ? undefined
      : await Promise.all(Array.from({ length: tokens.count === 'one' ? 1 : TOKENS_A_ROUND }, () => tokens.make()));
  const url = system.urlOf(name, path);
  if (isStocked) await (await fetch(system.urlOf(name, '/stock'))).arrayBuffer();
  if (isSpent) await (await fetch(url, { headers: { authorization: authorizations![0]! } })).arrayBuffer();
  return measureLoad({ url, seconds, expectedStatus: status, authorizations, fromMany, pid: system.pid });
}

function chooseCases(names: readonly string[]): readonly Case[] {
  const unknown = names.filter((name) => !CASES.some((one) => one.name === name));
  if (unknown.length > 0) throw new Error(`no such case: ${unknown.join(', ')}\n${HELP}`);
  const chosen = new Set(names);
  for (const { name, against } of CASES) if (names.includes(name) && against !== undefined) chosen.add(against);
  return CASES.filter(({ name }) => chosen.has(name));
}

function rpsOf(name: string): number {
  return Math.round(median(figures.get(name)!.map(({ rps }) => rps)));
}

function summarize({ name, against }: Case) {
  const runs = figures.get(name)!;
  const rates = runs.map(({ rps }) => rps);
  const ratios = against === undefined ? [] : runs.map(({ rps }, round) => rps / figures.get(against)![round]!.rps);
  return {
    rps: rpsOf(name),
    rps_range: [Math.round(Math.min(...rates)), Math.round(Math.max(...rates))],
    ...(against === undefined
      ? {}
      : { against, ratio: round2(median(ratios)), ratio_range: [round2(Math.min(...ratios)), round2(Math.max(...ratios))] }),
    p50_ms: round2(median(runs.map(({ p50Ms }) => p50Ms))),
    p99_ms: round2(median(runs.map(({ p99Ms }) => p99Ms))),
    cpu_us: Math.round(median(runs.map(({ cpuUs }) => cpuUs))),
    object_calls: objectCalls.get(name),
  };
}

function median(runs: readonly number[]): number {
  const sorted = runs.toSorted((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}

function table(): string {
  const { machine, bundle, startup_ms: startup } = report;
  const rows = cases.map((one) => {
    const { rps, against, ratio, p50_ms: p50, p99_ms: p99, cpu_us: cpu, object_calls: objects } = summarize(one);
    const held = against === undefined ? 'yardstick' : `${ratio} of ${against}`;
    return `${one.name.padEnd(14)}${String(rps).padStart(7)}/s  ${held.padEnd(22)}p50 ${p50} ms  p99 ${p99} ms  ${cpu} us CPU${objects === undefined ? '' : `  ${objects} object calls`}`;
  });
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.generator}; medians of ${rounds} rounds`,
    ...rows,
    `bundle        ${bundle.gzip_bytes} bytes gzip; start ${startup} ms from nothing to the first answer`,
  ].join('\n');
}
