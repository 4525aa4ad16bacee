/*
 * From rounds to figures: medians, ratios against the yardstick of the same round, and the same report after it was saved.
 */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CASES } from '#bench/cases.ts';
import { type Load } from '#bench/load.ts';
import { formatReport, summarizeCase, type Report } from '#bench/report.ts';
import { formatHistoryRow, formatSaved, HISTORY_CASES, readSaved } from '#bench/saved-report.ts';
import { median, percentile } from '#bench/statistics.ts';
import { readBench } from '#bench/workerd-bench.ts';

const load = (rps: number, cpuUs = 100): Load => ({ rps, p50Ms: 1, p99Ms: 2, cpuUs });
const ROUNDS = new Map([
  ['proxy', [load(1000), load(500), load(2000)]],
  ['proxy_do', [load(100), load(100), load(100)]],
  ['pass', [load(900, 110), load(100, 130), load(1000, 120)]],
]);
const YARDSTICKS = ['proxy', 'proxy_do'];
const summarize = (name: string, against?: string) =>
  summarizeCase({ name, ...(against === undefined ? {} : { against }) }, { rounds: ROUNDS, yardsticks: YARDSTICKS });
const report: Report = {
  machine: {
    cpu: 'a CPU',
    cores: 2,
    memory_mib: 1024,
    system: 'Linux',
    load: 0,
    node: 'v24',
    workerd: '1',
    generator: 'wrk',
    commit: 'abc1234',
    date: '2026-11-21',
  },
  rounds: 3,
  seconds: 1,
  yardstick: { proxy_rps: 1000 },
  bundle: { gzip_bytes: 70_000 },
  startup_ms: 100,
  startup: { cpu_ms: 19.5, script_cpu_ms: 8, samples: 40 },
  compare: { equal_right: 50, verify_right: 18_000 },
  memory: { before_kib: 102_400, after_kib: 204_800 },
  cases: { proxy: summarize('proxy'), pass: summarize('pass', 'proxy') },
};

describe('a case over all rounds', () => {
  it('is held against its yardstick in the same round, not against another round', () => {
    // The medians are 900 and 1000; the rounds have 0.9, 0.2 and 0.5.
    const { rps, rps_range, ratio, ratio_range, ratios, cpu_us, cpu_over_us } = summarize('pass', 'proxy');
    expect([rps, rps_range, ratio, ratio_range]).toEqual([900, [100, 1000], 0.5, [0.2, 0.9]]);
    expect(ratios).toEqual({ proxy: 0.5, proxy_do: 9 });
    expect([cpu_us, cpu_over_us]).toEqual([120, 20]);
  });

  it('that is a yardstick is held against nothing', () => {
    expect(summarize('proxy')).toEqual({ rps: 1000, rps_range: [500, 2000], p50_ms: 1, p99_ms: 2, cpu_us: 100 });
  });

  it('keeps a decimal of a rate that is small', () => {
    const rounds = new Map([['large', [load(6.25)]]]);
    expect(summarizeCase({ name: 'large' }, { rounds, yardsticks: [] }).rps).toBe(6.3);
  });
});

describe('the report', () => {
  it('says on what it was measured, above the figures', () => {
    const lines = formatReport(report).split('\n');
    expect(lines[0]).toContain('a CPU, 2 cores, 1024 MiB');
    expect(lines[1]).toContain('load from wrk');
    expect(lines.find((line) => line.startsWith('pass'))).toMatch(
      /900\/s +0\.5 \(0\.2–0\.9\) of proxy +p50 1 ms {2}p99 2 ms +120 us CPU \(20 over\)$/,
    );
    expect(lines.at(-1)).toBe('memory   100 MiB before, 200 MiB after');
  });

  it('is the same after it was saved and read back, and nothing else is read as one', () => {
    expect(readSaved(formatSaved(report))).toEqual(report);
    const void_ = { ...report, void: { flood: '7441 answers, 36 of them not 402' } };
    expect(readSaved(formatSaved(void_))).toEqual(void_);
    expect(formatReport(void_).split('\n').at(-1)).toBe('void     flood: 7441 answers, 36 of them not 402');
    for (const wrong of ['{}', '{"machine":{},"free":{"ratio":1}}', '{"machine":{},"free":null}']) {
      expect(() => readSaved(wrong)).toThrow('not what `npm run bench -- --json` prints');
    }
  });

  it('leaves a line in the history with as many cells as its head', () => {
    const head = readFileSync('bench/history.md', 'utf8')
      .split('\n')
      .find((line) => line.startsWith('| Date'))!;
    const row = formatHistoryRow(report);
    expect(row.split('|').length).toBe(head.split('|').length);
    expect(row).toBe('| 2026-11-21 | abc1234 | a CPU, 2 cores | – | 0.5 of proxy | – | – | – | – | – | – | – | 70000 | 19.5 |');
    for (const name of HISTORY_CASES) expect(head).toContain(`| ${name} |`);
  });
});

describe('the cases', () => {
  it('have names of their own, and yardsticks that there are, run before them', () => {
    const names = CASES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const [index, { against }] of CASES.entries()) if (against !== undefined) expect(names.slice(0, index)).toContain(against);
  });

  it('and the other keys of the object stand in bench/README.md, each as it is named', () => {
    const page = readFileSync('bench/README.md', 'utf8');
    for (const name of [...CASES.map((one) => one.name), ...Object.keys(report), ...Object.keys(report.cases['pass']!)]) {
      if (name !== 'cases') expect(page, name).toContain(`\`${name}\``);
    }
  });

  it('are of Workers that export every Durable Object there is', () => {
    const classes = Array.from(readFileSync('wrangler.toml', 'utf8').matchAll(/class_name = "(\w+)"/g), ([, name]) => name!);
    expect(classes.length).toBeGreaterThan(3);
    for (const entry of globSync('test/workerd/entries/{bench,metered,compare}-worker.ts')) {
      const text = readFileSync(entry, 'utf8');
      if (text.includes("export * from '#durable-objects/objects.ts'")) continue;
      for (const name of classes) expect(text, `${entry} exports ${name}`).toMatch(new RegExp(`export [^;]*\\b${name}\\b`));
    }
  });
});

describe('statistics', () => {
  it('of few values are values, or the mean of two', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
    expect([percentile([5, 1, 3], 50), percentile([5, 1, 3], 99), percentile([7], 1)]).toEqual([3, 5, 7]);
  });
});

describe('what workerd measures itself', () => {
  const one = (name: string, status: string) => ({ name, status, cpuNs: { samples: [3, 1, 2] } });

  it('is read by its cases', () => {
    const json = JSON.stringify({ groups: [{ cases: [one('a', 'ok')] }, { cases: [one('b', 'ok')] }] });
    expect(readBench(json)).toEqual({ a: { medianNs: 2, samples: 3 }, b: { medianNs: 2, samples: 3 } });
  });

  it('is an error when a case has failed', () => {
    expect(() => readBench(JSON.stringify({ groups: [{ cases: [one('a', 'failed')] }] }))).toThrow('workerd bench: a: failed');
  });
});
