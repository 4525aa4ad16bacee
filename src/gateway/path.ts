/*
 * The one canonical path (M25): what is priced is what is forwarded, byte for byte. Whatever an origin could read as
 * another path (dots, doubled or encoded slashes, backslashes, parameters after a semicolon, encoded letters) is refused,
 * so that nginx, Express and Tomcat have nothing left to disagree about. Pure.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';

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
  if (raw.includes('/.') && /\/\.{1,2}(?:\/|$)/.test(raw)) return refuse('the path has a dot segment');
  if (!hasEscapes) return accept(raw);
  const canonical = raw.replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase());
  return decode(canonical) === undefined ? refuse('the path does not decode as UTF-8') : accept(canonical);
}

/**
 * What a lenient origin may make of a path: no case, no compatibility forms, nothing after the last letter of a segment
 * that Windows or a router would drop. Two paths that fold alike must not cost differently.
 */
export function foldPath(canonical: string): string {
  if (isFolded(canonical)) return canonical;
  const decoded = canonical.includes('%') ? (decode(canonical) ?? canonical) : canonical;
  const folded = decoded
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[. ]+(?=\/|$)/g, '')
    .replace(/\/+/g, '/');
  return folded.length > 1 && folded.endsWith('/') ? folded.slice(0, -1) : folded || '/';
}

/** Most paths fold to themselves: small letters, digits and what no origin touches, without a slash at the end. */
function isFolded(path: string): boolean {
  for (let index = 0; index < path.length; index++) if (FOLDS_TO_ITSELF[path.charCodeAt(index)] !== true) return false;
  return path === '/' || path.charCodeAt(path.length - 1) !== 0x2f;
}

const FOLDS_TO_ITSELF: readonly boolean[] = Array.from({ length: 128 }, (_, code) => /^[a-z0-9/_~-]$/.test(String.fromCharCode(code)));

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
