/*
 * The settings of the policies, as the seller writes them and as the gateway uses them. `gatewayPolicyKeys` belongs into the
 * schema of the seller's file, `routePolicyKeys` into that of a route; what a route says takes the place of what the gateway
 * says, key by key, and `false` switches a policy off. Pure.
 */
import * as z from 'zod/mini';
import { type ClientList, type PolicySettings, type GatewayPolicySettings } from '#gateway/policy/policy.ts';
import { parseCidr, type Cidr } from '#protocol/cidr.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type QuotaBounds, type RateBound, type RateCount } from '../ports.ts';
import { total, whole } from './numbers.ts';

const part = z.number().check(z.gt(0), z.maximum(1));
const off = z.literal(false);
const rateCalls = whole(1, 10_000);
const rateSeconds = whole(1, 3600);
const LONGEST_LIST = 1000;

const ClientListSchema = z
  .strictObject({
    /** Addresses and ranges. @example ['203.0.113.0/24', '2001:db8::/32'] */
    cidrs: z.optional(
      z
        .array(z.string().check(z.refine((text) => parseCidr(text) !== undefined, 'an address or a range whose other bits are zero')))
        .check(z.maxLength(LONGEST_LIST)),
    ),
    /** Countries by their two capital letters. Only Cloudflare's edge tells them; elsewhere a block of any blocks all. @example ['CH'] */
    countries: z.optional(z.array(z.string().check(z.regex(/^[A-Z][A-Z0-9]$/))).check(z.maxLength(LONGEST_LIST))),
    /** Networks by their number. Only Cloudflare's edge tells them; elsewhere a block of any blocks all. */
    asns: z.optional(z.array(whole(1, 4_294_967_295)).check(z.maxLength(LONGEST_LIST))),
  })
  .check(z.refine((list) => Object.values(list).some((entries) => (entries ?? []).length > 0), 'at least one entry'));

const QuotaRateSchema = z.strictObject({
  /** Requests of one client in any stretch of `seconds`. */
  calls: rateCalls,
  /** Length of that stretch. @example 60 */
  seconds: rateSeconds,
  /** Requests of all clients together in such a stretch. */
  total,
});

const FreeCallsSchema = z.strictObject({
  /** Free calls of one client in a period, which begins with the first. */
  calls: whole(1, 1_000_000),
  /** Length of the period. */
  seconds: whole(60, 31 * 86_400),
  /** Free calls of all clients together in a period. */
  total: whole(16, 1_000_000_000),
});

const AfterPaymentSchema = z.strictObject({
  /** Invoices for one payment that is used up, in any minute. */
  perMinute: z._default(whole(1, 10_000), 10),
  /** Invoices for one payment that is used up, which are neither paid nor expired. */
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
  /** Over its bounds a client gets the invoice again that it has, as long as a minute of it is left (`repeat`), or 429 (`refuse`). */
  overQuota: z._default(z.enum(['repeat', 'refuse']), 'repeat'),
  /** The same for those who show a payment that is used up: others cannot fill it. */
  afterPayment: z.prefault(AfterPaymentSchema, {}),
});

const TokenRateSchema = z.strictObject({
  /** Calls with one payment in any stretch of `seconds`, through however many tokens. */
  calls: whole(1, 1000),
  /** Length of that stretch. @example 60 */
  seconds: rateSeconds,
});

const RateSchema = z.strictObject({
  /** Calls in any stretch of `seconds`. */
  calls: rateCalls,
  /** Length of that stretch. @example 60 */
  seconds: rateSeconds,
  /** `exact`: one count for all, an object call each. `isolate`: each isolate counts its share. `platform`: the rate-limit binding. */
  count: z._default(z.enum(['exact', 'isolate', 'platform']), 'exact'),
});

const shared = {
  /** Only these clients; all if left out. */
  allow: z.optional(z.union([ClientListSchema, off])),
  /** Not these clients. */
  block: z.optional(z.union([ClientListSchema, off])),
  /** How often a client that has not paid may ask; off if left out. */
  clientRate: z.optional(z.union([QuotaRateSchema, off])),
  /** Calls that are given away before the first payment; none if left out. */
  freeCalls: z.optional(z.union([FreeCallsSchema, off])),
  /**
   * How often one payment may be used; no limit if left out. Counted with its claim, for a pass by an object call of its own; not at all
   * where the payment is good for no more calls than that.
   */
  tokenRate: z.optional(z.union([TokenRateSchema, off])),
  /** How many invoices are made for those who do not pay them. */
  challenges: z.optional(ChallengesSchema),
};

const RoutePolicySchema = z.strictObject({
  ...shared,
  /** How often this route may be called, by those who have paid or where it is free; no limit if left out. */
  rate: z.optional(z.union([RateSchema, off])),
  /** `false`: served during maintenance too. */
  maintenance: z.optional(off),
  /** `false`: the breaker neither stops calls of this route nor learns from them. */
  breaker: z.optional(off),
  /** `false`: calls of this route wait for no place at the origin. */
  concurrency: z.optional(off),
});

