/*
 * The rate limits of a request: of a pass, of its route, of all unpaid requests. They are asked one after the other, each
 * only if the previous ones let the request pass; a limit that cannot be counted refuses. Effects: the rate limits behind
 * their port, the log.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Charge } from '#schemes/scheme.ts';
import { type RateBound, type RateCheck, type RateCount, type RateLimits, type Log } from '../../ports.ts';
import { noteFault } from '../answers/fault.ts';
import { type PolicySettings } from './policy.ts';
import { stateRate, type StatedLimit } from '../answers/rate-fields.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { describeRoute } from '../routing/find-route.ts';
import { type Route } from '../route.ts';

/** One limit that applies to a request. */
export interface RateStep {
  readonly name: keyof typeof REACHED;
  readonly count: RateCount;
  readonly bound: RateBound;
  readonly objectName: string;
  readonly key: string;
}

const RATE_RETRY_SECONDS = 5;
const MINUTE_MS = 60_000;
/** The detail for a reached limit; a client may know which limit it was. */
export const REACHED = {
  pass: 'this pass is good for no more calls in a minute',
  token: 'this payment is used as often as it may be',
  route: 'this route is called as often as it may be',
  all: 'those who have not paid call as often as they may',
} as const;
const NONE = accept<readonly StatedLimit[]>([]);

/** Returns the limit of all unpaid requests together. */
export function rateOfAll(rate: PolicySettings['rate']): readonly RateStep[] {
  return rate === undefined ? [] : [{ name: 'all', ...rate, objectName: 'all/1', key: 'all' }];
}

/** Returns the limit of a route, whatever is paid for it. */
export function rateOfRoute(route: Route): readonly RateStep[] {
  const { rate } = route.policy;
  if (rate === undefined) return [];
  const key = describeRoute(route);
  return [{ name: 'route', ...rate, objectName: `route/1/${key}`, key }];
}

/** Returns the rate limit of a counted payment; `undefined` if the payment buys no more calls than that. */
export function boundOfCharge({ unit, limit }: Pick<Charge, 'unit' | 'limit'>, bound: RateBound | undefined): RateBound | undefined {
  return bound !== undefined && unit === 'calls' && limit <= bound.limit ? undefined : bound;
}

/** Returns the check of a route's limit per payment. Routes with the same window share the count. */
export function checkOfToken(paymentHashHex: string, bound: RateBound): RateCheck {
  return { key: `${paymentHashHex} ${bound.windowMs}`, bound };
}

/** Returns the same limit for a pass, which has no claim that could count it. */
export function rateOfToken(paymentHashHex: string, bound: RateBound | undefined): readonly RateStep[] {
  if (bound === undefined) return [];
  return [{ name: 'token', count: 'exact', objectName: nameObject(paymentHashHex), ...checkOfToken(paymentHashHex, bound) }];
}

/** Returns the limit of a pass, shared by all its tokens; spread over 256 objects. */
export function rateOfPass(paymentHashHex: string, maxPerMinute: number | undefined): readonly RateStep[] {
  if (maxPerMinute === undefined) return [];
  const bound = { limit: maxPerMinute, windowMs: MINUTE_MS };
  return [{ name: 'pass', count: 'exact', bound, objectName: nameObject(paymentHashHex), key: paymentHashHex }];
}

function nameObject(paymentHashHex: string): string {
  return `pass/1/${paymentHashHex.slice(0, 2)}`;
}

/** Takes all limits; returns what is left, or which one is reached. */
export async function takeSteps(
  steps: readonly RateStep[],
  { rates, log }: { rates: RateLimits; log: Log },
): Promise<Result<readonly StatedLimit[], GatewayRefusal>> {
  if (steps.length === 0) return NONE;
  const limits: StatedLimit[] = [];
  for (const { name, count, bound, objectName, key } of steps) {
    try {
      const { allowed, retryAfterSeconds, readings } = await rates.take({ count, objectName, checks: [{ key, bound }] });
      const stated = stateRate(name, bound, readings[0]);
      if (!allowed) return refuse({ code: 'rate_limited', detail: REACHED[name], retryAfterSeconds, limits: stated });
      limits.push(...stated);
    } catch (error) {
      noteFault(log, { at: 'rates.take', error });
      return refuse({ code: 'rate_unavailable', detail: 'a limit cannot be counted now', retryAfterSeconds: RATE_RETRY_SECONDS });
    }
  }
  return accept(limits);
}
