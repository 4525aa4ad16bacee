/*
 * The table and the plot of the README: every figure where it belongs, those of peers marked as such.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { drawNumbers, formatNumbers, replaceNumbers } from '#bench/numbers.ts';
import { PEERS, type Peer } from '#bench/peers.ts';
import { type Report, type Summary } from '#bench/report.ts';

const figures = (rps: number, ratio?: number): Summary => ({
  rps,
  rps_range: [rps, rps],
  ...(ratio === undefined ? {} : { against: 'proxy', ratio }),
  p50_ms: 1,
  p99_ms: 2,
  cpu_us: 3,
});
const report = {
  machine: { cpu: 'A & B <C>', cores: 2, workerd: '1.2', generator: 'wrk', commit: 'abc1234', date: '2026-11-21' },
  cases: { garbage: figures(2000, 2), proxy: figures(1000), free: figures(950, 0.95), unheard_of: figures(1, 1) },
} as unknown as Report;
const peers: readonly Peer[] = [
  {
    name: 'Peer',
    conditions: 'on a Tuesday',
    date: '2026-01-01',
    figures: [{ title: 'a call', like: 'free', rps: [400, 600], cpu_us: [7, 7] }],
  },
];

describe('the numbers', () => {
  it('stand in a table, each beside its yardstick, and those of peers with their conditions', () => {
    expect(formatNumbers(report, peers).split('\n')).toEqual([
      '|  | requests/s | beside its yardstick | p99 | CPU a request |',
      '| --- | --- | --- | --- | --- |',
      '| a bare proxy (yardstick) | 1000 |  | 2 ms | 3 µs |',
      '| a free call | 950 | 0.95 of proxy | 2 ms | 3 µs |',
      '| a malformed request | 2000 | 2 of proxy | 2 ms | 3 µs |',
      '| *Peer¹: a call* | 400–600 |  |  | 7 µs |',
      '',
      'A & B <C>, 2 cores for everything, workerd 1.2, load from wrk; 2026-11-21, commit abc1234.',
      '¹ Not from the same run: Peer, on a Tuesday; 2026-01-01.',
    ]);
  });

  it('are bars as long as they are large, of three kinds', () => {
    const plot = drawNumbers(report, peers);
    const bars = Array.from(plot.matchAll(/<rect class="(\w+)"[^>]* width="(\d+)"/g), ([, kind, width]) => [kind, Number(width)]);
    expect(bars).toEqual([
      ['yardstick', 190],
      ['ours', 181],
      ['ours', 380],
      ['peer', 95],
    ]);
    expect(plot).toContain('A &amp; B &lt;C&gt;');
    expect(plot).toContain('Peer¹: a call');
    // It is shown as a picture: it must be whole by itself, and run nothing.
    expect(plot).not.toMatch(/<script|href|url\(/);
    const opened = plot.match(/<(?!\/)[a-z]+(?:[^>]*[^/])?>/g)!.length;
    expect(opened).toBe(plot.match(/<\/[a-z]+>/g)!.length);
  });

  it('take their place between the marks of a page, as often as one likes, and nothing else is touched', () => {
    const page = 'before\n<!-- numbers: how -->\nold\n<!-- end of numbers -->\nafter\n';
    const once = replaceNumbers(page, 'new');
    expect(once).toBe('before\n<!-- numbers: how -->\n\nnew\n\n<!-- end of numbers -->\nafter\n');
    expect(replaceNumbers(once, 'new')).toBe(once);
    expect(() => replaceNumbers('no marks', 'new')).toThrow('no marks');
  });
});

describe('README.md', () => {
  const page = readFileSync('README.md', 'utf8');

  it('has a place for them that says how they are made, and names a plot only if there is one', () => {
    expect(page).toContain('<!-- numbers: npm run -s bench -- --json > run.json && node scripts/plot.ts run.json -->');
    expect(page.includes('docs/numbers.svg')).toBe(existsSync('docs/numbers.svg'));
  });

  it('shows no figure of a peer without saying that it is of another run', () => {
    for (const { name, conditions, figures: all } of PEERS) {
      if (all.some(({ title }) => page.includes(`*${name}¹: ${title}*`)))
        expect(page).toContain(`¹ Not from the same run: ${name}, ${conditions}`);
    }
  });
});
