/*
 * The one canonical path (M25): what is priced is what is forwarded, byte for byte. Whatever an origin could read as
 * another path (dots, doubled or encoded slashes, backslashes, parameters after a semicolon, encoded letters) is refused,
 * so that nginx, Express and Tomcat have nothing left to disagree about. A holder who narrows a token to a path or a
 * request writes the same form (M9). No effects.
 */
import { accept, refuse, type Result } from './result.ts';

/** Bytes that may stand in a path as they are: unreserved, sub-delimiters but `;`, and `:`, `@`, `[`, `]`, `/`. */
const PLAIN = /^[A-Za-z0-9\-._~!$&'()*+,=:@/[\]]$/;
const isPlain: readonly boolean[] = Array.from({ length: 128 }, (_, code) => PLAIN.test(String.fromCharCode(code)));
/** Bytes that must be encoded, and mean nothing to any server when they are. */
const isEncodable: readonly boolean[] = Array.from(
  { length: 256 },
  (_, code) => code >= 0x80 || ' "<>^`{|}'.includes(String.fromCharCode(code)),
);

/** The canonical form of a raw path, or what is wrong with it. Only the case of `%c3` is changed: both spell the same byte. */
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

/** The characters that a path encodes; nothing when they are no UTF-8. */
export function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
