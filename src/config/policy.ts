/*
 * The settings of the policies, as written in the configuration and in compiled form. `gatewayPolicyKeys` is part of the
 * schema of the seller's file, `routePolicyKeys` of that of a route. A route's setting overrides the gateway's, key by key,
 * and `false` turns a policy off. Pure.
 */
import * as z from 'zod/mini';
import { type ClientList, type PolicySettings, type GatewayPolicySettings } from '#gateway/policy/policy.ts';
import { parseCidr, type Cidr } from '#protocol/cidr.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type QuotaBounds, type RateBound, type RateCount } from '../ports.ts';
import { total, whole } from './numbers.ts';

const part = z.number().check(z.gt(0), z.maximum(1));
const off = z.literal(false);
/** The log of the largest window takes 80 KB. */
const rateCalls = whole(1, 10_000);
const rateSeconds = whole(1, 3600);
const LONGEST_LIST = 1000;

const ClientListSchema = z
  .strictObject({
    /** Addresses and ranges. @example ['203.0.113.0/24', '2001:db8::/32'] */
    cidrs: z.optional(
      z
        .array(
          z.string().check(z.refine((text) => parseCidr(text) !== undefined, 'must be an IP address, or a CIDR range without host bits')),
        )
        .check(z.maxLength(LONGEST_LIST)),
    ),
    /**
     * Countries, by two capital letters. Only Cloudflare's edge provides them; elsewhere a `block` of countries blocks all.
     * @example ['CH']
     */
    countries: z.optional(
      z.array(z.string().check(z.regex(/^[A-Z][A-Z0-9]$/, 'must be two capital letters'))).check(z.maxLength(LONGEST_LIST)),
    ),
    /** Networks, by AS number. Only Cloudflare's edge provides them; elsewhere a `block` of networks blocks all. */
    asns: z.optional(z.array(whole(1, 4_294_967_295)).check(z.maxLength(LONGEST_LIST))),
  })
  .check(z.refine((list) => Object.values(list).some((entries) => (entries ?? []).length > 0), 'must have at least one entry'));

const QuotaRateSchema = z.strictObject({
  /** Requests of one client in any period of `seconds`. */
  calls: rateCalls,
  /** Length of the period in seconds. @example 60 */
  seconds: rateSeconds,
  /** Requests of all clients together in such a period. */
  total,
});

const FreeCallsSchema = z.strictObject({
  /** Free calls of one client in a period, which begins with the first call. */
  calls: whole(1, 1_000_000),
  /** Length of the period in seconds. */
  seconds: whole(60, 31 * 86_400),
  /** Free calls of all clients together in a period. */
  total: whole(16, 1_000_000_000),
});

const AfterPaymentSchema = z.strictObject({
  /** Invoices per used-up payment in any minute. */
  perMinute: z._default(whole(1, 10_000), 10),
  /** Invoices per used-up payment that are neither paid nor expired. */
  open: z._default(whole(1, 10_000), 3),
  /** Invoices for all such payments together in any minute. */
  totalPerMinute: z._default(total, 1600),
  /** Invoices for all such payments together that are neither paid nor expired. */
  totalOpen: z._default(total, 3200),
});

const ChallengesSchema = z.strictObject({
  /** Invoices for one client in any minute. */
  perMinute: z._default(whole(1, 10_000), 30),
  /** Invoices of one client that are neither paid nor expired. */
  open: z._default(whole(1, 10_000), 30),
  /** Invoices for all clients together in any minute. */
  totalPerMinute: z._default(total, 9600),
  /** Invoices of all clients together that are neither paid nor expired. */
  totalOpen: z._default(total, 9600),
  /**
   * Answer to a client over its limits: its existing invoice, if that is valid for at least another minute (`repeat`), or 429
   * (`refuse`).
   */
  overQuota: z._default(z.enum(['repeat', 'refuse']), 'repeat'),
  /** Separate limits for clients that present a used-up payment; other clients cannot exhaust them. */
  afterPayment: z.prefault(AfterPaymentSchema, {}),
});

const TokenRateSchema = z.strictObject({
  /** Calls with one payment in any period of `seconds`, over all of its tokens. */
  calls: whole(1, 1000),
  /** Length of the period in seconds. @example 60 */
  seconds: rateSeconds,
});

const RateSchema = z.strictObject({
  /** Calls in any period of `seconds`. */
  calls: rateCalls,
  /** Length of the period in seconds. @example 60 */
  seconds: rateSeconds,
  /** `exact`: one count for all, one object call each. `isolate`: each isolate counts its share. `platform`: the rate-limit binding. */
  count: z._default(z.enum(['exact', 'isolate', 'platform']), 'exact'),
});

