/*
 * The fields by which a client learns of limits before it runs into them: `RateLimit-Policy` says what is allowed, `RateLimit`
 * what is left (draft-ietf-httpapi-ratelimit-headers-11, May 2026). Pure.
 */
import { type QuotaBounds, type QuotaReading, type RateBound, type RateReading } from '../../ports.ts';

/** One limit as a client may know it. */
export interface StatedLimit {
  /** Lower-case letters; stands between quotes. */
  readonly name: 'client' | 'free' | 'challenges' | 'route' | 'all' | 'pass' | 'token';
  readonly limit: number;
  readonly windowSeconds: number;
  readonly remaining: number;
  readonly resetSeconds: number;
}

/** The two fields; none when there is nothing to state. */
export function formatRateFields(limits: readonly StatedLimit[]): Readonly<Record<string, string>> {
  if (limits.length === 0) return {};
  return {
    'ratelimit-policy': limits.map(({ name, limit, windowSeconds }) => `"${name}";q=${limit};w=${windowSeconds}`).join(', '),
    ratelimit: limits.map(({ name, remaining, resetSeconds }) => `"${name}";r=${remaining};t=${resetSeconds}`).join(', '),
  };
}

/** An answer with what is left under its limits, after what the origin may say of its own. */
export function stateLimits(response: Response, limits: readonly StatedLimit[]): Response {
  if (limits.length === 0) return response;
  const answer = new Response(response.body, response);
  for (const [name, value] of Object.entries(formatRateFields(limits))) answer.headers.append(name, value);
  return answer;
}

/** What the quota object has told, as limits. Only the client's own bounds: those of others, and totals, are not stated. */
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

/** What a rate limit has told, as a limit. The platform's own limiter tells nothing. */
export function stateRate(name: StatedLimit['name'], bound: RateBound, reading: RateReading | undefined): readonly StatedLimit[] {
  return reading === undefined ? [] : [{ name, limit: bound.limit, windowSeconds: secondsOf(bound.windowMs), ...reading }];
}

/** A window has a second at least. */
function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
