/*
 * What a lenient origin may make of a path (M25). The one canonical form stands in #protocol/canonical-path.ts. Pure.
 */
import { decodePath } from '#protocol/canonical-path.ts';

/**
 * What a lenient origin may make of a path: no case, no compatibility forms, nothing after the last letter of a segment
 * that Windows or a router would drop. Two paths that fold alike must not cost differently.
 */
export function foldPath(canonical: string): string {
  const decoded = canonical.includes('%') ? (decodePath(canonical) ?? canonical) : canonical;
  const folded = decoded
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[. ]+(?=\/|$)/g, '')
    .replace(/\/+/g, '/');
  return folded.length > 1 && folded.endsWith('/') ? folded.slice(0, -1) : folded || '/';
}
