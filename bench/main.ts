/*
 * `npm run bench`: what the gateway costs beside a bare proxy, on the same raw workerd, in the same run, interleaved.
 * `-- --help` tells the options, bench/README.md the keys.
 */
import { parseArgs } from 'node:util';
import { buildWorker } from '#local/build-worker.ts';
import { readBundleSize } from './bundle.ts';
import { CASES, type Case } from './cases.ts';
import { countObjectCalls } from './object-calls.ts';
import { measureFlood, type FloodFigures } from './flood.ts';
import { measureLoad, type Load } from './load.ts';
import { readMachine } from './machine.ts';
import { readResidentKib } from './process-facts.ts';
import { measurePurchases } from './purchase.ts';
import { formatReport, summarizeCase, type Report, type Summary } from './report.ts';
import { formatSaved } from './saved-report.ts';
import { startBenchSystem } from './system.ts';
import { measureCompare, measureStartup } from './workerd-bench.ts';

/** What has figures of its own; not held against a yardstick. */
const OTHERS = ['startup', 'compare', 'flood'] as const;
const HELP = `Usage: npm run bench -- [--json] [--rounds N] [--seconds N] [--only name,name]

Cases: ${[...CASES.map(({ name }) => name), ...OTHERS].join(', ')}. A case brings its yardstick along.
Measures on loopback, bounded in time: about cases x (rounds x seconds + 1) seconds.
`;
const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '2' },
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
/** At most half of what two cores can answer. */
const FLOOD_PER_SECOND = 1000;
/** The first round warms everything up. */
const WARM_UP_SECONDS = 1;
/** Tokens take long to make: so many times the best rate until now, a cold or disturbed one being a poor guide. */
const SPARE_TOKENS = 2.5;
const LEAST_TOKENS_A_SECOND = 1000;
/** Before any rate is known: more than a gateway that is cold can take. */
const FIRST_TOKENS_A_SECOND = 6000;
const chosen = values.only?.split(',');
const cases = chooseCases(chosen ?? CASES.map(({ name }) => name));
const isChosen = (name: (typeof OTHERS)[number]) => chosen === undefined || chosen.includes(name);

const machine = readMachine();
const shippedPath = await buildWorker({ outDirectory: 'dist' });
const startup = isChosen('startup') ? await measureStartup(shippedPath) : undefined;
const comparePath = 'test/workerd/entries/compare-worker.ts';
const compare = isChosen('compare')
  ? await measureCompare(await buildWorker({ outDirectory: 'dist/bench', entry: comparePath }))
  : undefined;
const system = await startBenchSystem();

