/*
 * A true sliding window: any stretch of `windowMs` contains at most `limit` passed calls. It keeps the instants of passed
 * calls, never more than `limit`. Refused calls are not counted, so asking too often does not lock a client out for longer.
 * Pure: takes logs and the time, returns a decision and the new logs.
 */

/** A number of calls within a length of time. */
export interface RateBound {
  readonly limit: number;
  readonly windowMs: number;
}

/** Instants of passed calls, in milliseconds, oldest first. */
export type RateLog = readonly number[];

/** What is left under one limit. */
export interface RateReading {
  readonly remaining: number;
  /** For this many seconds no more than `remaining` calls pass. */
  readonly resetSeconds: number;
}

export interface RateDecision {
  readonly allowed: boolean;
  /** 0 when allowed. */
  readonly retryAfterSeconds: number;
  /** One per count, in order. */
  readonly readings: readonly RateReading[];
  /** The new logs, in order; only if allowed. */
  readonly logs?: readonly RateLog[];
}

/** A limit and the key that is counted under it. */
export interface RateCheck {
  readonly key: string;
  readonly bound: RateBound;
}

/** The part of a decision that a caller sees. */
export type RateAnswer = Omit<RateDecision, 'logs'>;

/** Lets one call pass under all limits, or under none. */
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

/** Returns the instants that are still in the window. A clock that went back removes none. */
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

/** Returns the time until one more call passes. After a limit was lowered, more than the oldest instant has to leave the window. */
function secondsToSpare(log: RateLog, { bound, nowMs }: { bound: RateBound; nowMs: number }): number {
  return secondsUntil((log[Math.max(0, log.length - bound.limit)] ?? nowMs) + bound.windowMs, nowMs);
}

function secondsUntil(instantMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((instantMs - nowMs) / 1000));
}
