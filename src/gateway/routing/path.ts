/*
 * How a lenient origin may read a path (M25). #protocol/canonical-path.ts defines the canonical form. Pure.
 */
import { decodePath } from '#protocol/canonical-path.ts';

/**
 * Folds a path as a lenient origin may read it: without case or compatibility forms, and without trailing characters of a
 * segment that Windows or a router would drop. Two paths that fold to the same text must cost the same.
 */
export function foldPath(canonical: string): string {
  if (isFolded(canonical)) return canonical;
  const decoded = canonical.includes('%') ? (decodePath(canonical) ?? canonical) : canonical;
  const folded = decoded.normalize('NFKC').toLowerCase().split('/').map(dropEnd).join('/').replace(/\/+/g, '/');
  return folded.length > 1 && folded.endsWith('/') ? folded.slice(0, -1) : folded || '/';
}

/** Removes dots and blanks at the end of a segment. No regex: it would retry at each of many thousand dots. */
function dropEnd(segment: string): string {
  let end = segment.length;
  while (segment[end - 1] === '.' || segment[end - 1] === ' ') end -= 1;
  return segment.slice(0, end);
}

const FOLDS_TO_ITSELF: readonly boolean[] = Array.from({ length: 128 }, (_, code) => /^[a-z0-9/_~-]$/.test(String.fromCharCode(code)));

/** Whether a path folds to itself, as most do: lower-case letters, digits and characters that no origin changes, no trailing slash. */
function isFolded(path: string): boolean {
  for (let index = 0; index < path.length; index++) if (FOLDS_TO_ITSELF[path.charCodeAt(index)] !== true) return false;
  return path === '/' || path.charCodeAt(path.length - 1) !== 0x2f;
}
