/*
 * A route as the seller writes it, and what becomes of it: pattern, service, price. Plain data under one schema, so that
 * a live catalogue can obey it too. Pure.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import * as z from 'zod/mini';
import { describeRoute, type Route, type Sale } from '#gateway/routes.ts';
import { parsePattern } from '#gateway/route-pattern.ts';
import { formatHex } from '#protocol/bytes.ts';
import { msat, msatFromSats, type Msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { PASSAGE_KEYS, preparePassage, type PassageDefaults } from './passage-config.ts';

const SERVICE_NAME = /^[a-z][a-z0-9-]{0,31}$/;
/** Shown in the wallet; LND takes up to 639 bytes in an invoice. */
const LONGEST_DESCRIPTION = 200;

export const RouteSchema = z.strictObject({
  /** `METHOD /path`; parts `:name`, a `/*` at the end; `*` for every method. */
  match: z.string(),
  /** Only requests to this host. */
  host: z.optional(z.string().check(z.regex(/^[a-z0-9.-]{1,253}$/))),
  /** Only requests with these query parameters, `{ svc: 'audit' }`. */
  query: z.optional(z.record(z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/)), z.string())),
  /** Routes of one service share their tokens. Without one, a route is a service of its own. */
  service: z.optional(z.string().check(z.regex(SERVICE_NAME))),
  /** A token of a higher tier of the service is good for a lower one. */
  tier: z.optional(z.int().check(z.minimum(0), z.maximum(255))),
  /** What a token must have been sold for. */
  capabilities: z.optional(z.array(z.string().check(z.regex(/^[a-z0-9_-]{1,32}$/))).check(z.minLength(1))),
  /** Stands in the invoice, so that the payer's wallet shows it. */
  description: z.optional(z.string().check(z.regex(/^[\u0020-\u007e]+$/), z.maxLength(LONGEST_DESCRIPTION))),
  /** One of these four: a price in satoshi or millisatoshi, free, or closed. */
  priceSats: z.optional(z.number()),
  priceMsat: z.optional(z.int()),
  free: z.optional(z.literal(true)),
  closed: z.optional(z.literal(true)),
  /** What one payment buys. One call is all there is so far. */
  access: z.optional(z.literal('call')),
  ...PASSAGE_KEYS,
});

export type RouteConfig = z.output<typeof RouteSchema>;

/** Everything at one price: what ORIGIN_URL and PRICE_SATS mean. */
export function everythingAt(priceSats: number): readonly RouteConfig[] {
  return [{ match: '/*', service: 'api', priceSats, description: 'API call' }];
}

/** Compiles routes, or lists what is wrong with each. */
export function prepareRoutes(written: readonly RouteConfig[], defaults: PassageDefaults): Result<readonly Route[], readonly string[]> {
  const problems: string[] = [];
  const routes: Route[] = [];
  for (const [index, route] of written.entries()) {
    const pattern = parsePattern(route.match);
    if (!pattern.ok) problems.push(`routes.${index}.match: ${pattern.refusal}`);
    const parameters = new Map(Object.entries(route.query ?? {}));
    const headers = new Map(Object.entries(route.headers ?? {}));
    const place = { match: route.match, host: route.host, parameters, headers };
    const sale = readSale(route, describeRoute(place));
    if (!sale.ok) problems.push(`routes.${index}${sale.refusal}`);
    if (!pattern.ok || !sale.ok) continue;
    const passage = sale.value.kind === 'closed' ? undefined : preparePassage(route, defaults);
    if (passage?.ok === false) problems.push(...passage.refusal.map((problem) => `routes.${index}${problem}`));
    else routes.push({ ...place, pattern: pattern.value, sale: sale.value, passage: passage?.value });
  }
  problems.push(...findPriceConflicts(routes));
  return problems.length > 0 ? refuse(problems) : accept(routes);
}

function readSale(route: RouteConfig, place: string): Result<Sale, string> {
  const ways = (['priceSats', 'priceMsat', 'free', 'closed'] as const).filter((way) => route[way] !== undefined);
  if (ways.length !== 1) return refuse(': exactly one of priceSats, priceMsat, free, closed');
  if (route.free === true) return accept({ kind: 'free' });
  if (route.closed === true) return accept({ kind: 'closed' });
  const priceMsat = readPrice(route);
  if (priceMsat === undefined) return refuse(`.${ways[0]}: more than 0, at most 21 million bitcoin, no part of a millisatoshi`);
  const service = route.service ?? slugOf(route.match, place);
  const { tier = 0, capabilities = [], description = service } = route;
  return accept({ kind: 'paid', service, tier, capabilities, priceMsat, description });
}

function readPrice({ priceSats, priceMsat }: RouteConfig): Msat | undefined {
  try {
    const price = priceMsat === undefined ? msatFromSats(priceSats!) : msat(BigInt(priceMsat));
    return price > 0n ? price : undefined;
  } catch {
    return undefined;
  }
}

/** A service name for a route without one: readable, and the same for as long as the route matches the same (M4). */
function slugOf(match: string, place: string): string {
  const words = match
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 21);
  return `r-${words}-${formatHex(sha256(new TextEncoder().encode(place)).slice(0, 4))}`.replace('--', '-');
}

/** A token is good for every route of its service and tier, so all of them must cost the same (M4). */
function findPriceConflicts(routes: readonly Route[]): readonly string[] {
  const prices = new Map<string, bigint>();
  const problems: string[] = [];
  for (const { sale, match } of routes) {
    if (sale.kind !== 'paid') continue;
    const name = `${sale.service}, tier ${sale.tier}`;
    const price = prices.get(name) ?? sale.priceMsat;
    prices.set(name, price);
    if (price !== sale.priceMsat)
      problems.push(`routes: "${match}" has another price than an earlier route of service ${name}; another price is another tier`);
  }
  return problems;
}
