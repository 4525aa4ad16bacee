/*
 * `node scripts/history.ts run.json`: adds the line of a release to bench/history.md, from the output of `npm run bench --
 * --json`. Effects: writes that file.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { formatHistoryRow, readSaved } from '#bench/saved-report.ts';

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('Usage: node scripts/history.ts run.json');
appendFileSync('bench/history.md', `${formatHistoryRow(readSaved(readFileSync(path, 'utf8')))}\n`);
