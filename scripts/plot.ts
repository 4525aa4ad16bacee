/*
 * `node scripts/plot.ts run.json`: the numbers of the README, table and plot, from the output of `npm run -s bench --
 * --json`. Effects: writes docs/numbers.svg and the part of README.md between its marks.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { drawNumbers, formatNumbers, replaceNumbers } from '#bench/numbers.ts';
import { PEERS } from '#bench/peers.ts';
import { readSaved } from '#bench/saved-report.ts';

const PLOT_PATH = 'docs/numbers.svg';

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('Usage: node scripts/plot.ts run.json');
const report = readSaved(readFileSync(path, 'utf8'));
writeFileSync(PLOT_PATH, drawNumbers(report, PEERS));
const picture = `![Requests a second: the gateway, its yardsticks and a peer](${PLOT_PATH})`;
writeFileSync('README.md', replaceNumbers(readFileSync('README.md', 'utf8'), `${picture}\n\n${formatNumbers(report, PEERS)}`));
