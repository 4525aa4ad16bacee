/*
 * The log with a limit on lines that strangers can cause: refusals, challenges that nobody has paid, and faults, which a
 * request can provoke repeatedly. Lines of one place beyond a number per second are counted, and the next line of that place
 * reports the count. A fault that differs from earlier ones is logged regardless. Sales and orders are always logged.
 * Effects: the given log.
 */
import { type Clock, type Log, type LogValue } from '../ports.ts';

/** Most lines per second and isolate of one place: of one event, or of one place where faults happen. */
export const MOST_LINES_A_SECOND = 20;
/** Most places and kinds of faults that are distinguished; later ones share one limit. */
export const MOST_KINDS = 256;
const BOUNDED: ReadonlySet<string> = new Set(['challenge', 'refusal', 'fault']);

type Fields = Readonly<Record<string, LogValue>>;

interface Lines {
  second: number;
  count: number;
  skipped: number;
}

/** Wraps a log with the limit. */
export function boundLog(log: Log, clock: Clock): Log {
  const places = new Map<string, Lines>();
  const faultsSeen = new Set<string>();
  const isNewFault = (place: string, { message }: Fields): boolean => {
    const fault = `${place} ${String(message)}`;
    if (faultsSeen.has(fault) || faultsSeen.size >= MOST_KINDS) return false;
    faultsSeen.add(fault);
    return true;
  };
  return (event, fields) => {
    if (!BOUNDED.has(event)) return log(event, fields);
    const second = Math.floor(clock() / 1000);
    const named = event === 'fault' ? `fault ${String(fields['at'])} ${String(fields['match'])}` : event;
    const place = places.has(named) || places.size < MOST_KINDS ? named : event;
    const lines = places.get(place) ?? { second, count: 0, skipped: 0 };
    places.set(place, lines);
    if (lines.second !== second) Object.assign(lines, { second, count: 0 });
    lines.count += 1;
    const isNew = event === 'fault' && isNewFault(place, fields);
    if (lines.count > MOST_LINES_A_SECOND && !isNew) {
      lines.skipped += 1;
      return;
    }
    const { skipped } = lines;
    lines.skipped = 0;
    log(event, skipped === 0 ? fields : { ...fields, skipped });
  };
}
