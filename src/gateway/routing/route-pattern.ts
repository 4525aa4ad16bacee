/*
 * The left side of a route: method and path pattern, with named parts and a final wildcard. Parsed once at start. Pure.
 */
import { canonicalizePath } from '#protocol/canonical-path.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { UNFORWARDABLE_METHODS } from '../answers/methods.ts';
import { foldPath } from './path.ts';

export interface RoutePattern {
  /** `undefined`: every method. */
  readonly method: string | undefined;
  readonly exact: PathPattern;
  /** The same pattern as a lenient origin would read it. */
  readonly folded: PathPattern;
}

export interface PathPattern {
  /** A text matches itself; `undefined` matches any one part. */
  readonly segments: readonly (string | undefined)[];
  /** Ends in a wildcard: matches the path before it and everything below. */
  readonly open: boolean;
}

/** Reads `GET /v1/users/:id`, `/v1/*` or `* /v1/*`. */
export function parsePattern(match: string): Result<RoutePattern, string> {
  const words = match.split(' ');
  const [method, path] = words.length === 1 ? ['*', words[0]!] : words;
  if (words.length > 2 || path === undefined) return refuse('write it as "METHOD /path", or "/path" for every method');
  if (method !== '*' && !/^[A-Z]+$/.test(method!)) return refuse('the method is written in capitals, or as * for every method');
  if (UNFORWARDABLE_METHODS.includes(method!)) return refuse(`${method} cannot be sold`);
  const open = path.endsWith('/*');
  const stem = open ? path.slice(0, -2) || '/' : path;
  if (stem.includes('*')) return refuse('a * stands only at the end, after a slash');
  const canonical = canonicalizePath(stem);
  if (!canonical.ok) return canonical;
  if (canonical.value !== stem) return refuse('escapes are written in capitals');
  const parts = splitPath(stem);
  const names = parts.filter((part) => part.startsWith(':'));
  if (names.some((name) => !/^:[A-Za-z][A-Za-z0-9_]*$/.test(name)))
    return refuse('a named part is a colon, a letter, then letters and digits');
  if (new Set(names).size !== names.length) return refuse('a named part stands twice');
  const segments = parts.map((part) => (part.startsWith(':') ? undefined : part));
  const folded = segments.map((part) => (part === undefined ? undefined : foldPath(`/${part}`).slice(1)));
  return accept({
    method: method === '*' ? undefined : method,
    exact: { segments, open },
    folded: { segments: folded, open },
  });
}

/** Splits a path at its slashes; the root has no parts. */
export function splitPath(path: string): readonly string[] {
  return path === '/' ? [] : path.slice(1).split('/');
}

/** Whether a split path matches the pattern. */
export function matchesPath(pattern: PathPattern, parts: readonly string[]): boolean {
  const { segments, open } = pattern;
  if (open ? parts.length < segments.length : parts.length !== segments.length) return false;
  return segments.every((segment, index) => (segment === undefined ? parts[index] !== '' : segment === parts[index]));
}

/** Whether the pattern matches a method. HEAD is GET without the body, and costs the same. */
export function matchesMethod(pattern: RoutePattern, method: string): boolean {
  return pattern.method === undefined || pattern.method === method || (pattern.method === 'GET' && method === 'HEAD');
}

/** Whether the earlier pattern matches everything that the later one matches. */
export function coversPattern(earlier: RoutePattern, later: RoutePattern): boolean {
  if (earlier.method !== undefined && (later.method === undefined || !matchesMethod(earlier, later.method))) return false;
  const [wide, narrow] = [earlier.folded, later.folded];
  if (wide.open ? narrow.segments.length < wide.segments.length : narrow.open || narrow.segments.length !== wide.segments.length)
    return false;
  return wide.segments.every((segment, index) => segment === undefined || segment === narrow.segments[index]);
}
