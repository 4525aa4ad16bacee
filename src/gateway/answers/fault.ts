/*
 * A fault that a request survives, told to the operator by where it happened. No effects but the log.
 */
import { type Log, type LogValue } from '../../ports.ts';

export interface Fault {
  /** What was being done. */
  readonly at: string;
  /** What was thrown. */
  readonly error: unknown;
  /** What else is known of it. */
  readonly known?: Readonly<Record<string, LogValue>>;
}

/** Logs a fault. */
export function noteFault(log: Log, { at, error, known }: Fault): void {
  log('fault', { at, ...known, message: error instanceof Error ? error.message : 'unknown' });
}
