/*
 * What the objects of one class have done, as they are billed: what the metered Worker counts, and the cost table is made of.
 */

export interface ObjectUsage {
  /** Calls on stubs; what goes over the session of a lease afterwards belongs to its call. */
  calls: number;
  alarms: number;
  rowsRead: number;
  /** Each `setAlarm` is one of them, as on the bill. */
  rowsWritten: number;
  /** Time in which at least one call, lease or timer was under way, summed over objects. */
  activeMs: number;
  /** Size of the databases that were used. */
  storedBytes: number;
}

/** One usage count for each class; the control object is asked in the background of requests. */
export type ObjectUsages = Readonly<Record<'ReplaySet' | 'Quota' | 'RateLimiter' | 'Control', ObjectUsage>>;

/** A usage count of nothing. */
export function emptyUsage(): ObjectUsage {
  return { calls: 0, alarms: 0, rowsRead: 0, rowsWritten: 0, activeMs: 0, storedBytes: 0 };
}
