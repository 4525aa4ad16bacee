/*
 * A fault that a request survives, logged for the operator with the place where it happened. Effects: the log.
 */
import { type Log, type LogValue } from '../../ports.ts';

export interface Fault {
  /** What was being done. */
  readonly at: string;
  /** What was thrown. */
  readonly error: unknown;
  /** Further facts for the log. */
  readonly known?: Readonly<Record<string, LogValue>>;
}

export function noteFault(log: Log, { at, error, known }: Fault): void {
  log('fault', { at, ...known, message: error instanceof Error ? error.message : 'unknown' });
}
