/*
 * What is sold: the routes of gateway.config.ts compiled once, and the quote for a request. First match wins; no match is
 * no sale and no free pass. A quote names what the price was asked for, so that a token can be held to it (M5). Pure.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { formatHex } from '#protocol/bytes.ts';
import { type Msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Quote } from '#schemes/scheme.ts';
import { findAmbiguousHeader, matchesHeaders, type HeaderConditions } from './header-match.ts';
import { findObstacle, type Passage } from './passage.ts';
import { foldPath } from './path.ts';
import { readParameters } from './query.ts';
import { type GatewayRefusal } from './refusals.ts';
import { type RequestFacts } from './request-facts.ts';
import { coversPattern, matchesMethod, matchesPath, splitPath, type RoutePattern } from './route-pattern.ts';

export interface Route {
  /** The route as the seller wrote it: for logs and reports. */
  readonly match: string;
  readonly pattern: RoutePattern;
  readonly host: string | undefined;
  readonly parameters: ReadonlyMap<string, string>;
  readonly headers: HeaderConditions;
  readonly sale: Sale;
  /** How it goes on to the origin; nothing for a route that is closed. */
  readonly passage: Passage | undefined;
}

export type Sale =
  | { readonly kind: 'free' }
  | { readonly kind: 'closed' }
  | {
      readonly kind: 'paid';
      readonly service: string;
      readonly tier: number;
      readonly capabilities: readonly string[];
      readonly priceMsat: Msat;
      readonly description: string;
    };

export interface RouteTable {
  readonly routes: readonly Route[];
  /** Every parameter that decides a price somewhere. */
  readonly parameterNames: readonly string[];
}

export type Quoted =
  | { readonly kind: 'free'; readonly match: string; readonly passage: Passage }
  | { readonly kind: 'paid'; readonly quote: Quote; readonly passage: Passage };

/** Puts routes in order for matching. */
export function compileRoutes(routes: readonly Route[]): RouteTable {
  return { routes, parameterNames: [...new Set(routes.flatMap(({ parameters }) => [...parameters.keys()]))] };
}

/** The price of a request, a free pass, or why it is not served. */
export function quoteRequest(table: RouteTable, facts: RequestFacts): Result<Quoted, GatewayRefusal> {
  const found = findRoute(table, facts);
  if (!found.ok) return found;
  const { match, sale, passage } = found.value;
  if (sale.kind === 'closed' || passage === undefined) return refuse({ code: 'route_closed', detail: 'this route is closed' });
  const obstacle = findObstacle(passage, facts);
  if (obstacle !== undefined) return refuse(obstacle);
  return accept(sale.kind === 'free' ? { kind: 'free', match, passage } : { kind: 'paid', quote: quoteOf(found.value, sale), passage });
}

/** The route that a request is on; no route, or a request that could be read as being on another, is refused. */
export function findRoute({ routes, parameterNames }: RouteTable, facts: RequestFacts): Result<Route, GatewayRefusal> {
  const parts = splitPath(facts.path);
  const foldedParts = splitPath(foldPath(facts.path));
  const near = routes.filter(
    ({ pattern, host }) =>
      matchesMethod(pattern, facts.method) &&
      (host === undefined || host === facts.host) &&
      (matchesPath(pattern.exact, parts) || matchesPath(pattern.folded, foldedParts)),
  );
  const names = near.some(({ parameters }) => parameters.size > 0) ? parameterNames : [];
  const values = names.length === 0 ? accept<ReadonlyMap<string, string>>(new Map()) : readParameters(facts.query, names);
  if (!values.ok) return refuse({ code: 'parameter_ambiguous', detail: values.refusal });
  const conditions = near.flatMap(({ headers }) => (headers.size > 0 ? [headers] : []));
  const ambiguous = conditions.length === 0 ? undefined : findAmbiguousHeader(facts.headers, conditions);
  if (ambiguous !== undefined) {
    return refuse({
      code: 'header_ambiguous',
      detail: `the field ${ambiguous} decides the price: once, under this name, exactly as documented`,
    });
  }
  const open = near.filter(
    ({ parameters, headers }) =>
      (parameters.size === 0 || [...parameters].every(([name, value]) => values.value.get(name) === value)) &&
      matchesHeaders(headers, facts.headers),
  );
  const route = open.find(({ pattern }) => matchesPath(pattern.exact, parts));
  const lenient = open.find(({ pattern }) => matchesPath(pattern.folded, foldedParts));
  // An origin that ignores case or a trailing slash would serve another route's answer than the one that was priced.
  if (route !== lenient) return refuse({ code: 'path_ambiguous', detail: 'another spelling of this path is another route' });
  if (route === undefined) return refuse({ code: 'route_unknown', detail: 'nothing is sold at this method, host and path' });
  return accept(route);
}

const quotes = new WeakMap<Route, Quote>();

/** A fixed price has the same quote for every request of its route. */
function quoteOf(route: Route, { kind: _kind, ...sale }: Extract<Sale, { kind: 'paid' }>): Quote {
  const known = quotes.get(route);
  if (known !== undefined) return known;
  const inputs = JSON.stringify(['quote v1', describeRoute(route)]);
  const digest = formatHex(sha256(new TextEncoder().encode(inputs)).slice(0, 16));
  const quote = { match: route.match, digest, ...sale };
  quotes.set(route, quote);
  return quote;
}

/** A route by what it matches: the same text for as long as the seller means the same requests, wherever it stands in the list. */
export function describeRoute({ match, host, parameters, headers }: Pick<Route, 'match' | 'host' | 'parameters' | 'headers'>): string {
  const sorted = (pairs: ReadonlyMap<string, string>) => [...pairs].toSorted(([left], [right]) => (left < right ? -1 : 1));
  // Nothing is added for a route without fields: its tokens name it by this text.
  return JSON.stringify([match, host ?? '*', sorted(parameters), ...(headers.size > 0 ? [sorted(headers)] : [])]);
}

/** Routes behind an earlier one that takes everything they match. */
export function findUnreachable({ routes }: RouteTable): readonly { readonly match: string; readonly coveredBy: string }[] {
  return routes.flatMap((later, index) => {
    const earlier = routes
      .slice(0, index)
      .find(
        (candidate) =>
          coversPattern(candidate.pattern, later.pattern) &&
          (candidate.host === undefined || candidate.host === later.host) &&
          [...candidate.parameters].every(([name, value]) => later.parameters.get(name) === value) &&
          [...candidate.headers].every(([name, value]) => later.headers.get(name) === value),
      );
    return earlier === undefined ? [] : [{ match: later.match, coveredBy: earlier.match }];
  });
}
