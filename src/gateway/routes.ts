/*
 * What is sold: the routes of gateway.config.ts compiled once, and the quote for a request. First match wins; no match is
 * no sale and no free pass. A quote names what the price was asked for, so that a token can be held to it (M5). Pure.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { type Access } from '#protocol/access.ts';
import { formatHex } from '#protocol/bytes.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Msat } from '#protocol/msat.ts';
import { type Offer, type Quote } from '#schemes/scheme.ts';
import { askPrice, type PriceSources } from './ask-price.ts';
import { type FenceSettings } from './fences.ts';
import { type HeldBody } from './held-body.ts';
import { readConditions, type HeaderConditions } from './header-match.ts';
import { findLargeBody, type Passage } from './passage.ts';
import { foldPath } from './path.ts';
import { workOutPrice, type Price, type Priced, type PriceOutcome } from './price.ts';
import { readParameters } from './query.ts';
import { type GatewayRefusal } from './refusals.ts';
import { type RequestFacts } from './request-facts.ts';
import { findNearValue } from './sold-values.ts';
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
  readonly fences: FenceSettings;
  /** Parameters that must not stand in a form of this route (M39); usually none. */
  readonly refusedInForm: readonly string[];
}

export type Sale =
  | { readonly kind: 'free' }
  | { readonly kind: 'closed' }
  | {
      readonly kind: 'paid';
      readonly service: string;
      readonly tier: number;
      readonly capabilities: readonly string[];
      readonly price: Price;
      /** What one payment buys, and for how long; without `seconds` for as long as any payment can be redeemed. */
      readonly access: Access;
      readonly seconds: number | undefined;
      readonly description: string;
    };

export interface RouteTable {
  readonly routes: readonly Route[];
  /** Every parameter that decides a price somewhere. */
  readonly parameterNames: readonly string[];
}

export interface Quoted {
  readonly quote: Quote;
  /** A price that depends on the body says how to send it on. */
  readonly body: HeldBody | undefined;
}

export type QuoteOutcome = Result<Quoted, GatewayRefusal>;

/** Puts routes in order for matching. */
export function compileRoutes(routes: readonly Route[]): RouteTable {
  return { routes, parameterNames: [...new Set(routes.flatMap(({ parameters }) => [...parameters.keys()]))] };
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
  const values = readValues(near, { query: facts.query, names: parameterNames });
  if (!values.ok) return values;
  const conditions = near.flatMap(({ headers }) => (headers.size > 0 ? [headers] : []));
  const fields = readConditions(facts.headers, conditions);
  if (!fields.ok) return refuse({ code: 'header_ambiguous', detail: fields.refusal });
  const open = near.filter(({ parameters, headers }) => hasAll(values.value, parameters) && hasAll(fields.value, headers));
  const route = open.find(({ pattern }) => matchesPath(pattern.exact, parts));
  const lenient = open.find(({ pattern }) => matchesPath(pattern.folded, foldedParts));
  // An origin that ignores case or a trailing slash would serve another route's answer than the one that was priced.
  if (route !== lenient) return refuse({ code: 'path_ambiguous', detail: 'another spelling of this path is another route' });
  if (route === undefined) return refuse({ code: 'route_unknown', detail: 'nothing is sold at this method, host and path' });
  return accept(route);
}

const NO_VALUES: Result<ReadonlyMap<string, string>, GatewayRefusal> = accept(new Map());

/** The values of parameters that decide between routes, each in the spelling that is sold or in none that is like it (M42). */
function readValues(near: readonly Route[], { query, names }: { query: string; names: readonly string[] }): typeof NO_VALUES {
  if (!near.some(({ parameters }) => parameters.size > 0)) return NO_VALUES;
  const values = readParameters(query, names);
  if (!values.ok) return values;
  const misspelled = findNearValue(
    values.value,
    near.flatMap(({ parameters }) => [...parameters]),
  );
  if (misspelled === undefined) return values;
  return refuse({ code: 'parameter_ambiguous', detail: `the value of ${misspelled} has another spelling than the one that is sold` });
}

function hasAll(given: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): boolean {
  for (const [name, value] of wanted) if (given.get(name) !== value) return false;
  return true;
}

/** A route that is sold. */
export interface Sold {
  readonly route: Route;
  readonly sale: Extract<Sale, { kind: 'paid' }>;
  readonly passage: Passage;
}

const fixedQuotes = new WeakMap<Route, Quoted>();

/** The price of a request, or why it has none. A promise only where somebody has to be asked for it. */
export function quoteSale(sold: Sold, facts: RequestFacts, sources: PriceSources): QuoteOutcome | Promise<QuoteOutcome> {
  const { price } = sold.sale;
  switch (price.kind) {
    case 'fixed':
      return accept(quoteFixed(sold.route)!);
    case 'count':
    case 'table':
    case 'size':
      return finishQuote(sold, workOutPrice(price, facts, sources.request));
    case 'function':
    case 'service':
      return askPrice(price, { facts, match: sold.route.match }, sources).then((outcome) => finishQuote(sold, outcome));
  }
}

/** The quote of a route that costs the same for every request; nothing for any other. */
export function quoteFixed(route: Route): Quoted | undefined {
  const { sale } = route;
  if (sale.kind !== 'paid' || sale.price.kind !== 'fixed') return undefined;
  const known = fixedQuotes.get(route) ?? quoteOf({ route, sale }, { priceMsat: sale.price.priceMsat, inputs: [] });
  fixedQuotes.set(route, known);
  return known;
}

function finishQuote(sold: Sold, outcome: PriceOutcome): QuoteOutcome {
  if (!outcome.ok) return outcome;
  const { body } = outcome.value;
  // Its length was not told beforehand; now that it has been read, it is known.
  const tooLarge = body?.kind === 'read' ? findLargeBody(sold.passage, body.bytes.length) : undefined;
  return tooLarge === undefined ? accept(quoteOf(sold, outcome.value)) : refuse(tooLarge);
}

/** The digest is over what the price was asked for, so that a token is good for it whatever the price is now (M5). */
function quoteOf({ route, sale }: Omit<Sold, 'passage'>, { priceMsat, inputs, body }: Priced): Quoted {
  const { service, tier, capabilities, description } = sale;
  const text = JSON.stringify(['quote v1', describeRoute(route), ...inputs]);
  const digest = formatHex(sha256(new TextEncoder().encode(text)).slice(0, 16));
  const sells = offerOf(sale, priceMsat);
  return { quote: { match: route.match, digest, service, tier, capabilities, priceMsat, description, sells }, body };
}

/** What whoever has not paid is offered at a price. */
export function offerOf({ access, seconds }: Pick<Extract<Sale, { kind: 'paid' }>, 'access' | 'seconds'>, priceMsat: Msat): Offer {
  return { access, seconds, amountMsat: access.kind === 'credit' ? access.creditMsat : priceMsat };
}

/** A route by what it matches: the same text for as long as the seller means the same requests, wherever it stands in the list. */
export function describeRoute({ match, host, parameters, headers }: Pick<Route, 'match' | 'host' | 'parameters' | 'headers'>): string {
  const sorted = (pairs: ReadonlyMap<string, string>) => [...pairs].toSorted(([left], [right]) => (left < right ? -1 : 1));
  // Nothing is added for a route without headers: its tokens name it by this text.
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
          hasAll(later.parameters, candidate.parameters) &&
          hasAll(later.headers, candidate.headers),
      );
    return earlier === undefined ? [] : [{ match: later.match, coveredBy: earlier.match }];
  });
}
