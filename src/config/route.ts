/*
 * A route as written in the configuration, and its compiled form: pattern, service, price. Plain data under one schema, so
 * that a live catalogue can use it too. Pure.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import * as z from 'zod/mini';
import { AccessSchema, readAccess } from './access.ts';
import { findNearest } from './issues.ts';
import { compileRoutePolicy, routePolicyKeys, type GatewayPolicy } from './policy.ts';
import { describeRoute } from '#gateway/routing/find-route.ts';
import { type Route, type Sale } from '#gateway/route.ts';
import { COMMON_METHODS } from '#gateway/answers/methods.ts';
import { parsePattern } from '#gateway/routing/route-pattern.ts';
import { formatHex } from '#protocol/bytes.ts';
import { formatAccess } from '#protocol/access.ts';
import { isSamePrice, type Price } from '#gateway/pricing/price.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { UPSTREAM_KEYS, prepareUpstream, type UpstreamDefaults } from './upstream.ts';
import { dearestOf, parseAmount, preparePrice, PRICE_KEYS } from './price.ts';

const SERVICE_NAME = /^[a-z][a-z0-9-]{0,31}$/;
/** Two swapped letters. */
const MOST_METHOD_MISTAKES = 2;
/** Shown in the wallet. LND accepts up to 639 bytes in an invoice. */
const LONGEST_DESCRIPTION = 200;

export const RouteSchema = z.strictObject({
  /** `METHOD /path`, with parts `:name` and a final `/*`; `*` means every method. @example 'GET /v1/data/:series' */
  match: z.string(),
  /** Matches only requests to this host. @example 'api.example.com' */
  host: z.optional(
    z.string().check(z.regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'must be a lower-case host without port or trailing dot'), z.maxLength(253)),
  ),
  /** Matches only requests with these query parameters. @example { svc: 'audit' } */
  query: z.optional(z.record(z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/)), z.string())),
  /** Routes of one service share their tokens. Default: each route is its own service. @example 'weather' */
  service: z.optional(z.string().check(z.regex(SERVICE_NAME))),
  /** A token of a higher tier of the service is also valid for a lower one. Default 0. @example 1 */
  tier: z.optional(z.int().check(z.minimum(0), z.maximum(255))),
  /**
   * Capabilities that a token must have been sold with; a token of a route without capabilities has none. Adding one
   * invalidates the tokens already sold by the route.
   * @example ['read']
   */
  capabilities: z.optional(z.array(z.string().check(z.regex(/^[a-z0-9_-]{1,32}$/))).check(z.minLength(1))),
  /** Text in the invoice, shown by the payer's wallet. @example 'Weather of one place' */
  description: z.optional(z.string().check(z.regex(/^[\u0020-\u007e]+$/, 'must be printable ASCII'), z.maxLength(LONGEST_DESCRIPTION))),
  /** Fixed price. A route has exactly one of this, priceMsat, price, free and closed. @example 10 */
  priceSats: z.optional(z.number()),
  /** Fixed price in millisatoshis. @example 2500 */
  priceMsat: z.optional(z.int()),
  /**
   * Reads forms (at most 65,536 bytes) before selling, and refuses one with a field named like a query parameter that selects
   * the price or route: the origin might read it from the form.
   * @example true
   */
  refuseInForm: z.optional(z.literal(true)),
  /** Forwarded to the origin without payment. */
  free: z.optional(z.literal(true)),
  /** Refused with 403. */
  closed: z.optional(z.literal(true)),
  ...PRICE_KEYS,
  /**
   * What one payment buys: `'call'`, `{ calls }`, `{ seconds }`, both, or `{ creditSats }`. Default: one call.
   * @example { calls: 100, seconds: 2592000 }
   */
  access: z.optional(AccessSchema),
  ...UPSTREAM_KEYS,
  ...routePolicyKeys,
});

export type RouteConfig = z.output<typeof RouteSchema>;

/** Returns routes that sell everything at one price: the meaning of ORIGIN_URL and PRICE_SATS. Closed routes stay closed. */
export function everythingAt(priceSats: number, written: readonly RouteConfig[]): readonly RouteConfig[] {
  const closed = written.filter((route) => route.closed === true);
  return [...closed, { match: '/*', service: 'api', priceSats, description: 'API call' }];
}

/** Settings shared by all routes. */
export interface RouteDefaults {
  readonly smallestInvoiceMsat: bigint;
  readonly upstream: UpstreamDefaults;
  readonly gateway: GatewayPolicy;
}

/** Compiles routes, or lists the problems of each. */
export function prepareRoutes(
  written: readonly RouteConfig[],
  { smallestInvoiceMsat, upstream: defaults, gateway }: RouteDefaults,
): Result<readonly Route[], readonly string[]> {
  const problems: string[] = [];
  const routes: Route[] = [];
  const conditionNames = written.flatMap(({ query = {} }) => Object.keys(query));
  for (const [index, route] of written.entries()) {
    const pattern = parsePattern(route.match);
    if (!pattern.ok) problems.push(`routes.${index}.match: ${pattern.refusal}`);
    const meant = pattern.ok ? findMeantMethod(pattern.value.method) : undefined;
    if (meant !== undefined) problems.push(`routes.${index}.match: unknown method; did you mean ${meant}?`);
    const parameters = new Map(Object.entries(route.query ?? {}));
    const headers = new Map(Object.entries(route.headers ?? {}));
    const place = { match: route.match, host: route.host, parameters, headers };
    const sale = readSale(route, { place: describeRoute(place), smallestInvoiceMsat });
    if (!sale.ok) problems.push(...sale.refusal.map((problem) => `routes.${index}${problem}`));
    const refusedInForm = readRefusedInForm(route, conditionNames);
    if (!refusedInForm.ok) problems.push(`routes.${index}.refuseInForm: ${refusedInForm.refusal}`);
    if (!pattern.ok || !sale.ok || !refusedInForm.ok) continue;
    const upstream = sale.value.kind === 'closed' ? undefined : prepareUpstream(route, defaults);
    if (upstream?.ok === false) problems.push(...upstream.refusal.map((problem) => `routes.${index}${problem}`));
    else {
      const policy = compileRoutePolicy(gateway, route.policy);
      routes.push({
        ...place,
        pattern: pattern.value,
        sale: sale.value,
        upstream: upstream?.value,
        policy,
        refusedInForm: refusedInForm.value,
      });
    }
  }
  problems.push(...findPriceConflicts(routes));
  return problems.length > 0 ? refuse(problems) : accept(routes);
}

