/*
 * The one canonical path (M25): the priced path is the forwarded path, byte for byte. Anything that an origin could read as
 * another path (dots, doubled or encoded slashes, backslashes, parameters after a semicolon, encoded letters) is refused, so
 * nginx, Express and Tomcat cannot disagree. A holder who narrows a token to a path or a request writes the same form (M9).
 * Pure.
 */
import { accept, refuse, type Result } from './result.ts';

/** Bytes allowed unencoded in a path: unreserved, sub-delimiters but `;`, and `:`, `@`, `[`, `]`, `/`. */
const PLAIN = /^[A-Za-z0-9\-._~!$&'()*+,=:@/[\]]$/;
const isPlain: readonly boolean[] = Array.from({ length: 128 }, (_, code) => PLAIN.test(String.fromCharCode(code)));
/** Bytes that must be encoded, and that have no special meaning to any server when encoded. */
const isEncodable: readonly boolean[] = Array.from(
  { length: 256 },
  (_, code) => code >= 0x80 || ' "<>^`{|}'.includes(String.fromCharCode(code)),
);

/** Returns the canonical form of a raw path, or the reason for refusing it. Only the case of `%c3` is changed: both spell the same byte. */
export function canonicalizePath(raw: string): Result<string, string> {
  if (!raw.startsWith('/')) return refuse('the path does not start with a slash');
  let hasEscapes = false;
  for (let index = 0; index < raw.length; index++) {
    const code = raw.charCodeAt(index);
    if (code === 0x25) {
      const byte = Number.parseInt(raw.slice(index + 1, index + 3), 16);
      if (!/^[0-9a-fA-F]{2}$/.test(raw.slice(index + 1, index + 3))) return refuse('a % in the path is not followed by two hex digits');
      if (isEncodable[byte] !== true) return refuse('the path encodes a byte that must stand as it is, or not at all');
      hasEscapes = true;
      index += 2;
    } else if (isPlain[code] !== true) {
      return refuse('the path holds a byte that must be encoded, or may not stand in a path');
    }
  }
  if (raw.includes('//')) return refuse('the path has an empty segment');
  if (/\/\.{1,2}(?:\/|$)/.test(raw)) return refuse('the path has a dot segment');
  if (!hasEscapes) return accept(raw);
  const canonical = raw.replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase());
  return decodePath(canonical) === undefined ? refuse('the path does not decode as UTF-8') : accept(canonical);
}

/** Decodes the percent-encoding of a path; `undefined` if the result is not UTF-8. */
export function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
