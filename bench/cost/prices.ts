/*
 * The platform's list prices, in US dollars, without what a plan includes. Prices change: when they do, change this file and
 * its date, and nothing else.
 */

export interface Prices {
  /** When they were read. */
  readonly asOf: string;
  readonly source: readonly string[];
  readonly perMillionWorkerRequests: number;
  readonly perMillionCpuMs: number;
  /** Calls and alarms of Durable Objects. */
  readonly perMillionObjectRequests: number;
  /** Objects are billed as if they had this much memory, whatever they use. */
  readonly objectGigabytes: number;
  readonly perMillionGigabyteSeconds: number;
  readonly perMillionRowsRead: number;
  readonly perMillionRowsWritten: number;
  readonly perGigabyteMonth: number;
  /** What the plan costs in any case. */
  readonly planPerMonth: number;
}

/** Workers Paid. */
export const PRICES: Prices = {
  asOf: '2026-11-21',
  source: [
    'https://developers.cloudflare.com/workers/platform/pricing/',
    'https://developers.cloudflare.com/durable-objects/platform/pricing/',
  ],
  perMillionWorkerRequests: 0.3,
  perMillionCpuMs: 0.02,
  perMillionObjectRequests: 0.15,
  objectGigabytes: 0.128,
  perMillionGigabyteSeconds: 12.5,
  perMillionRowsRead: 0.001,
  perMillionRowsWritten: 1,
  perGigabyteMonth: 0.2,
  planPerMonth: 5,
};
