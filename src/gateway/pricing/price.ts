/*
 * What a seller may charge for a request: a fixed price, a formula over one parameter, header or the size of the body, or an
 * external answer (ask-price.ts). A formula that cannot be applied refuses the request; there is no default price and no
 * guess (M26). Types and arithmetic. Pure.
 */
import { type Msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type HeldBody } from '../request/held-body.ts';
import { readHeaders } from '../request/priced-headers.ts';
import { readParameters } from '../request/query.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type RequestFacts } from '../request/request-facts.ts';

/** The part of a request that decides its price. */
export interface PriceInput {
  readonly from: 'parameter' | 'header';
  readonly name: string;
}

export interface PriceBounds {
  readonly minMsat: Msat;
  readonly maxMsat: Msat;
}

/** The facts that a function or a service gets. */
export interface FactNames {
  /** Named parts of the path, with their positions. */
  readonly pathParts: ReadonlyMap<string, number>;
  /** `undefined`: every parameter of the query. */
  readonly parameters: readonly string[] | undefined;
  readonly headers: readonly string[];
}

/** The frozen facts for a price function. Absent parameters and headers are not in the records. */
export interface PriceFacts {
  /** A HEAD is priced as a GET. */
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly queryParameters: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** The seller's own price function; returns millisatoshis. */
export type PriceFunction = (facts: PriceFacts) => bigint | Promise<bigint>;

/** A price by formula. Each started kibibyte counts as a whole one, and an empty body as one. */
export type FormulaPrice =
  | { readonly kind: 'count'; readonly input: PriceInput; readonly unitMsat: Msat; readonly most: number; readonly minMsat: Msat }
  | { readonly kind: 'table'; readonly input: PriceInput; readonly sold: ReadonlyMap<string, Msat> }
  | { readonly kind: 'size'; readonly kibibyteMsat: Msat; readonly mostKibibytes: number; readonly minMsat: Msat };

export interface ServicePrice {
  readonly kind: 'service';
  /** A URL, or the name of a service binding. */
  readonly service: string;
  /** `undefined`: the service does not get the body. */
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

/** A price and its inputs; a token is bound to the inputs (M5). */
export interface Priced {
  readonly priceMsat: Msat;
  readonly inputs: readonly string[];
  /** The body to forward, if the price depends on it. */
  readonly body?: HeldBody;
}

export type PriceOutcome = Result<Priced, GatewayRefusal>;

/** Computes the price of a request by a formula. */
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
  // One spelling per number: servers read 05, +5 and 5.0 differently.
  if (!/^[1-9][0-9]{0,9}$/.test(value) || Number(value) > price.most) {
    return notSold(`the ${from} ${name} is not a whole number from 1 to ${price.most}`);
  }
  return accept({ priceMsat: atLeast(price.minMsat, price.unitMsat * BigInt(value)), inputs });
}

function readPricedHeader(headers: Headers, name: string): Result<ReadonlyMap<string, string>, GatewayRefusal> {
  const read = readHeaders(headers, [name]);
  return read.ok ? read : refuse({ code: 'header_ambiguous', detail: read.refusal });
}

/** One length, not two joined by a comma, and no more digits than any body length has. */
const LENGTH = /^(0|[1-9][0-9]{0,14})$/;
const KIBIBYTE = 1024;

function priceSize(
  { kibibyteMsat, mostKibibytes, minMsat }: Extract<FormulaPrice, { kind: 'size' }>,
  { body, headers }: Request,
): PriceOutcome {
  const length = headers.get('content-length');
  const declared = length ?? (body === null ? '0' : '');
  // A transfer coding overrides Content-Length, so the length says nothing then.
  if (!LENGTH.test(declared) || headers.has('transfer-encoding')) {
    return refuse({ code: 'length_required', detail: 'the size of the body decides the price, and Content-Length does not tell it' });
  }
  const bytes = Number(declared);
  const kibibytes = Math.max(1, Math.ceil(bytes / KIBIBYTE));
  if (kibibytes > mostKibibytes) return refuse({ code: 'body_too_large', detail: `at most ${mostKibibytes} KiB are sold in one call` });
  const priceMsat = atLeast(minMsat, kibibyteMsat * BigInt(kibibytes));
  return accept({ priceMsat, inputs: ['size', String(kibibytes)], body: { kind: 'sized', bytes } });
}

/** Returns the larger of both. Both are amounts, and the larger one was checked against the bitcoin supply when the route was read. */
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

/** Whether two routes cost the same for the same inputs, as far as can be determined (M4). */
export function isSamePrice(one: Price, other: Price): boolean {
  const ownFunction = (price: Price) => (price.kind === 'function' ? price.decide : undefined);
  return ownFunction(one) === ownFunction(other) && describePrice(one) === describePrice(other);
}

function describePrice(price: Price): string {
  return JSON.stringify(price, (key, value: unknown) => {
    // The position of a part in a route's path does not change its price.
    if (key === 'pathParts') return undefined;
    if (typeof value === 'bigint') return String(value);
    return value instanceof Map ? [...(value as ReadonlyMap<string, unknown>)].toSorted() : value;
  });
}
