/*
 * The response fields that tell a client its limits in advance: `RateLimit-Policy` states what is allowed, `RateLimit` what
 * is left (draft-ietf-httpapi-ratelimit-headers-11, May 2026). Pure.
 */
import { type QuotaBounds, type QuotaReading, type RateBound, type RateReading } from '../../ports.ts';

/** One limit, as shown to a client. */
export interface StatedLimit {
  /** Lower-case letters; it is written in quotes. */
  readonly name: 'client' | 'free' | 'challenges' | 'route' | 'all' | 'pass' | 'token';
  readonly limit: number;
  readonly windowSeconds: number;
  readonly remaining: number;
  readonly resetSeconds: number;
}

/** Formats both fields; no limits give no fields. */
export function formatRateFields(limits: readonly StatedLimit[]): Readonly<Record<string, string>> {
  if (limits.length === 0) return {};
  return {
    'ratelimit-policy': limits.map(({ name, limit, windowSeconds }) => `"${name}";q=${limit};w=${windowSeconds}`).join(', '),
    ratelimit: limits.map(({ name, remaining, resetSeconds }) => `"${name}";r=${remaining};t=${resetSeconds}`).join(', '),
  };
}

/** Adds the fields to a response, after any that the origin has set. */
export function stateLimits(response: Response, limits: readonly StatedLimit[]): Response {
  if (limits.length === 0) return response;
  const answer = new Response(response.body, response);
  for (const [name, value] of Object.entries(formatRateFields(limits))) answer.headers.append(name, value);
  return answer;
}

/** Converts the readings of the quota object to limits. States only the client's own limits, not those of others or totals. */
export function stateQuota(readings: readonly QuotaReading[], { requests, free, challenges }: QuotaBounds): readonly StatedLimit[] {
  return readings.flatMap(({ policy, remaining, resetSeconds }): readonly StatedLimit[] => {
    const left = { remaining, resetSeconds };
    switch (policy) {
      case 'requests':
        return requests === undefined
          ? []
          : [{ name: 'client', limit: requests.limit, windowSeconds: secondsOf(requests.windowMs), ...left }];
      case 'free':
        return free === undefined ? [] : [{ name: 'free', limit: free.calls, windowSeconds: secondsOf(free.periodMs), ...left }];
      case 'challenges':
        return [{ name: 'challenges', limit: challenges.perMinute, windowSeconds: 60, ...left }];
    }
  });
}

/** Converts the reading of a rate limit. The platform's own limiter gives no reading. */
export function stateRate(name: StatedLimit['name'], bound: RateBound, reading: RateReading | undefined): readonly StatedLimit[] {
  return reading === undefined ? [] : [{ name, limit: bound.limit, windowSeconds: secondsOf(bound.windowMs), ...reading }];
}

/** A window is at least one second. */
function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
