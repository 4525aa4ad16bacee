/*
 * What a passer-by sees of a saved run: the table and the plot of the README. Pure.
 */
import { type Peer } from './peers.ts';
import { type Report } from './report.ts';

/** Cases that are shown, if the run has them, in their order and in words. */
const SHOWN: readonly (readonly [name: string, title: string])[] = [
  ['proxy', 'a bare proxy (yardstick)'],
  ['free', 'a free call'],
  ['pass', 'a call under a pass'],
  ['pass_many', 'a call under a pass that is new'],
  ['proxy_do', 'a proxy that asks one object (yardstick)'],
  ['proxy_insert', 'a proxy with one durable row (yardstick)'],
  ['single_use', 'a single call'],
  ['hot_token', 'a call of one token for many'],
  ['policy', 'a single call with every policy'],
  ['challenge_pool', 'a 402 with an invoice from the pool'],
  ['challenge_direct', 'a 402 whose invoice is made for it'],
  ['garbage', 'a malformed request'],
];

interface Line {
  readonly title: string;
  readonly rps: number;
  readonly told: string;
  readonly kind: 'yardstick' | 'ours' | 'peer';
}

function shownCases({ cases }: Report) {
  return SHOWN.flatMap(([name, title]) => {
    const summary = cases[name];
    return summary === undefined ? [] : [{ title, summary }];
  });
}

/** Figures in Markdown; those of peers stand apart, with where they come from. */
export function formatNumbers(report: Report, peers: readonly Peer[]): string {
  const { machine } = report;
  const rows = shownCases(report).map(({ title, summary }) => [
    title,
    String(summary.rps),
    summary.ratio === undefined ? '' : `${summary.ratio} of ${summary.against}`,
    `${summary.p99_ms} ms`,
    `${summary.cpu_us} µs`,
  ]);
  const foreign = peers.flatMap(({ name, figures }) =>
    figures.map(({ title, rps, cpu_us: cpu }) => [`*${name}¹: ${title}*`, spread(rps), '', '', `${spread(cpu)} µs`]),
  );
  return [
    ...[['', 'requests/s', 'beside its yardstick', 'p99', 'CPU a request'], ['---', '---', '---', '---', '---'], ...rows, ...foreign].map(
      (cells) => `| ${cells.join(' | ')} |`,
    ),
    '',
    `${machine.cpu}, ${machine.cores} cores for everything, workerd ${machine.workerd}, load from ${machine.generator}; ${machine.date}, commit ${machine.commit}.`,
    ...peers.map(({ name, conditions, date }) => `¹ Not from the same run: ${name}, ${conditions}; ${date}.`),
  ].join('\n');
}

const WIDTH = 790;
const LABELS = 310;
const BARS = 380;
const ROW = 24;
const TOP = 44;

/** Requests a second as bars, in SVG. */
export function drawNumbers(report: Report, peers: readonly Peer[]): string {
  const lines: readonly Line[] = [
    ...shownCases(report).map(({ title, summary }): Line => ({
      title,
      rps: summary.rps,
      told: String(Math.round(summary.rps)),
      kind: summary.against === undefined ? 'yardstick' : 'ours',
    })),
    ...peers.flatMap(({ name, figures }) =>
      figures.map(({ title, rps }): Line => ({ title: `${name}¹: ${title}`, rps: (rps[0] + rps[1]) / 2, told: spread(rps), kind: 'peer' })),
    ),
  ];
  const most = Math.max(...lines.map(({ rps }) => rps));
  const height = TOP + lines.length * ROW + 34;
  const { machine } = report;
  const bars = lines.map(({ title, rps, told, kind }, index) => {
    const y = TOP + index * ROW;
    const width = Math.max(1, Math.round((BARS * rps) / most));
    return [
      `<text x="${LABELS - 8}" y="${y + 15}" text-anchor="end">${escapeText(title)}</text>`,
      `<rect class="${kind}" x="${LABELS}" y="${y + 3}" width="${width}" height="${ROW - 8}" rx="2"/>`,
      `<text x="${LABELS + width + 6}" y="${y + 15}">${told}</text>`,
    ].join('');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="what">
<title id="what">Requests a second: the gateway, its yardsticks and a peer</title>
<style>
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .head { font-size: 15px; font-weight: 600 }
  .ours { fill: #2563eb }
  .yardstick { fill: #9ca3af }
  .peer { fill: none; stroke: #b45309; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #60a5fa } .yardstick { fill: #6b7280 } .peer { stroke: #f59e0b } }
</style>
<text class="head" x="12" y="24">Requests a second on ${machine.cores} cores, load and origin among them</text>
${bars.join('\n')}
<text x="12" y="${height - 12}">${escapeText(`${machine.cpu}, workerd ${machine.workerd}, ${machine.date}, commit ${machine.commit}. ¹ not in the same run`)}</text>
</svg>
`;
}

/** Where the numbers stand in a page. */
const BEGIN = /<!-- numbers: .*? -->\n/;
const END = '<!-- end of numbers -->';

/** The page with other numbers between its marks. */
export function replaceNumbers(page: string, numbers: string): string {
  const begin = BEGIN.exec(page);
  const endAt = page.indexOf(END);
  if (begin === null || endAt < begin.index) throw new Error('the page has no marks between which numbers stand');
  return `${page.slice(0, begin.index + begin[0].length)}\n${numbers}\n\n${page.slice(endAt)}`;
}

function spread([least, most]: readonly [number, number]): string {
  return least === most ? String(least) : `${least}–${most}`;
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
