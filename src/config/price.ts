/*
 * A route's price, as written in the configuration and in compiled form. Each problem is reported by its key. Pure.
 */
import * as z from 'zod/mini';
import { isForwarded } from '#gateway/request/forwarded-headers.ts';
import { type FactNames, type FormulaPrice, type Price, type PriceFunction, type PriceInput } from '#gateway/pricing/price.ts';
import { splitPath } from '#gateway/routing/route-pattern.ts';
import { LARGEST_MSAT, msat, msatFromSats, type Msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';

const ParameterName = z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/));
const HeaderName = z
  .string()
  .check(
    z.refine(
      (name) => /^[a-z0-9-]{1,64}$/.test(name) && isForwarded(name),
      'must be a lower-case header name that is forwarded to the origin',
    ),
  );

/** The form of a service binding's name. */
export const BINDING_NAME = /^[A-Z][A-Z0-9_]{0,63}$/;

const LONGEST_VALUE = 256;
const MOST_VALUES = 1000;
const MOST_COUNT = 1_000_000_000;
const MOST_PARAMETERS = 32;
const MOST_HEADERS = 16;
const LARGEST_PREFIX_BYTES = 65_536;
const LONGEST_TIMEOUT_MS = 10_000;
const DEFAULT_TIMEOUT_MS = 2000;
const LONGEST_CACHE_SECONDS = 3600;
const DEFAULT_CACHE_SECONDS = 10;
/** 1 GiB: the largest body sold by size without maxSats. */
const MOST_KIBIBYTES = 1_048_576;

