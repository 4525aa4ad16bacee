/*
 * The log with a bound on lines that strangers cause: what is refused, and challenges that nobody has paid yet. Beyond so many
 * a second they are counted, and the next line of their kind tells how many there were. Sales, faults and orders are always
 * told. Effects: the log it is given.
 */
import { type Clock, type Log } from '../ports.ts';

/** Lines of one kind in a second, of one isolate. */
export const MOST_LINES_A_SECOND = 20;
const BOUNDED: ReadonlySet<string> = new Set(['challenge', 'refusal']);

interface Lines {
  second: number;
  count: number;
  skipped: number;
}

/** The same log, bounded. */
export function boundLog(log: Log, clock: Clock): Log {
  const kinds = new Map<string, Lines>();
  return (event, fields) => {
    if (!BOUNDED.has(event)) return log(event, fields);
    const second = Math.floor(clock() / 1000);
    const lines = kinds.get(event) ?? { second, count: 0, skipped: 0 };
    kinds.set(event, lines);
    if (lines.second !== second) Object.assign(lines, { second, count: 0 });
    lines.count += 1;
    if (lines.count > MOST_LINES_A_SECOND) {
      lines.skipped += 1;
      return;
    }
    const { skipped } = lines;
    lines.skipped = 0;
    log(event, skipped === 0 ? fields : { ...fields, skipped });
  };
}
