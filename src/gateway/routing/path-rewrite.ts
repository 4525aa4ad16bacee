/*
 * The path that the origin gets instead of the requested one: with a prefix removed, or a template filled with the named
 * parts and the rest of a match. Whole segments of a canonical path again form a canonical path (M25). Pure.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { canonicalizePath } from '#protocol/canonical-path.ts';
import { splitPath } from './route-pattern.ts';

/** Maps the canonical path of a matched request to the origin's path. */
export type PathRewrite = (path: string) => string;

/** Removes a prefix that every path of the match has. */
export function compileStrip(match: string, prefix: string): Result<PathRewrite, string> {
  const { parts } = readTemplate(match);
  const taken = splitPath(prefix);
  if (!isCanonical(prefix) || prefix.endsWith('/')) return refuse('a plain path without a slash at its end');
  if (taken.some((part, index) => part !== parts[index] || part.startsWith(':')))
    return refuse('not at the front of every path of the match');
  return accept((path) => path.slice(prefix.length) || '/');
}

/** Fills a template: `:name` with that part of the match, a final `/*` with what the wildcard of the match took. */
export function compileRewrite(match: string, template: string): Result<PathRewrite, string> {
  const from = readTemplate(match);
  const to = readTemplate(template);
  if (!isCanonical(to.stem)) return refuse('a plain path, with a * only at its end, after a slash');
  if (to.open && !from.open) return refuse('ends in a wildcard, and the match does not');
  const unknown = to.parts.find((part) => part.startsWith(':') && !from.parts.includes(part));
  if (unknown !== undefined) return refuse(`the match has no part ${unknown}`);
  const sources = to.parts.map((part) => (part.startsWith(':') ? from.parts.indexOf(part) : part));
  return accept((path) => {
    const given = splitPath(path);
    const filled = sources.map((source) => (typeof source === 'string' ? source : given[source]!));
    return `/${[...filled, ...(to.open ? given.slice(from.parts.length) : [])].join('/')}`;
  });
}

function readTemplate(text: string): { readonly stem: string; readonly parts: readonly string[]; readonly open: boolean } {
  const path = text.slice(Math.max(text.indexOf('/'), 0));
  const open = path.endsWith('/*');
  const stem = open ? path.slice(0, -2) || '/' : path;
  return { stem, parts: splitPath(stem), open };
}

function isCanonical(path: string): boolean {
  const canonical = canonicalizePath(path);
  return canonical.ok && canonical.value === path && !path.includes('*');
}