const figures = new Map<string, Load[]>(cases.map(({ name }) => [name, []]));
const bestRates = new Map<string, number>();
const objectCalls = new Map<string, number>();
let flood: FloodFigures | undefined;
/** Cases that went wrong, with what was seen; the rest is kept. */
const voids = new Map<string, string>();
const isVoid = ({ name, against }: Case) => voids.has(name) || (against !== undefined && voids.has(against));
const orVoid = async <Value>(name: string, work: () => Promise<Value>): Promise<Value | undefined> => {
  try {
    return await work();
  } catch (error) {
    voids.set(name, error instanceof Error ? error.message : String(error));
    console.error(`void     ${name.padEnd(16)} ${voids.get(name)}`);
    return undefined;
  }
};
const memory = { before_kib: readResidentKib(system.pid), after_kib: 0 };
try {
  for (let round = 0; round <= rounds; round++) {
    for (const one of cases) {
      if (isVoid(one)) continue;
      const load = await orVoid(one.name, () => measure(one, round === 0 ? WARM_UP_SECONDS : seconds));
      if (load === undefined) continue;
      bestRates.set(one.name, Math.max(load.rps, bestRates.get(one.name) ?? 0));
      if (round > 0) figures.get(one.name)!.push(load);
      console.error(`${round === 0 ? 'warm-up' : `round ${round}`}  ${one.name.padEnd(16)} ${Math.round(load.rps)}/s`);
    }
  }
  memory.after_kib = readResidentKib(system.pid);
  // Asked for alone, it is a hundred thousand requests.
  if (isChosen('flood'))
    flood = await orVoid('flood', () =>
      measureFlood(system, { requests: chosen?.length === 1 ? 100_000 : 5000, mostPerSecond: FLOOD_PER_SECOND }),
    );
  for (const one of cases) {
    if (one.gateway !== 'gateway' || one.isPurchase === true || isVoid(one)) continue;
    const calls = await orVoid(one.name, () => countObjectCalls(one, system.urlOf('metered', '')));
    if (calls !== undefined) objectCalls.set(one.name, calls);
  }
} finally {
  await system.close();
}
const isYardstick = ({ against }: Case) => against === undefined;
const whole = cases.filter((one) => !isVoid(one));
for (const one of cases) if (isVoid(one) && !voids.has(one.name)) voids.set(one.name, `its yardstick ${one.against} is void`);
const report: Report = {
  cases: Object.fromEntries(whole.map((one) => [one.name, summarize(one)])),
  machine,
  rounds,
  seconds,
  yardstick: Object.fromEntries(whole.filter(isYardstick).map((one) => [`${one.name}_rps`, summarize(one).rps])),
  bundle: { gzip_bytes: readBundleSize(shippedPath).gzipBytes },
  startup_ms: Math.round(system.startMs),
  ...(startup === undefined ? {} : { startup }),
  ...(compare === undefined ? {} : { compare }),
  ...(flood === undefined ? {} : { flood }),
  memory,
  ...(voids.size === 0 ? {} : { void: Object.fromEntries(voids) }),
};
process.exitCode = voids.size === 0 ? 0 : 1;
console.log(values.json === true ? formatSaved(report) : formatReport(report));

function summarize(one: Case): Summary {
  const calls = objectCalls.get(one.name);
  return {
    ...summarizeCase(one, { rounds: figures, yardsticks: whole.filter(isYardstick).map(({ name }) => name) }),
    ...(calls === undefined ? {} : { object_calls: calls }),
  };
}

async function measure(one: Case, forSeconds: number): Promise<Load> {
  const { path, tokens, status, fromMany = false, isSpent = false, isStocked = false, bodyBytes = 0 } = one;
  const url = system.urlOf(one.gateway, path);
  if (one.isPurchase === true) return measurePurchases({ url, wallet: system.wallet, seconds: forSeconds, pid: system.pid });
  const authorizations = await makeTokens(one, forSeconds);
  if (isStocked) await (await fetch(system.urlOf(one.gateway, '/stock'))).arrayBuffer();
  if (isSpent) await (await fetch(url, { headers: { authorization: authorizations[0]! } })).arrayBuffer();
  return measureLoad({
    url,
    seconds: forSeconds,
    expectedStatus: status,
    authorizations,
    usesOfEach: tokens?.uses ?? 1,
    fromMany,
    bodyBytes,
    ...(one.connections === undefined ? {} : { connections: one.connections }),
    pid: system.pid,
  });
}

/** Made beforehand, outside the time that is measured. */
function makeTokens({ name, tokens }: Case, forSeconds: number): Promise<readonly string[]> {
  if (tokens === undefined) return Promise.resolve([]);
  const best = bestRates.get(name);
  const rate = best === undefined ? FIRST_TOKENS_A_SECOND : Math.max(LEAST_TOKENS_A_SECOND, SPARE_TOKENS * best);
  const count = tokens.count === 'one' ? 1 : Math.ceil((rate * forSeconds) / (tokens.uses ?? 1)) + 1;
  return Promise.all(Array.from({ length: count }, () => tokens.make()));
}

function chooseCases(names: readonly string[]): readonly Case[] {
  const known = new Set<string>([...CASES.map(({ name }) => name), ...OTHERS]);
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) throw new Error(`no such case: ${unknown.join(', ')}\n${HELP}`);
  const wanted = new Set(names);
  for (const { name, against } of CASES) if (names.includes(name) && against !== undefined) wanted.add(against);
  return CASES.filter(({ name }) => wanted.has(name));
}
