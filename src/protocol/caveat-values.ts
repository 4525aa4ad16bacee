/*
 * Parsers of caveat values. Each value has one spelling: text that another reader could understand differently does not
 * parse. Pure; nothing throws, and no pattern backtracks.
 */
import { canonicalizePath } from './canonical-path.ts';

/** Most items in one list of methods, hosts or networks. Bounds the cost of judging one caveat. */
export const MOST_LISTED = 32;
/** The most calls that one payment buys or one caveat allows. */
export const MOST_CALLS = 1_000_000;
/** The largest limit counted in msat: counters are numbers and must stay exact. */
export const LARGEST_COUNTED_MSAT = Number.MAX_SAFE_INTEGER;

/** Reads Unix seconds in decimal, without sign or leading zero. */
export function parseSeconds(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,11})$/.test(text) ? Number(text) : undefined;
}

/** Reads a decimal number from 1, without sign or leading zero. */
export function parseCount(text: string, largest: number): number | undefined {
  if (!/^[1-9][0-9]{0,15}$/.test(text)) return undefined;
  const count = Number(text);
  return count <= largest ? count : undefined;
}

/** Reads the only value of this caveat. Without the caveat, the preimage alone proves the payment. */
export function parseSettlement(text: string): 'strict' | undefined {
  return text === 'strict' ? text : undefined;
}

/** Reads the digest of a quote's inputs: 32 hex digits in lower case. */
export function parseQuoteDigest(text: string): string | undefined {
  return /^[0-9a-f]{32}$/.test(text) ? text : undefined;
}

/** Reads the digest of a request: 64 hex digits in lower case. */
export function parseRequestDigest(text: string): string | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? text : undefined;
}

/** Reads methods separated by commas, in upper case. */
export function parseMethods(text: string): readonly string[] | undefined {
  return parseList(text, /^[A-Z][A-Z-]{0,31}$/);
}

/** Whether a list of methods allows a method. GET also allows HEAD. */
export function allowsMethod(methods: readonly string[], method: string): boolean {
  return methods.includes(method) || (method === 'HEAD' && methods.includes('GET'));
}

/** Reads hosts separated by commas: lower case, without port and trailing dot; IPv6 addresses in brackets. */
export function parseHosts(text: string): readonly string[] | undefined {
  return parseList(text, /^(?:[a-z0-9_]|[a-z0-9_][a-z0-9._-]{0,251}[a-z0-9_-]|\[[0-9a-f:.]{2,45}\])$/);
}

/** Reads a path in its canonical form; no other form could ever match. */
export function parsePathPrefix(text: string): string | undefined {
  const canonical = canonicalizePath(text);
  return canonical.ok && canonical.value === text ? text : undefined;
}

/** Whether the path equals the prefix or is below it: `/v1/a` is below `/v1`, `/v10` is not (M9). */
export function isBelow(prefix: string, path: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/');
}

/** The limit of a counting caveat. */
export interface CountLimit {
  readonly limit: number;
  /** 16 to 32 random hex digits chosen by the author of the caveat, so that two children of one token are counted separately (M7). */
  readonly label: string;
}

/** Reads a number of calls: `10:0123456789abcdef`. */
export function parseCallLimit(text: string): CountLimit | undefined {
  return parseLimit(text, (amount) => parseCount(amount, MOST_CALLS));
}

/** Reads an amount in msat: `50000:0123456789abcdef`. */
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

/** Reads names separated by commas; empty text gives none. */
export function parseCapabilities(text: string): ReadonlySet<string> {
  return new Set(text === '' ? [] : text.split(','));
}