/** Replaces a fixed price: a formula, a pricing service, or a function of the facts. */
const PriceSchema = z.union([
  z.strictObject({
    /** Query parameter that decides the price: with unitSats and max, or with sats. @example 'pages' */
    parameter: z.optional(ParameterName),
    /** Header that decides the price, in the same two ways. @example 'x-model' */
    header: z.optional(HeaderName),
    /** Price per unit; the parameter or header is the number of units. @example 2 */
    unitSats: z.optional(z.number()),
    /** Largest number of units that is sold. @example 50 */
    max: z.optional(z.int().check(z.minimum(1), z.maximum(MOST_COUNT))),
    /** Price of each value that is sold; every other value is refused. @example { small: 1, large: 20 } */
    sats: z.optional(z.record(z.string().check(z.regex(/^[\u0020-\u007e\u00a0-\uffff]*$/), z.maxLength(LONGEST_VALUE)), z.number())),
    /** Price of each started kibibyte of the body; at least one is charged. @example 0.1 */
    perKibibyteSats: z.optional(z.number()),
    /**
     * Pricing service: its URL, or the name of a service binding. It gets a question signed with PRICING_SECRET.
     * @example 'https://prices.example.com/quote'
     */
    service: z.optional(
      z
        .string()
        .check(
          z.refine(
            (text) => BINDING_NAME.test(text) || (/^https?:\/\/[^/?#@\\\s]+(\/[^?#\\\s]*)?$/.test(text) && URL.canParse(text)),
            'must be an http or https URL without user info, query or fragment, or the name of a service binding in capitals',
          ),
        ),
    ),
    /** The service gets the body, of at most this many bytes. Default: it does not. @example 16384 */
    bodyPrefixBytes: z.optional(z.int().check(z.minimum(1), z.maximum(LARGEST_PREFIX_BYTES))),
    /** Seconds for which an answer of the service is reused for the same question. Default 10. @example 60 */
    cacheSeconds: z.optional(z.int().check(z.minimum(0), z.maximum(LONGEST_CACHE_SECONDS))),
    /** Time limit of the service in milliseconds. Default 2000. @example 1000 */
    timeoutMs: z.optional(z.int().check(z.minimum(1), z.maximum(LONGEST_TIMEOUT_MS))),
  }),
  z.custom<PriceFunction>((value) => typeof value === 'function'),
]);

/** The keys of a route that decide a dynamic price. */
export const PRICE_KEYS = {
  /**
   * Price that depends on the request: by parameter, header or size, by a pricing service, or by a function of the facts.
   * @example { parameter: 'pages', unitSats: 2, max: 50 }
   */
  price: z.optional(PriceSchema),
  /**
   * Facts for a function or a service, in addition to method, host and path.
   * @example { parameters: ['model'], headers: ['x-tenant'] }
   */
  priceFacts: z.optional(
    z.strictObject({
      /** Query parameters. Default: all. @example ['model'] */
      parameters: z.optional(z.array(ParameterName).check(z.maxLength(MOST_PARAMETERS))),
      /** Headers. Default: none. @example ['x-tenant'] */
      headers: z.optional(z.array(HeaderName).check(z.maxLength(MOST_HEADERS))),
    }),
  ),
  /** Lowest price of a formula; a lower answer of a function or service is an error. @example 1 */
  minSats: z.optional(z.number()),
  /** Highest price: a higher answer of a function or service is an error, and a body that would cost more is not sold. @example 500 */
  maxSats: z.optional(z.number()),
};

const PriceConfigSchema = z.object(PRICE_KEYS);
type PriceKeys = z.output<typeof PriceConfigSchema>;
type DynamicPrice = Exclude<NonNullable<PriceKeys['price']>, PriceFunction>;

/** The keys of a dynamic price in a route. */
export type PriceConfig = PriceKeys & {
  readonly match: string;
  /** The balance that the price is drawn from: a body that it could not pay for is not sold. */
  readonly creditMsat?: Msat | undefined;
};

/** Reports the problem of a key. */
type Report = (key: string, detail: string) => void;

/** Compiles a price, or lists its problems; each starts with its key, as in `price.max: missing`. */
export function preparePrice(written: PriceConfig, smallestInvoiceMsat: bigint): Result<Price, readonly string[]> {
  const problems: string[] = [];
  const report: Report = (key, detail) => void problems.push(`${key}: ${detail}`);
  const { price, priceFacts, minSats, maxSats } = written;
  const least = minSats === undefined ? undefined : readAmount(minSats, { key: 'minSats', smallestInvoiceMsat, report });
  const most = maxSats === undefined ? undefined : readAmount(maxSats, { key: 'maxSats', smallestInvoiceMsat, report });
  if (least !== undefined && most !== undefined && most < least) report('maxSats', 'must be at least minSats');
  const limits = { least, most, smallestInvoiceMsat };
  let compiled: Price | undefined;
  if (price === undefined) report('price', 'missing');
  else if (typeof price === 'function' || price.service !== undefined) compiled = readAsked(written, limits, report);
  else {
    if (priceFacts !== undefined) report('priceFacts', 'only allowed with a price function or pricing service');
    const isOfBalance = price.perKibibyteSats !== undefined && most === undefined && written.creditMsat !== undefined;
    compiled = readFormula(price, isOfBalance ? { ...limits, most: written.creditMsat, mostKey: 'access.creditSats' } : limits, report);
  }
  return compiled === undefined || problems.length > 0 ? refuse(problems) : accept(compiled);
}

/** Returns the most that a call can cost. */
export function dearestOf(price: Price): bigint {
  switch (price.kind) {
    case 'fixed':
      return price.priceMsat;
    case 'count':
      return atLeast(price.minMsat, price.unitMsat * BigInt(price.most));
    case 'table':
      return [...price.sold.values()].reduce<bigint>(atLeast, 0n);
    case 'size':
      return atLeast(price.minMsat, price.kibibyteMsat * BigInt(price.mostKibibytes));
    case 'function':
    case 'service':
      return price.bounds.maxMsat;
  }
}

const atLeast = (least: bigint, amount: bigint) => (amount > least ? amount : least);

interface Limits {
  readonly least: Msat | undefined;
  readonly most: Msat | undefined;
  readonly smallestInvoiceMsat: bigint;
  /** The key that `most` comes from. */
  readonly mostKey?: string;
}

function readAsked(written: PriceConfig, { least, most }: Limits, report: Report): Price | undefined {
  const { price, match, priceFacts } = written;
  for (const key of ['minSats', 'maxSats'] as const) {
    if (written[key] === undefined) report(key, 'missing; required with a price function or pricing service');
  }
  if (price === undefined || least === undefined || most === undefined) return undefined;
  const bounds = { minMsat: least, maxMsat: most };
  const names: FactNames = {
    pathParts: new Map(
      splitPath(match.split(' ').at(-1) ?? '').flatMap((part, index) => (part.startsWith(':') ? [[part.slice(1), index] as const] : [])),
    ),
    parameters: priceFacts?.parameters,
    headers: priceFacts?.headers ?? [],
  };
  if (typeof price === 'function') return { kind: 'function', decide: price, names, bounds };
  refuseOthers(price, { with: 'service', allowed: ['bodyPrefixBytes', 'cacheSeconds', 'timeoutMs'], report });
  const { service = '', bodyPrefixBytes, cacheSeconds = DEFAULT_CACHE_SECONDS, timeoutMs = DEFAULT_TIMEOUT_MS } = price;
  return { kind: 'service', service, bodyPrefixBytes, cacheSeconds, timeoutMs, names, bounds };
}

function readFormula(price: DynamicPrice, limits: Limits, report: Report): FormulaPrice | undefined {
  const { parameter, header, perKibibyteSats, sats } = price;
  if (perKibibyteSats !== undefined) {
    refuseOthers(price, { with: 'perKibibyteSats', allowed: [], report });
    return readSize(perKibibyteSats, limits, report);
  }
  const from = parameter === undefined ? 'header' : 'parameter';
  const name = parameter ?? header;
  if (name === undefined) {
    report('price', 'must have exactly one of parameter, header, perKibibyteSats, service; for a fixed price use priceSats');
    return undefined;
  }
  if (sats === undefined) {
    refuseOthers(price, { with: from, allowed: ['unitSats', 'max'], report });
    return readCount({ ...price, input: { from, name } }, limits, report);
  }
  refuseOthers(price, { with: from, allowed: ['sats'], report });
  return readTable({ sats, input: { from, name } }, limits, report);
}

function readSize(perKibibyteSats: number, limits: Limits, report: Report): FormulaPrice | undefined {
  const kibibyteMsat = readUnit(perKibibyteSats, { key: 'price.perKibibyteSats', limits, report });
  if (kibibyteMsat === undefined) return undefined;
  const { least, most, mostKey = 'maxSats' } = limits;
  const affordable = most === undefined ? BigInt(MOST_KIBIBYTES) : most / kibibyteMsat;
  if (affordable < 1n) report(mostKey, 'must cover the price of one KiB');
  const mostKibibytes = affordable > MOST_KIBIBYTES ? MOST_KIBIBYTES : Number(affordable);
  if (!isAmount(kibibyteMsat * BigInt(mostKibibytes)))
    report('price.perKibibyteSats', 'a 1 GiB body would cost more than 21 million bitcoin; set maxSats');
  return { kind: 'size', kibibyteMsat, mostKibibytes, minMsat: least ?? kibibyteMsat };
}

function readCount(
  { unitSats, max, input }: Pick<DynamicPrice, 'unitSats' | 'max'> & { readonly input: PriceInput },
  limits: Limits,
  report: Report,
): FormulaPrice | undefined {
  if (unitSats === undefined) report('price.unitSats', 'missing; set it, or set sats with a price for each value');
  if (max === undefined) report('price.max', 'missing; set the largest number of units');
  if (unitSats === undefined || max === undefined) return undefined;
  const unitMsat = readUnit(unitSats, { key: 'price.unitSats', limits, report });
  if (unitMsat === undefined) return undefined;
  const dearest = unitMsat * BigInt(max);
  if (!isAmount(dearest)) report('price.max', 'times unitSats is more than 21 million bitcoin');
  if (limits.most !== undefined && dearest > limits.most) report('maxSats', 'must be at least unitSats × max');
  return { kind: 'count', input, unitMsat, most: max, minMsat: limits.least ?? unitMsat };
}

function readTable(
  { sats, input }: { readonly sats: Readonly<Record<string, number>>; readonly input: PriceInput },
  { least, most, smallestInvoiceMsat }: Limits,
  report: Report,
): FormulaPrice {
  const entries = Object.entries(sats);
  if (entries.length === 0 || entries.length > MOST_VALUES) report('price.sats', `must have 1 to ${MOST_VALUES} values`);
  const sold = new Map<string, Msat>();
  for (const [value, price] of entries) {
    const key = `price.sats.${value}`;
    const amount = readAmount(price, { key, smallestInvoiceMsat, report });
    if (amount === undefined) continue;
    if (least !== undefined && amount < least) report(key, 'must be at least minSats');
    if (most !== undefined && amount > most) report(key, 'must be at most maxSats');
    sold.set(value, amount);
  }
  return { kind: 'table', input, sold };
}

/** Reads the price of one unit. It may be less than the smallest invoice only if minSats is set. */
function readUnit(sats: number, { key, limits, report }: { key: string; limits: Limits; report: Report }): Msat | undefined {
  return readAmount(sats, { key, smallestInvoiceMsat: limits.least === undefined ? limits.smallestInvoiceMsat : 1n, report });
}

function readAmount(
  sats: number,
  { key, smallestInvoiceMsat, report }: { key: string; smallestInvoiceMsat: bigint; report: Report },
): Msat | undefined {
  const amount = parseAmount({ sats }, smallestInvoiceMsat);
  if (!amount.ok) report(key, amount.refusal);
  return amount.ok ? amount.value : undefined;
}

/** Reads an amount of money that an invoice can ask for. */
export function parseAmount(
  written: { readonly sats: number } | { readonly msat: number },
  smallestInvoiceMsat: bigint,
): Result<Msat, string> {
  try {
    const amount = 'sats' in written ? msatFromSats(written.sats) : msat(BigInt(written.msat));
    if (amount > 0n && amount >= smallestInvoiceMsat) return accept(amount);
    if (amount > 0n) return refuse(`must be at least smallestInvoiceMsat (${smallestInvoiceMsat} msat)`);
  } catch {
    // Not an amount at all: reported below.
  }
  return refuse('must be more than 0, at most 21 million bitcoin, and whole millisatoshis');
}

function isAmount(amount: bigint): boolean {
  return amount <= LARGEST_MSAT;
}

/** Reports keys that do not belong to the chosen way of pricing: they suggest a mistake. */
function refuseOthers(
  price: DynamicPrice,
  { with: way, allowed, report }: { with: keyof DynamicPrice; allowed: readonly (keyof DynamicPrice)[]; report: Report },
): void {
  for (const [key, value] of Object.entries(price)) {
    if (value === undefined || key === way || allowed.some((name) => name === key)) continue;
    report(`price.${key}`, `cannot be combined with ${way}${allowed.length > 0 ? ` (allowed beside it: ${allowed.join(', ')})` : ''}`);
  }
}
