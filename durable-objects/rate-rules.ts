/*
 * A true sliding window: in any stretch of `windowMs`, however it is laid, at most `limit` calls pass. It keeps the
 * instants of the calls that passed, never more than `limit` of them; what is refused is not counted, so that asking too
 * often does not lock anyone out for longer. Pure: logs and time in, decision and new logs out.
 */

/** So many calls in so long a time. */
export interface RateBound {
  readonly limit: number;
  readonly windowMs: number;
}

/** Instants of calls that passed, in milliseconds, oldest first. */
export type RateLog = readonly number[];

/** What is left under one bound. */
export interface RateReading {
  readonly remaining: number;
  /** Within so many seconds no more than `remaining` calls pass. */
  readonly resetSeconds: number;
}

export interface RateDecision {
  readonly allowed: boolean;
  /** 0 when allowed. */
  readonly retryAfterSeconds: number;
  /** One for each count, in order. */
  readonly readings: readonly RateReading[];
  /** The new logs, in order; only when allowed. */
  readonly logs?: readonly RateLog[];
}

/** A bound and what is counted under it. */
export interface RateCheck {
  readonly key: string;
  readonly bound: RateBound;
}

/** What a caller gets to know. */
export type RateAnswer = Omit<RateDecision, 'logs'>;

/** The largest limit of a window: the log of one takes 80 KB then. */
export const LARGEST_RATE = 10_000;

/** Lets one call pass under every bound, or under none. */
export function takeRates(counts: readonly { readonly log: RateLog; readonly bound: RateBound }[], nowMs: number): RateDecision {
  const windows = counts.map(({ log, bound }) => ({ log: slideWindow(log, { windowMs: bound.windowMs, nowMs }), bound }));
  const full = windows.filter(({ log, bound }) => log.length >= bound.limit);
  if (full.length > 0) {
    const readings = windows.map(({ log, bound }) => readWindow(log, { bound, nowMs }));
    return {
      allowed: false,
      retryAfterSeconds: Math.max(...full.map(({ log, bound }) => secondsToSpare(log, { bound, nowMs }))),
      readings,
    };
  }
  const logs = windows.map(({ log }) => [...log, Math.max(nowMs, log.at(-1) ?? nowMs)]);
  return {
    allowed: true,
    retryAfterSeconds: 0,
    readings: windows.map(({ bound }, index) => readWindow(logs[index]!, { bound, nowMs })),
    logs,
  };
}

/** The instants that are still in the window. A clock that went back leaves them where they were. */
export function slideWindow(log: RateLog, { windowMs, nowMs }: { windowMs: number; nowMs: number }): RateLog {
  const first = log.findIndex((instantMs) => instantMs > nowMs - windowMs);
  return first < 0 ? [] : first === 0 ? log : log.slice(first);
}

function readWindow(log: RateLog, { bound, nowMs }: { bound: RateBound; nowMs: number }): RateReading {
  const remaining = Math.max(0, bound.limit - log.length);
  return {
    remaining,
    resetSeconds: remaining === 0 ? secondsToSpare(log, { bound, nowMs }) : secondsUntil((log[0] ?? nowMs) + bound.windowMs, nowMs),
  };
}

/** Until one more call passes. After a limit has been lowered that is not when the oldest instant goes. */
function secondsToSpare(log: RateLog, { bound, nowMs }: { bound: RateBound; nowMs: number }): number {
  return secondsUntil((log[Math.max(0, log.length - bound.limit)] ?? nowMs) + bound.windowMs, nowMs);
}

function secondsUntil(instantMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((instantMs - nowMs) / 1000));
}
