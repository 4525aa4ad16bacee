/*
 * `npm run bench:shard`: the rate of one replay set with few rows and with millions, side by side in one process, before and
 * after half of them have been pruned; and what a million sold calls take on disk. `-- --help` tells the options.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildWorker } from '#local/build-worker.ts';
import { startWorkerd } from '#local/workerd-process.ts';
import { GENERATOR, measureLoad } from './load.ts';

const HELP = `Usage: npm run bench:shard -- [--rows N,N] [--rounds N] [--seconds N] [--json]

One object for each number of rows; the first is the yardstick. Ten million rows take a gigabyte and some minutes.
`;
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000,100000,1000000,10000000' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help === true) {
  process.stdout.write(HELP);
  process.exit(0);
}
const sizes = values.rows.split(',').map(Number);
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const ROWS_A_FILL = 500_000;
const SECONDS_A_DAY = 86_400;
const today = Math.floor(Date.now() / 1000 / SECONDS_A_DAY);
/** Half of the rows end in the future, and half have ended. */
const [LIVE_DAY, ENDED_DAY] = [today + 1, today - 1];

const directory = mkdtempSync(join(tmpdir(), 'l402-shard-'));
const bundlePath = await buildWorker({ outDirectory: 'dist/bench', entry: 'test/workerd/entries/shard-worker.ts' });
const workerd = await startWorkerd({
  directory,
  gateways: [{ name: 'shard', port: 0, bundlePath, variables: {}, secrets: {} }],
  environment: {},
  onLine: (line) => console.error(line),
});
const urlOf = (path: string, size: number, more = '') => `http://127.0.0.1:${workerd.ports['shard']}${path}?name=rows-${size}${more}`;

async function ask(url: string): Promise<string> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.text();
}

async function fill(size: number): Promise<void> {
  // The first use makes the table of its day.
  await ask(urlOf('/use', size, `&day=${LIVE_DAY}`));
  for (const day of [LIVE_DAY, ENDED_DAY]) {
    for (let left = Math.floor(size / 2); left > 0; left -= ROWS_A_FILL) {
      await ask(urlOf('/fill', size, `&like=${LIVE_DAY}&day=${day}&rows=${Math.min(left, ROWS_A_FILL)}`));
      console.error(`${size} rows: ${Math.max(0, left - ROWS_A_FILL)} left of the ${day === LIVE_DAY ? 'first' : 'second'} half`);
    }
  }
  await ask(urlOf('/restart', size));
}

/** Rates of every size, round by round. */
async function measureRounds(): Promise<ReadonlyMap<number, number[]>> {
  const rates = new Map<number, number[]>(sizes.map((size) => [size, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const size of sizes) {
      const { rps } = await measureLoad({ url: urlOf('/use', size), seconds, expectedStatus: 200, fromMany: false, pid: workerd.pid });
      // The first round warms everything up.
      if (round > 0) rates.get(size)!.push(rps);
    }
  }
  return rates;
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((left, right) => left - right)[Math.floor(numbers.length / 2)] ?? Number.NaN;

try {
  for (const size of sizes) await fill(size);
  const bytes = new Map<number, number>();
  for (const size of sizes) bytes.set(size, Number(await ask(urlOf('/bytes', size))));
  const before = await measureRounds();
  const prunedMs = new Map<number, number>();
  for (const size of sizes) {
    const startedMs = performance.now();
    await ask(urlOf('/prune', size));
    prunedMs.set(size, Math.round(performance.now() - startedMs));
  }
  const after = await measureRounds();
  const ratioOf = (rates: ReadonlyMap<number, number[]>, size: number) =>
    Math.round(100 * median(rates.get(size)!.map((rate, round) => rate / rates.get(sizes[0]!)![round]!))) / 100;
  const report = sizes.map((size) => ({
    rows: size,
    rps: Math.round(median(before.get(size)!)),
    ratio: ratioOf(before, size),
    rps_pruned: Math.round(median(after.get(size)!)),
    ratio_pruned: ratioOf(after, size),
    prune_ms: prunedMs.get(size)!,
    bytes_per_row: Math.round(bytes.get(size)! / size),
  }));
  if (values.json === true) console.log(JSON.stringify({ generator: GENERATOR, shards: report }));
  else {
    for (const { rows, ...one } of report) {
      const figures = `${one.rps}/s, ${one.ratio} of the first; pruned in ${one.prune_ms} ms, then ${one.rps_pruned}/s, ${one.ratio_pruned}`;
      console.log(`${String(rows).padStart(9)} rows: ${figures}; ${one.bytes_per_row} bytes a row`);
    }
  }
} finally {
  await workerd.kill('SIGTERM');
  rmSync(directory, { recursive: true });
}