const shared = {
  /** Clients that may use the route. Default: all. */
  allow: z.optional(z.union([ClientListSchema, off])),
  /** Clients that may not use the route. */
  block: z.optional(z.union([ClientListSchema, off])),
  /** Request limit of a client that has not paid. Default: off. */
  clientRate: z.optional(z.union([QuotaRateSchema, off])),
  /** Free calls before the first payment. Default: none. */
  freeCalls: z.optional(z.union([FreeCallsSchema, off])),
  /**
   * Rate limit of one payment. Default: no limit. Counted with the payment's claim; for a pass, by a separate object call.
   * Not counted if the payment buys no more calls than the limit.
   */
  tokenRate: z.optional(z.union([TokenRateSchema, off])),
  /** Limits on invoices that are not paid. */
  challenges: z.optional(ChallengesSchema),
};

const RoutePolicySchema = z.strictObject({
  ...shared,
  /** Rate limit of this route, for paid or free calls. Default: no limit. */
  rate: z.optional(z.union([RateSchema, off])),
  /** `false`: served during maintenance too. */
  maintenance: z.optional(off),
  /** `false`: the breaker neither stops calls of this route nor learns from them. */
  breaker: z.optional(off),
  /** `false`: calls of this route do not wait for a place at the origin. */
  concurrency: z.optional(off),
});

const BreakerSchema = z.strictObject({
  /** Length of the window over which calls are counted, in seconds. */
  windowSeconds: z._default(whole(1, 3600), 60),
  /** The breaker opens after this many different payers fail in a row; at least three. */
  failuresInARow: z._default(whole(3, 100), 5),
  /** The breaker opens if this share of all payers fails, once there are `leastPayers`. */
  failureRatio: z._default(part, 0.5),
  /** The breaker opens if this share of all payers fails or waits longer than `slowHeadSeconds` for the response headers. */
  slowRatio: z._default(part, 0.8),
  /** The two ratios apply only once this many payers have voted. */
  leastPayers: z._default(whole(3, 500), 10),
  /** Seconds after which response headers count as slow. */
  slowHeadSeconds: z._default(whole(1, 600), 10),
  /** Seconds for which the breaker stays open the first time; doubled each time it opens again. */
  openSeconds: z._default(whole(1, 3600), 10),
  /** Longest time, in seconds, for which the breaker stays open. */
  openMaxSeconds: z._default(whole(1, 86_400), 300),
  /** Path of the origin that answers below 500 when it works; the gateway probes it. Default: no probes. @example '/health' */
  probePath: z.optional(z.string().check(z.regex(/^\/[\u0021-\u007e]*$/))),
});

const ConcurrencySchema = z.strictObject({
  /** Concurrent calls of one isolate at one origin. If there are at least two, a quarter is reserved for paid calls. */
  most: whole(1, 10_000),
  /** Calls that wait for a place, separately for paid and unpaid calls; further calls are refused at once. */
  mostWaiting: z._default(whole(0, 10_000), 100),
  /** Seconds that such a call waits. At most half of the lease margin, because the claim's lease is already running. */
  waitSeconds: z._default(whole(0, 30), 5),
});

const GatewayPolicySchema = z.strictObject({
  ...shared,
  /** Rate limit of all free calls and new invoices together; an invoice given again does not count. Default: no limit. */
  rate: z.optional(z.union([RateSchema, off])),
  /** `false`: no circuit breaker. */
  breaker: z.prefault(z.union([BreakerSchema, off]), {}),
  /** Concurrent calls at each origin. Default: no limit. */
  concurrency: z.optional(z.union([ConcurrencySchema, off])),
});

/** Keys of the seller's file. */
export const gatewayPolicyKeys = {
  /** Source of a client's address: `cloudflare`, `socket`, or `{ trustedHops }` behind this many of the seller's own proxies. */
  clientAddress: z.optional(
    z.union([
      z.enum(['cloudflare', 'socket']),
      z.strictObject({ /** Number of trusted proxies: entries of X-Forwarded-For, from the right. */ trustedHops: whole(1, 16) }),
    ]),
  ),
  /** Interval in seconds at which an isolate refreshes breakers, revocations and maintenance. */
  controlRefreshSeconds: z._default(whole(1, 300), 10),
  /** Age in seconds at which they count as outdated and paid routes are closed. */
  staleMaxSeconds: z._default(whole(10, 86_400), 300),
  /**
   * `refuse`: paid routes close when the snapshot is outdated. `serve`: they stay open, and tokens revoked since then still
   * work.
   */
  stale: z._default(z.enum(['refuse', 'serve']), 'refuse'),
  /** Number of isolates that share limits with `count: 'isolate'`. */
  rateIsolates: z._default(whole(1, 1000), 1),
  /** Policies of every route that does not override them. */
  policy: z.prefault(GatewayPolicySchema, {}),
};

/** Keys of a route. */
export const routePolicyKeys = {
  /** Overrides of the gateway's policies; `false` turns a policy off. */
  policy: z.optional(RoutePolicySchema),
};

