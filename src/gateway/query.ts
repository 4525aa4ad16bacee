/*
 * Parameters that decide a price (M26). Each stands exactly once, under its literal name: a second one, an encoded or
 * differently cased name, an array form or a semicolon would let the origin read another value than the one that was
 * priced. Pure.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';

/** Every one is compared with every other. */
const MOST_PARAMETERS = 64;

/** The decoded values of the named parameters; those that are absent are not in the map. */
export function readParameters(query: string, names: readonly string[]): Result<ReadonlyMap<string, string>, string> {
  const values = new Map<string, string>();
  if (query === '') return accept(values);
  // Some servers split at semicolons too.
  if (query.includes(';')) return refuse('a query with a semicolon is ambiguous where a parameter decides the price');
  for (const pair of query.slice(1).split('&')) {
    const border = pair.indexOf('=');
    const rawName = border < 0 ? pair : pair.slice(0, border);
    const decodedName = decodeComponent(rawName);
    if (decodedName === undefined || hasControl(decodedName)) return refuse('a parameter name does not decode');
    const name = names.find((candidate) => foldName(candidate) === foldName(decodedName));
    if (name === undefined) continue;
    if (rawName !== name) return refuse(`the parameter ${name} is not spelled literally`);
    if (values.has(name)) return refuse(`the parameter ${name} stands more than once`);
    const value = decodeComponent(border < 0 ? '' : pair.slice(border + 1));
    if (value === undefined || hasControl(value)) return refuse(`the value of ${name} does not decode`);
    values.set(name, value);
  }
  return accept(values);
}

/** Every parameter of a query where any of them may decide the price: each name plain, and like no other. */
export function readEveryParameter(query: string): Result<ReadonlyMap<string, string>, string> {
  const names = query
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => pair.split('=', 1)[0]!);
  if (names.length > MOST_PARAMETERS) return refuse(`more than ${MOST_PARAMETERS} parameters where each may decide the price`);
  if (!names.every((name) => /^[A-Za-z0-9._~-]+$/.test(name))) return refuse('a parameter is not spelled literally');
  return readParameters(query, names);
}

/** What frameworks make of a name: PHP trims it, turns dots and blanks to underscores and reads `a[` as a list; others ignore case. */
function foldName(name: string): string {
  return name.trimStart().split('[')[0]!.replace(/[. ]/g, '_').normalize('NFKC').toLowerCase();
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