/** Returns the parameters that a form must not contain: those that decide this route's price, and those that choose a route. */
function readRefusedInForm(
  { refuseInForm, price, priceFacts, free, closed }: RouteConfig,
  conditionNames: readonly string[],
): Result<readonly string[], string> {
  if (refuseInForm === undefined) return accept([]);
  if (free === true || closed === true) return refuse('only allowed on a sold route');
  const isAsked = typeof price === 'function' || price?.service !== undefined;
  if (isAsked && priceFacts?.parameters === undefined) return refuse('needs priceFacts.parameters: the parameters that decide the price');
  const own = typeof price === 'object' && price.parameter !== undefined ? [price.parameter] : (priceFacts?.parameters ?? []);
  const names = [...new Set([...own, ...conditionNames])];
  return names.length > 0 ? accept(names) : refuse('has no effect: no query parameter selects a price or a route');
}

/** Returns the common method that was probably meant; other existing methods differ in more letters. */
function findMeantMethod(method: string | undefined): string | undefined {
  const common = COMMON_METHODS.split(', ');
  return method === undefined || common.includes(method) ? undefined : findNearest(method, common, MOST_METHOD_MISTAKES);
}

function readSale(
  route: RouteConfig,
  { place, smallestInvoiceMsat }: { place: string; smallestInvoiceMsat: bigint },
): Result<Sale, readonly string[]> {
  const ways = (['priceSats', 'priceMsat', 'price', 'free', 'closed'] as const).filter((way) => route[way] !== undefined);
  if (ways.length !== 1) return refuse([': must have exactly one of priceSats, priceMsat, price, free, closed']);
  const stray = (['minSats', 'maxSats', 'priceFacts'] as const).filter((key) => route[key] !== undefined && route.price === undefined);
  if (stray.length > 0) return refuse(stray.map((key) => `.${key}: only allowed together with price`));
  if (route.free === true) return accept({ kind: 'free' });
  if (route.closed === true) return accept({ kind: 'closed' });
  const access = readAccess(route.access, smallestInvoiceMsat);
  if (!access.ok) return refuse([access.refusal]);
  const creditMsat = access.value.access.kind === 'credit' ? access.value.access.creditMsat : undefined;
  // A call drawn from a balance has no invoice of its own.
  const leastMsat = creditMsat === undefined ? smallestInvoiceMsat : 1n;
  const price = route.price === undefined ? readFixedPrice(route, leastMsat) : preparePrice({ ...route, creditMsat }, leastMsat);
  if (!price.ok) return refuse(price.refusal.map((problem) => `.${problem}`));
  const service = route.service ?? slugOf(route.match, place);
  const { tier = 0, capabilities = [], description = service } = route;
  // A payer must be able to use a balance.
  if (creditMsat !== undefined && dearestOf(price.value) > creditMsat) {
    return refuse([`.access.creditSats: must be at least ${dearestOf(price.value)} msat, the price of this route's most expensive call`]);
  }
  return accept({ kind: 'paid', service, tier, capabilities, price: price.value, description, ...access.value });
}

function readFixedPrice({ priceSats, priceMsat }: RouteConfig, smallestInvoiceMsat: bigint): Result<Price, readonly string[]> {
  const key = priceMsat === undefined ? 'priceSats' : 'priceMsat';
  const price = parseAmount(priceMsat === undefined ? { sats: priceSats! } : { msat: priceMsat }, smallestInvoiceMsat);
  return price.ok ? accept({ kind: 'fixed', priceMsat: price.value }) : refuse([`${key}: ${price.refusal}`]);
}

/** Returns a service name for a route without one: readable, and stable as long as the route matches the same (M4). */
function slugOf(match: string, place: string): string {
  const words = match
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 21);
  return `r-${words}-${formatHex(sha256(new TextEncoder().encode(place)).slice(0, 4))}`.replace('--', '-');
}

/**
 * Finds routes of one service and tier with different prices or access. A token is valid for all of them, so they must be
 * equal (M4); only a balance can be drawn from at different prices.
 */
function findPriceConflicts(routes: readonly Route[]): readonly string[] {
  const sold = new Map<string, Extract<Sale, { kind: 'paid' }>>();
  const problems: string[] = [];
  for (const { sale, match } of routes) {
    if (sale.kind !== 'paid') continue;
    const name = `${sale.service}, tier ${sale.tier}`;
    const first = sold.get(name) ?? sale;
    sold.set(name, first);
    if (describeAccess(first) !== describeAccess(sale)) {
      problems.push(`routes: "${match}" differs in access from an earlier route of service ${name}; give it another tier`);
    } else if (sale.access.kind !== 'credit' && !isSamePrice(first.price, sale.price)) {
      problems.push(`routes: "${match}" differs in price from an earlier route of service ${name}; give it another tier`);
    }
  }
  return problems;
}

function describeAccess({ access, seconds }: Extract<Sale, { kind: 'paid' }>): string {
  return `${formatAccess(access) ?? 'call'} ${seconds ?? ''}`;
}
