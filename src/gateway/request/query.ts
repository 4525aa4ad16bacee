/*
 * Parameters that decide a price (M26). Each must occur exactly once, under its literal name: a repetition, an encoded or
 * differently cased name, an array form or a semicolon would let the origin read another value than the priced one. Pure.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';

/** Each is compared with all others. */
const MOST_PARAMETERS = 64;
/**
 * Most pairs of a query, and most fields of a form, that are read where one of them decides the price. A query of 16 KiB can
 * hold 8,000; each costs an allocation and a comparison before anybody has paid. No form filled in by hand has this many.
 */
export const MOST_PAIRS = 256;

/** Returns the decoded values of the named parameters; absent parameters are not in the map. */
export function readParameters(query: string, names: readonly string[]): Result<ReadonlyMap<string, string>, GatewayRefusal> {
  const values = new Map<string, string>();
  if (query === '') return accept(values);
  if (hasTooManyPairs(query)) return refuse(TOO_MANY);
  // Some servers split at semicolons too.
  if (query.includes(';')) return ambiguous('a query with a semicolon is ambiguous where a parameter decides the price');
  for (const pair of query.slice(1).split('&')) {
    const border = pair.indexOf('=');
    const rawName = border < 0 ? pair : pair.slice(0, border);
    const decodedName = decodeComponent(rawName);
    if (decodedName === undefined || hasControl(decodedName)) return ambiguous('a parameter name does not decode');
    const folded = foldName(decodedName);
    const name = names.find((candidate) => foldName(candidate) === folded);
    if (name === undefined) continue;
    if (rawName !== name) return ambiguous(`the parameter ${name} is not spelled literally`);
    if (values.has(name)) return ambiguous(`the parameter ${name} stands more than once`);
    const value = decodeComponent(border < 0 ? '' : pair.slice(border + 1));
    if (value === undefined || hasControl(value)) return ambiguous(`the value of ${name} does not decode`);
    values.set(name, value);
  }
  return accept(values);
}

/** Returns every parameter of a query in which any may decide the price: each name is plain and similar to no other. */
export function readEveryParameter(query: string): Result<ReadonlyMap<string, string>, GatewayRefusal> {
  if (hasTooManyPairs(query)) return refuse(TOO_MANY);
  const names = query
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => pair.split('=', 1)[0]!);
  if (names.length > MOST_PARAMETERS) return ambiguous(`more than ${MOST_PARAMETERS} parameters where each may decide the price`);
  if (!names.every((name) => /^[A-Za-z0-9._~-]+$/.test(name))) return ambiguous('a parameter is not spelled literally');
  return readParameters(query, names);
}

const TOO_MANY: GatewayRefusal = {
  code: 'too_many_parameters',
  detail: `a query has at most ${MOST_PAIRS} parameters where one of them decides the price`,
};

/** Counts pairs without splitting the query. */
function hasTooManyPairs(query: string): boolean {
  let pairs = 1;
  for (let border = query.indexOf('&'); border >= 0; border = query.indexOf('&', border + 1)) if (++pairs > MOST_PAIRS) return true;
  return false;
}

function ambiguous(detail: string): Result<never, GatewayRefusal> {
  return refuse({ code: 'parameter_ambiguous', detail });
}

/**
 * Folds a name as frameworks do: PHP trims it, turns dots and blanks into underscores and reads `a[` as a list; qs reads
 * `[a]` as `a`; some treat a second question mark as part of the first; others ignore case or trailing characters.
 */
export function foldName(name: string): string {
  const bare = name.normalize('NFKC').replace(/^[?[\s]+/, '');
  const folded = bare.split(/[[\]]/, 1)[0]!.replace(/[.\s]/g, '_').toLowerCase();
  // No regex: it would retry at each of many thousand underscores.
  let end = folded.length;
  while (folded[end - 1] === '_') end -= 1;
  return folded.slice(0, end);
}

function decodeComponent(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function hasControl(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  return /[\u0000-\u001f\u007f]/.test(text);
}