const BreakerSchema = z.strictObject({
  /** How long a call counts, in seconds. */
  windowSeconds: z._default(whole(1, 3600), 60),
  /** So many different payers failing one after the other open it; three at least. */
  failuresInARow: z._default(whole(3, 100), 5),
  /** This part of all payers failing opens it too, when there are `leastPayers`. */
  failureRatio: z._default(part, 0.5),
  /** And so does this part of them failing or waiting longer than `slowHeadSeconds` for the head of the answer. */
  slowRatio: z._default(part, 0.8),
  /** So many payers make a part of them count. */
  leastPayers: z._default(whole(3, 500), 10),
  /** A head that takes longer is slow. */
  slowHeadSeconds: z._default(whole(1, 600), 10),
  /** How long it stays open at first; twice as long each time it opens again. */
  openSeconds: z._default(whole(1, 3600), 10),
  /** How long it stays open at most. */
  openMaxSeconds: z._default(whole(1, 86_400), 300),
  /** A path of the origin that answers below 500 when it works: the gateway looks for itself. No probes if left out. @example '/health' */
  probePath: z.optional(z.string().check(z.regex(/^\/[\u0021-\u007e]*$/))),
});

const ConcurrencySchema = z.strictObject({
  /** Calls of one isolate under way at one origin. A quarter of them, if there are two, are for those who have paid alone. */
  most: whole(1, 10_000),
  /** Calls that wait for a place, of those who have paid and of those who have not; more are turned away at once. */
  mostWaiting: z._default(whole(0, 10_000), 100),
  /** How long they wait. Half of the margin of a claim's lease at most, which goes on meanwhile. */
  waitSeconds: z._default(whole(0, 30), 5),
});

const GatewayPolicySchema = z.strictObject({
  ...shared,
  /** How often everything together may be called by those who have not paid; no limit if left out. */
  rate: z.optional(z.union([RateSchema, off])),
  /** `false`: no circuit breaker. */
  breaker: z.prefault(z.union([BreakerSchema, off]), {}),
  /** Places at each origin; no limit if left out. */
  concurrency: z.optional(z.union([ConcurrencySchema, off])),
});

/** Keys of the seller's file. */
export const gatewayPolicyKeys = {
  /** Where a client's address is read: `cloudflare`, `socket`, or `{ trustedHops }` behind so many proxies of one's own. */
  clientAddress: z.optional(
    z.union([
      z.enum(['cloudflare', 'socket']),
      z.strictObject({ /** Entries of X-Forwarded-For, from its end. */ trustedHops: whole(1, 16) }),
    ]),
  ),
  /** How often an isolate asks for breakers, revocations and maintenance, in seconds. */
  controlRefreshSeconds: z._default(whole(1, 300), 10),
  /** When they are older than this, in seconds, paid routes are closed. */
  staleMaxSeconds: z._default(whole(10, 86_400), 300),
  /** `serve`: paid routes stay open all the same, and what was revoked meanwhile works on. */
  stale: z._default(z.enum(['refuse', 'serve']), 'refuse'),
  /** Isolates among which limits with `count: 'isolate'` are shared. */
  rateIsolates: z._default(whole(1, 1000), 1),
  /** Policies of every route that does not say otherwise. */
  policy: z.prefault(GatewayPolicySchema, {}),
};

/** Keys of a route. */
export const routePolicyKeys = {
  /** What differs from the policies of the gateway; `false` switches one off. */
  policy: z.optional(RoutePolicySchema),
};

const GatewayKeys = z.object(gatewayPolicyKeys);
export type GatewayPolicy = z.output<typeof GatewayKeys>;
export type RoutePolicy = z.output<typeof RoutePolicySchema>;

/** The settings of the gateway, or what is wrong with them, each by its key. */
export function compileGatewayPolicy(gateway: GatewayPolicy): Result<GatewayPolicySettings, readonly string[]> {
  const { clientAddress, controlRefreshSeconds, staleMaxSeconds, stale, rateIsolates } = gateway;
  const { breaker, concurrency, rate } = gateway.policy;
  const problems: string[] = [];
  if (staleMaxSeconds < 2 * controlRefreshSeconds) {
    problems.push('staleMaxSeconds: less than twice controlRefreshSeconds; one lost refresh would close every paid route');
  }
  if (breaker !== false && breaker.openMaxSeconds < breaker.openSeconds)
    problems.push('policy.breaker.openMaxSeconds: less than openSeconds');
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

/** The policies of a route, with those of the gateway where it says nothing. */
export function compileRoutePolicy(gateway: GatewayPolicy, route: RoutePolicy = {}): PolicySettings {
  // Not by spreading one over the other: a key that is there and undefined must not switch a policy off.
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
      // They have paid before: nothing is free for them, and how often they ask is no matter.
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
