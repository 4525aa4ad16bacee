/*
 * What a seller may charge for a request: a fixed price, a formula over one parameter, header or the size of the body, or an
 * answer of somebody else's (ask-price.ts). A formula that cannot be worked out for a request refuses it; there is no
 * default price and no guess (M26). Types and arithmetic. Pure.
 */
import { type Msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type HeldBody } from '../request/held-body.ts';
import { readHeaders } from '../request/priced-headers.ts';
import { readParameters } from '../request/query.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type RequestFacts } from '../request/request-facts.ts';

/** What of a request decides its price. */
export interface PriceInput {
  readonly from: 'parameter' | 'header';
  readonly name: string;
}

export interface PriceBounds {
  readonly minMsat: Msat;
  readonly maxMsat: Msat;
}

/** What a function or a service is told of a request. */
export interface FactNames {
  /** Named parts of the path, with their places. */
  readonly pathParts: ReadonlyMap<string, number>;
  /** Nothing: every parameter of the query. */
  readonly parameters: readonly string[] | undefined;
  readonly headers: readonly string[];
}

/** Frozen: what a price function gets. Absent parameters and headers are not in the records. */
export interface PriceFacts {
  /** A HEAD is priced as the GET that it stands for. */
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly queryParameters: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** A seller's own price, in millisatoshi. */
export type PriceFunction = (facts: PriceFacts) => bigint | Promise<bigint>;

/** Each part of a kibibyte counts as a whole one, and no body as one. */
export type FormulaPrice =
  | { readonly kind: 'count'; readonly input: PriceInput; readonly unitMsat: Msat; readonly most: number; readonly minMsat: Msat }
  | { readonly kind: 'table'; readonly input: PriceInput; readonly sold: ReadonlyMap<string, Msat> }
  | { readonly kind: 'size'; readonly kibibyteMsat: Msat; readonly mostKibibytes: number; readonly minMsat: Msat };

export interface ServicePrice {
  readonly kind: 'service';
  /** An address, or the name of a service binding. */
  readonly service: string;
  /** Nothing: the service is not shown the body. */
  readonly bodyPrefixBytes: number | undefined;
  readonly cacheSeconds: number;
  readonly timeoutMs: number;
  readonly names: FactNames;
  readonly bounds: PriceBounds;
}

export type AskedPrice =
  | { readonly kind: 'function'; readonly decide: PriceFunction; readonly names: FactNames; readonly bounds: PriceBounds }
  | ServicePrice;

export type Price = { readonly kind: 'fixed'; readonly priceMsat: Msat } | FormulaPrice | AskedPrice;

/** A price, and what it was worked out from: the second is what a token is held to (M5). */
export interface Priced {
  readonly priceMsat: Msat;
  readonly inputs: readonly string[];
  /** How the body must be sent on, when the price depends on it. */
  readonly body?: HeldBody;
}

export type PriceOutcome = Result<Priced, GatewayRefusal>;

/** The price of a request by a formula. */
export function workOutPrice(price: FormulaPrice, facts: RequestFacts, request: Request): PriceOutcome {
  if (price.kind === 'size') return priceSize(price, request);
  const { from, name } = price.input;
  const read = from === 'parameter' ? readParameters(facts.query, [name]) : readPricedHeader(request.headers, name);
  if (!read.ok) return read;
  const value = read.value.get(name);
  if (value === undefined) return notSold(`the ${from} ${name} decides the price and is missing`);
  const inputs = [from, name, value];
  if (price.kind === 'table') {
    const priceMsat = price.sold.get(value);
    return priceMsat === undefined ? notSold(`the ${from} ${name} is not one of: ${listNames(price.sold)}`) : accept({ priceMsat, inputs });
  }
  // One spelling for one number: 05, +5 and 5.0 would be read in different ways.
  if (!/^[1-9][0-9]{0,9}$/.test(value) || Number(value) > price.most) {
    return notSold(`the ${from} ${name} is not a whole number from 1 to ${price.most}`);
  }
  return accept({ priceMsat: atLeast(price.minMsat, price.unitMsat * BigInt(value)), inputs });
}

function readPricedHeader(headers: Headers, name: string): Result<ReadonlyMap<string, string>, GatewayRefusal> {
  const read = readHeaders(headers, [name]);
  return read.ok ? read : refuse({ code: 'header_ambiguous', detail: read.refusal });
}

/** One length, not two joined by a comma; more digits than any body has bytes are none. */
const LENGTH = /^(0|[1-9][0-9]{0,14})$/;
const KIBIBYTE = 1024;

function priceSize(
  { kibibyteMsat, mostKibibytes, minMsat }: Extract<FormulaPrice, { kind: 'size' }>,
  { body, headers }: Request,
): PriceOutcome {
  const length = headers.get('content-length');
  const declared = length ?? (body === null ? '0' : '');
  // A transfer coding overrides the length, so that one declared beside it says nothing.
  if (!LENGTH.test(declared) || headers.has('transfer-encoding')) {
    return refuse({ code: 'length_required', detail: 'the size of the body decides the price, and Content-Length does not tell it' });
  }
  const bytes = Number(declared);
  const kibibytes = Math.max(1, Math.ceil(bytes / KIBIBYTE));
  if (kibibytes > mostKibibytes) return refuse({ code: 'body_too_large', detail: `at most ${mostKibibytes} KiB are sold in one call` });
  const priceMsat = atLeast(minMsat, kibibyteMsat * BigInt(kibibytes));
  return accept({ priceMsat, inputs: ['size', String(kibibytes)], body: { kind: 'sized', bytes } });
}

/** Both are amounts, and the larger one was checked against all the bitcoin there is when the route was read. */
function atLeast(minMsat: Msat, amount: bigint): Msat {
  return amount > minMsat ? (amount as Msat) : minMsat;
}

const MOST_NAMES_LISTED = 20;

function listNames(sold: ReadonlyMap<string, Msat>): string {
  const names = [...sold.keys()];
  return names.length > MOST_NAMES_LISTED ? `${names.slice(0, MOST_NAMES_LISTED).join(', ')}, …` : names.join(', ');
}

function notSold(detail: string): Result<never, GatewayRefusal> {
  return refuse({ code: 'price_input_invalid', detail });
}

/** Whether two routes cost the same for the same inputs, as far as can be told (M4). */
export function isSamePrice(one: Price, other: Price): boolean {
  const ownFunction = (price: Price) => (price.kind === 'function' ? price.decide : undefined);
  return ownFunction(one) === ownFunction(other) && describePrice(one) === describePrice(other);
}

function describePrice(price: Price): string {
  return JSON.stringify(price, (key, value: unknown) => {
    // Where a part stands in the path of one route or the other does not change what it costs.
    if (key === 'pathParts') return undefined;
    if (typeof value === 'bigint') return String(value);
    return value instanceof Map ? [...(value as ReadonlyMap<string, unknown>)].toSorted() : value;
  });
}