const GatewayKeys = z.object(gatewayPolicyKeys);
export type GatewayPolicy = z.output<typeof GatewayKeys>;
export type RoutePolicy = z.output<typeof RoutePolicySchema>;

/** Compiles the settings of the gateway; on problems, lists each by its key. */
export function compileGatewayPolicy(gateway: GatewayPolicy): Result<GatewayPolicySettings, readonly string[]> {
  const { clientAddress, controlRefreshSeconds, staleMaxSeconds, stale, rateIsolates } = gateway;
  const { breaker, concurrency, rate } = gateway.policy;
  const problems: string[] = [];
  if (staleMaxSeconds < 2 * controlRefreshSeconds) {
    problems.push('staleMaxSeconds: must be at least twice controlRefreshSeconds, or one failed refresh would close every paid route');
  }
  if (breaker !== false && breaker.openMaxSeconds < breaker.openSeconds)
    problems.push('policy.breaker.openMaxSeconds: must be at least openSeconds');
  if (problems.length > 0) return refuse(problems);
  return accept({
    clientAddress,
    refreshSeconds: controlRefreshSeconds,
    staleMaxSeconds,
    stale,
    isolates: rateIsolates,
    rate: compileRate(rate),
    breaker:
      breaker === false
        ? undefined
        : {
            windowMs: breaker.windowSeconds * 1000,
            failuresInARow: breaker.failuresInARow,
            failureRatio: breaker.failureRatio,
            slowRatio: breaker.slowRatio,
            leastVoters: breaker.leastPayers,
            openMs: breaker.openSeconds * 1000,
            longestOpenMs: breaker.openMaxSeconds * 1000,
            slowHeadMs: breaker.slowHeadSeconds * 1000,
            probePath: breaker.probePath,
          },
    concurrency: isOn(concurrency)
      ? { most: concurrency.most, mostWaiting: concurrency.mostWaiting, waitMs: concurrency.waitSeconds * 1000 }
      : undefined,
  });
}

/** Compiles the policies of a route, with the gateway's as defaults. */
export function compileRoutePolicy(gateway: GatewayPolicy, route: RoutePolicy = {}): PolicySettings {
  // Not by spreading one over the other: a key that is present but undefined must not turn a policy off.
  const { policy } = gateway;
  const allow = route.allow ?? policy.allow;
  const block = route.block ?? policy.block;
  const clientRate = route.clientRate ?? policy.clientRate;
  const freeCalls = route.freeCalls ?? policy.freeCalls;
  const challenges = route.challenges ?? policy.challenges ?? ChallengesSchema.parse({});
  const { perMinute, open, totalPerMinute, totalOpen, overQuota, afterPayment } = challenges;
  const bounds = (of: 'calls' | 'total', invoices: QuotaBounds['challenges']): QuotaBounds => ({
    ...(isOn(clientRate) ? { requests: { limit: clientRate[of], windowMs: clientRate.seconds * 1000 } } : {}),
    ...(isOn(freeCalls) ? { free: { calls: freeCalls[of], periodMs: freeCalls.seconds * 1000 } } : {}),
    challenges: invoices,
  });
  const rate = compileRate(route.rate);
  const tokenRate = route.tokenRate ?? policy.tokenRate;
  return {
    ...(isOn(allow) ? { allow: compileList(allow) } : {}),
    ...(isOn(block) ? { block: compileList(block) } : {}),
    ...(rate === undefined ? {} : { rate }),
    ...(isOn(tokenRate) ? { tokenRate: { limit: tokenRate.calls, windowMs: tokenRate.seconds * 1000 } } : {}),
    hasMaintenance: route.maintenance !== false,
    hasBreaker: policy.breaker !== false && route.breaker !== false,
    hasConcurrency: isOn(policy.concurrency) && route.concurrency !== false,
    quota: {
      bounds: bounds('calls', { perMinute, open }),
      totals: bounds('total', { perMinute: totalPerMinute, open: totalOpen }),
      repeats: overQuota === 'repeat',
      // They have paid before: they get no free calls, and their requests are not counted.
      paid: {
        bounds: { challenges: { perMinute: afterPayment.perMinute, open: afterPayment.open } },
        totals: { challenges: { perMinute: afterPayment.totalPerMinute, open: afterPayment.totalOpen } },
      },
    },
  };
}

function compileList({ cidrs = [], countries = [], asns = [] }: z.output<typeof ClientListSchema>): ClientList {
  return { cidrs: cidrs.map((text): Cidr => parseCidr(text)!), countries: new Set(countries), asns: new Set(asns) };
}

function compileRate(
  rate: z.output<typeof RateSchema> | false | undefined,
): { readonly bound: RateBound; readonly count: RateCount } | undefined {
  return isOn(rate) ? { bound: { limit: rate.calls, windowMs: rate.seconds * 1000 }, count: rate.count } : undefined;
}

function isOn<Setting extends object>(setting: Setting | false | undefined): setting is Setting {
  return setting !== undefined && setting !== false;
}
