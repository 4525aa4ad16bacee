/*
 * The values of caveats, from text to what is judged. One spelling each: what a reader elsewhere could take for another
 * value does not parse here. No effects; nothing throws, and no pattern backtracks.
 */
import { canonicalizePath } from './canonical-path.ts';

/** Items of one list: methods, hosts, networks. Bounds what one caveat costs to judge. */
export const MOST_LISTED = 32;
/** The most calls that one payment buys, or one caveat leaves. */
export const MOST_CALLS = 1_000_000;
/** The largest limit that is counted in msat: counters are numbers, and stay exact. */
export const LARGEST_COUNTED_MSAT = Number.MAX_SAFE_INTEGER;

/** Unix seconds in decimal, without sign or leading zero. */
export function parseSeconds(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,11})$/.test(text) ? Number(text) : undefined;
}

/** A number from 1 in decimal, without sign or leading zero. */
export function parseCount(text: string, largest: number): number | undefined {
  if (!/^[1-9][0-9]{0,15}$/.test(text)) return undefined;
  const count = Number(text);
  return count <= largest ? count : undefined;
}

/** The one value there is: without the caveat, the preimage alone is the proof of payment. */
export function parseSettlement(text: string): 'strict' | undefined {
  return text === 'strict' ? text : undefined;
}

/** The digest of a quote's inputs: 32 hex digits in lower case. */
export function parseQuoteDigest(text: string): string | undefined {
  return /^[0-9a-f]{32}$/.test(text) ? text : undefined;
}

/** The digest of a request: 64 hex digits in lower case. */
export function parseRequestDigest(text: string): string | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? text : undefined;
}

/** Methods between commas, in upper case. */
export function parseMethods(text: string): readonly string[] | undefined {
  return parseList(text, /^[A-Z][A-Z-]{0,31}$/);
}

/** Whether a list of methods allows one. Whoever may GET may see the head of the answer alone. */
export function allowsMethod(methods: readonly string[], method: string): boolean {
  return methods.includes(method) || (method === 'HEAD' && methods.includes('GET'));
}

/** Hosts between commas: lower case, without port and trailing dot; an IPv6 address in brackets. */
export function parseHosts(text: string): readonly string[] | undefined {
  return parseList(text, /^(?:[a-z0-9_]|[a-z0-9_][a-z0-9._-]{0,251}[a-z0-9_-]|\[[0-9a-f:.]{2,45}\])$/);
}

/** A path in its canonical form; with any other, nothing could ever match. */
export function parsePathPrefix(text: string): string | undefined {
  const canonical = canonicalizePath(text);
  return canonical.ok && canonical.value === text ? text : undefined;
}

/** Whether a path is the prefix or lies below it: `/v1` has `/v1/a` below it and not `/v10` (M9). */
export function isBelow(prefix: string, path: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/');
}

/** How much a counting caveat leaves. */
export interface CountLimit {
  readonly limit: number;
  /** 16 to 32 hex digits, drawn at random by whoever wrote the caveat: two children of one token count apart (M7). */
  readonly label: string;
}

/** `10:0123456789abcdef`: a number of calls. */
export function parseCallLimit(text: string): CountLimit | undefined {
  return parseLimit(text, (amount) => parseCount(amount, MOST_CALLS));
}

/** `50000:0123456789abcdef`: an amount in msat. */
export function parseMsatLimit(text: string): CountLimit | undefined {
  return parseLimit(text, (amount) => parseCount(amount, LARGEST_COUNTED_MSAT));
}

function parseLimit(text: string, parse: (amount: string) => number | undefined): CountLimit | undefined {
  const border = text.indexOf(':');
  const label = text.slice(border + 1);
  if (border < 0 || !/^[0-9a-f]{16,32}$/.test(label)) return undefined;
  const limit = parse(text.slice(0, border));
  return limit === undefined ? undefined : { limit, label };
}

function parseList(text: string, item: RegExp): readonly string[] | undefined {
  const items = text.split(',', MOST_LISTED + 1);
  return items.length <= MOST_LISTED && items.every((one) => item.test(one)) ? items : undefined;
}

/** Names with commas; none in an empty text. */
export function parseCapabilities(text: string): ReadonlySet<string> {
  return new Set(text === '' ? [] : text.split(','));
}
