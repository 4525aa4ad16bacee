/*
 * What a lenient origin may make of a path (M25). The one canonical form stands in #protocol/canonical-path.ts. Pure.
 */
import { decodePath } from '#protocol/canonical-path.ts';

/**
 * What a lenient origin may make of a path: no case, no compatibility forms, nothing after the last letter of a segment
 * that Windows or a router would drop. Two paths that fold alike must not cost differently.
 */
export function foldPath(canonical: string): string {
  if (isFolded(canonical)) return canonical;
  const decoded = canonical.includes('%') ? (decodePath(canonical) ?? canonical) : canonical;
  const folded = decoded.normalize('NFKC').toLowerCase().split('/').map(dropEnd).join('/').replace(/\/+/g, '/');
  return folded.length > 1 && folded.endsWith('/') ? folded.slice(0, -1) : folded || '/';
}

/** Dots and blanks at the end of a segment. By hand: an expression for it tries at each of many thousand dots. */
function dropEnd(segment: string): string {
  let end = segment.length;
  while (segment[end - 1] === '.' || segment[end - 1] === ' ') end -= 1;
  return segment.slice(0, end);
}

const FOLDS_TO_ITSELF: readonly boolean[] = Array.from({ length: 128 }, (_, code) => /^[a-z0-9/_~-]$/.test(String.fromCharCode(code)));

/** Most paths fold to themselves: small letters, digits and what no origin touches, without a slash at the end. */
function isFolded(path: string): boolean {
  for (let index = 0; index < path.length; index++) if (FOLDS_TO_ITSELF[path.charCodeAt(index)] !== true) return false;
  return path === '/' || path.charCodeAt(path.length - 1) !== 0x2f;
}
