/*
 * How requests go on to an origin, as a seller writes it: what is refused at start, by key and never with a value.
 */
import { describe, expect, it } from 'vitest';
import { readConfig } from '#src/config/config.ts';

const SECRET = 'ab'.repeat(32);
const VARIABLES = {
  ORIGIN_URL: 'http://origin.test',
  BRIDGE_URL: 'http://bridge.test',
  NETWORK: 'regtest',
  TOKEN_SECRET_1: SECRET,
  BRIDGE_SECRET: 'b1'.repeat(32),
};

function configOf(route: object, { gateway = {}, variables = {} }: { gateway?: object; variables?: object } = {}) {
  return readConfig({ ...gateway, routes: [{ match: 'GET /api/:id/*', priceSats: 1, ...route }] }, { ...VARIABLES, ...variables });
}

function problemOf(...input: Parameters<typeof configOf>): string {
  const config = configOf(...input);
  return config.ok ? '' : config.refusal.join('\n').replaceAll('gateway.config.ts: ', '');
}

function upstreamOf(...input: Parameters<typeof configOf>) {
  const config = configOf(...input);
  if (!config.ok) throw new Error(config.refusal.join('; '));
  return config.value.settings.routes.routes[0]!.upstream!;
}

describe('the way to an origin', () => {
  it('is that of all routes unless a route names its own', () => {
    expect(upstreamOf({})).toMatchObject({ origin: { kind: 'url', base: 'http://origin.test', prefix: '' }, timeoutSeconds: 25 });
    expect(upstreamOf({ origin: 'https://other.test:8443/base/', timeoutSeconds: 5 })).toMatchObject({
      origin: { kind: 'url', base: 'https://other.test:8443', prefix: '/base' },
      timeoutSeconds: 5,
    });
    expect(upstreamOf({ origin: { service: 'API' } }).origin).toEqual({ kind: 'service', binding: 'API' });
    expect(upstreamOf({ origin: 'same-zone', host: 'a.test' }).origin).toEqual({ kind: 'same_zone', hosts: ['a.test'] });
    const zone = { gateway: { origin: 'same-zone', zoneHosts: ['*.a.test'] }, variables: { ORIGIN_URL: undefined } };
    expect(upstreamOf({}, zone).origin).toEqual({ kind: 'same_zone', hosts: ['*.a.test'] });
  });

  it.each([
    ['another scheme', { origin: 'ftp://a.test' }, 'routes.0.origin: must be an http'],
    ['dots in its path', { origin: 'http://a.test/x/../y' }, 'routes.0.origin: must be an http'],
    ['a user in it', { origin: 'http://user@a.test' }, 'routes.0.origin: must be an http'],
    ['a zone without hosts', { origin: 'same-zone' }, 'routes.0.origin: "same-zone" needs host'],
    ['two ways to change a path', { stripPrefix: '/api', rewrite: '/x' }, 'routes.0.stripPrefix: cannot be combined with rewrite'],
    ['a prefix that is not there', { stripPrefix: '/other' }, 'routes.0.stripPrefix: not at the front'],
    ['a prefix with a named part', { stripPrefix: '/api/:id' }, 'routes.0.stripPrefix: not at the front'],
    ['a part that the match has not', { rewrite: '/:other' }, 'routes.0.rewrite: the match has no part :other'],
    ['a wildcard in the middle', { rewrite: '/*/x' }, 'routes.0.rewrite: a plain path'],
    ['dots in a template', { rewrite: '/x/../:id' }, 'routes.0.rewrite: a plain path'],
    ['a wildcard that the match has not', { match: '/a', rewrite: '/b/*' }, 'routes.0.rewrite: ends in a wildcard'],
    ['a field of the gateway', { setHeaders: { 'x-l402-claim': 'a' } }, 'routes.0.setHeaders'],
    ['a field of one hop', { setHeaders: { connection: 'a' } }, 'routes.0.setHeaders'],
    ['a line break in a field', { setHeaders: { 'x-a': 'a\r\nb' } }, 'routes.0.setHeaders.x-a: must be printable'],
    [
      'a secret that is not set',
      { setHeaders: { 'x-a': { secret: 'UPSTREAM_KEY' } } },
      'routes.0.setHeaders.x-a: the secret UPSTREAM_KEY is missing',
    ],
    [
      'a secret of the gateway',
      { setHeaders: { 'x-a': { secret: 'BRIDGE_SECRET' } } },
      "BRIDGE_SECRET is one of the gateway's own secrets",
    ],
    ['a match by a field that never arrives', { headers: { authorization: 'a' } }, 'routes.0.headers'],
    ['a match by a list', { headers: { 'x-plan': 'a,b' } }, 'routes.0.headers.x-plan: must not contain a comma'],
    ['no time', { timeoutSeconds: 0 }, 'routes.0.timeoutSeconds'],
  ])('is refused with %s', (_, route, problem) => {
    expect(problemOf(route)).toContain(problem);
  });

  it('is refused without any origin, and with a short key for it', () => {
    expect(problemOf({}, { variables: { ORIGIN_URL: undefined } })).toBe('origin: missing; set it, or set ORIGIN_URL');
    expect(problemOf({}, { variables: { ORIGIN_SECRET: 'abcd' } })).toContain('ORIGIN_SECRET: must be at least 32 bytes');
  });

  it('takes a field from a secret, and no message ever shows it', () => {
    const route = { setHeaders: { authorization: { secret: 'UPSTREAM_KEY' }, 'x-env': 'test' } };
    expect(upstreamOf(route, { variables: { UPSTREAM_KEY: 'Bearer abc' } }).setHeaders).toEqual([
      ['authorization', 'Bearer abc'],
      ['x-env', 'test'],
    ]);
    const odd = problemOf(route, { variables: { UPSTREAM_KEY: 'sesame\nsesame' } });
    expect(odd).toContain('the secret UPSTREAM_KEY is not a valid header value');
    expect(odd).not.toContain('sesame');
    expect(problemOf({}, { variables: { UPSTREAM_KEY: 'sesame' } })).toMatch(/^UPSTREAM_KEY: unknown key/);
  });
});
