/*
 * The rate-limit port: exact counts in Durable Objects, shares counted in this isolate, or the platform's rate-limit binding
 * if there is one (plain workerd has none). The first two follow rate-rules.ts; the binding counts by its own configuration.
 * Effects: object calls, memory, the binding.
 */
import { type RateLimiter } from '#durable-objects/rate-limiter.ts';
import { takeRates, type RateAnswer, type RateCheck, type RateLog } from '#durable-objects/rate-rules.ts';
import { type Clock, type RateLimits } from '../ports.ts';

export interface RateOptions {
  readonly namespace: DurableObjectNamespace<RateLimiter>;
  /** Used for `count: 'platform'`; without it such limits are counted in the isolate. */
  readonly binding?: RateLimit | undefined;
  /** The number of isolates that share a limit: each counts its part, rounded up. */
  readonly isolates: number;
  readonly clock: Clock;
}

/** Most windows in one isolate; the least recently used is dropped. */
const MOST_ISOLATE_KEYS = 1000;

/** Creates the rate-limit port for all three ways of counting. */
export function createRateLimits({ namespace, binding, isolates, clock }: RateOptions): RateLimits {
  const logs = new Map<string, RateLog>();
  const takeHere = (checks: readonly RateCheck[]): RateAnswer => {
    const counts = checks.map(({ key, bound }) => ({
      log: logs.get(key) ?? [],
      bound: { limit: Math.ceil(bound.limit / isolates), windowMs: bound.windowMs },
    }));
    const { logs: changed, ...answer } = takeRates(counts, clock());
    for (const [index, log] of (changed ?? []).entries()) {
      const { key } = checks[index]!;
      logs.delete(key);
      if (logs.size >= MOST_ISOLATE_KEYS) logs.delete(logs.keys().next().value!);
      logs.set(key, log);
    }
    return answer;
  };
  return {
    async take({ count, objectName, checks }) {
      if (count === 'exact') return namespace.get(namespace.idFromName(objectName)).take(checks);
      if (count === 'isolate' || binding === undefined) return takeHere(checks);
      for (const { key, bound } of checks) {
        const { success } = await binding.limit({ key });
        // The binding returns nothing else.
        if (!success) return { allowed: false, retryAfterSeconds: Math.ceil(bound.windowMs / 1000), readings: [] };
      }
      return { allowed: true, retryAfterSeconds: 0, readings: [] };
    },
  };
}
