/*
 * From what a request does to what a million of them cost. Pure.
 */
import { type Prices } from './prices.ts';

/** What one request does, on average. */
export interface Operations {
  readonly workerRequests: number;
  readonly cpuMs: number;
  /** Calls of Durable Objects, and alarms. */
  readonly objectRequests: number;
  /** Time for which it keeps objects awake that would be asleep without it. */
  readonly objectSeconds: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  /** What it leaves on disk; priced as if it lay there for a month. */
  readonly storedBytes: number;
}

/** Dollars for a million requests, by what is billed. */
export interface Cost {
  readonly workerRequests: number;
  readonly cpu: number;
  readonly objectRequests: number;
  readonly duration: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly storage: number;
  readonly total: number;
}

const MILLION = 1_000_000;
const BYTES_A_GIGABYTE = 1e9;

/** What a million such requests cost. */
export function priceOperations(operations: Operations, prices: Prices): Cost {
  const parts = {
    workerRequests: operations.workerRequests * prices.perMillionWorkerRequests,
    cpu: operations.cpuMs * prices.perMillionCpuMs,
    objectRequests: operations.objectRequests * prices.perMillionObjectRequests,
    duration: operations.objectSeconds * prices.objectGigabytes * prices.perMillionGigabyteSeconds,
    rowsRead: operations.rowsRead * prices.perMillionRowsRead,
    rowsWritten: operations.rowsWritten * prices.perMillionRowsWritten,
    storage: ((operations.storedBytes * MILLION) / BYTES_A_GIGABYTE) * prices.perGigabyteMonth,
  };
  return { ...parts, total: Object.values(parts).reduce((sum, dollars) => sum + dollars, 0) };
}

/** The least that the platform takes for a request: a Worker that forwards and does nothing else. */
export function forwardingFloor(cpuMs: number): Operations {
  return { workerRequests: 1, cpuMs, objectRequests: 0, objectSeconds: 0, rowsRead: 0, rowsWritten: 0, storedBytes: 0 };
}

/** The least for a request of which one durable row must be kept: forwarding, one object asked, one row written. */
export function countingFloor(cpuMs: number): Operations {
  return { ...forwardingFloor(cpuMs), objectRequests: 1, rowsWritten: 1 };
}

const SECONDS_A_MONTH = 30 * 86_400;

/** Dollars a month for one isolate that asks the control object every so many seconds, as long as it has requests. */
export function priceControl(refreshSeconds: number, prices: Prices): number {
  return (SECONDS_A_MONTH / refreshSeconds / MILLION) * prices.perMillionObjectRequests;
}
