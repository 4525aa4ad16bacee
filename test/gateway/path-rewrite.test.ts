/*
 * The path that the origin gets: put together from parts of a canonical path, and canonical itself.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRewrite, compileStrip } from '#gateway/routing/path-rewrite.ts';
import { canonicalizePath } from '#protocol/canonical-path.ts';

function stripped(match: string, prefix: string, path: string): string {
  const strip = compileStrip(match, prefix);
  if (!strip.ok) throw new Error(strip.refusal);
  return strip.value(path);
}

function rewritten(match: string, template: string, path: string): string {
  const rewrite = compileRewrite(match, template);
  if (!rewrite.ok) throw new Error(rewrite.refusal);
  return rewrite.value(path);
}

describe('a rewritten path', () => {
  it.each([
    ['/api', '/'],
    ['/api/', '/'],
    ['/api/x', '/x'],
    ['/api/api/x/', '/api/x/'],
  ])('loses its prefix: %s becomes %s', (path, expected) => {
    expect(stripped('GET /api/*', '/api', path)).toBe(expected);
  });

  it.each([
    ['GET /users/:id', '/v2/u/:id', ['/users/7', '/v2/u/7']],
    ['GET /:a/:b', '/:b/:a', ['/x/y', '/y/x']],
    ['/old/*', '/new/*', ['/old', '/new']],
    ['/old/*', '/new/*', ['/old/', '/new/']],
    ['/old/*', '/*', ['/old/a/b', '/a/b']],
    ['/old/*', '/fixed', ['/old/a/b', '/fixed']],
    ['/:tenant/*', '/t/:tenant/x/*', ['/acme/a%C3%A9', '/t/acme/x/a%C3%A9']],
  ])('follows its template: %s as %s', (match, template, [path, expected]) => {
    expect(rewritten(match, template, path!)).toBe(expected);
  });

  it('M25: is canonical whenever the path was', () => {
    const segment = fc.stringMatching(/^([a-z0-9._~@=,-]|%C3%A9|%20){1,6}$/);
    fc.assert(
      fc.property(fc.array(segment, { minLength: 2, maxLength: 5 }), fc.boolean(), (segments, slash) => {
        const path = `/${segments.join('/')}${slash ? '/' : ''}`;
        fc.pre(canonicalizePath(path).ok);
        const outcomes = [rewritten('/:a/*', '/x/:a/*', path), rewritten('/:a/*', '/*', path), rewritten('/:a/:b/*', '/:b/:a', path)];
        for (const outcome of outcomes) expect(canonicalizePath(outcome)).toEqual({ ok: true, value: outcome });
      }),
    );
  });
});
