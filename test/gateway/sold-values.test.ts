/*
 * Routes by the value of a parameter or of a header field: a value that an origin could take for one that is sold, and that is
 * none, is on no route at all (M42).
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRequestFacts } from '#gateway/request/request-facts.ts';
import { findRoute } from '#gateway/routing/find-route.ts';
import { foldValue } from '#gateway/routing/sold-values.ts';
import { readConfig } from '#src/config/config.ts';
import { TOKEN_SECRET_HEX } from '#support/tokens.ts';

const config = readConfig(
  {
    origin: 'http://origin.test',
    routes: [
      { match: 'GET /agent', query: { svc: 'dear' }, service: 'dear', priceSats: 50 },
      { match: 'GET /agent', query: { svc: 'Dear' }, service: 'other', priceSats: 40 },
      { match: 'GET /agent', query: { plan: '1' }, service: 'numbered', priceSats: 30 },
      { match: 'GET /agent', headers: { 'x-plan': 'pro' }, service: 'pro', priceSats: 20 },
      { match: 'GET /agent', service: 'cheap', priceSats: 1 },
      { match: 'GET /elsewhere', query: { svc: 'audit' }, service: 'audit', priceSats: 5 },
      { match: 'GET /plain', service: 'plain', priceSats: 1 },
    ],
  },
  { BRIDGE_URL: 'http://bridge.test', NETWORK: 'regtest', TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: 'b1'.repeat(32) },
);
if (!config.ok) throw new Error(config.refusal.join('; '));
const { routes } = config.value.settings;

/** The service that a request is offered, or the code of its refusal. */
function offerAt(target: string, headers: Record<string, string> = {}): string {
  const facts = readRequestFacts(new Request(`http://gateway.test${target}`, { headers }));
  if (!facts.ok) return facts.refusal.code;
  const route = findRoute(routes, facts.value);
  if (!route.ok) return route.refusal.code;
  return route.value.sale.kind === 'paid' ? route.value.sale.service : route.value.sale.kind;
}

describe('a value that decides the route', () => {
  it('is taken as it is written, and what is like none that is sold goes on to the next route', () => {
    expect([offerAt('/agent?svc=dear'), offerAt('/agent?svc=d%65ar'), offerAt('/agent?svc=Dear')]).toEqual(['dear', 'dear', 'other']);
    for (const query of ['', '?svc=', '?svc=nearly', '?svc=de%20ar', '?svc=dearest', '?plan=2'])
      expect(offerAt(`/agent${query}`)).toBe('cheap');
  });

  it.each([
    'svc=DEAR',
    'svc=dEar',
    'svc=dear%20',
    'svc=+dear',
    'svc=%20%20dear+',
    'svc=dear%C2%A0',
    'svc=dear%E2%80%8B',
    'svc=%EF%BB%BFdear',
    'svc=%E3%80%80dear',
    'svc=%EF%BD%84%EF%BD%85%EF%BD%81%EF%BD%92',
    'svc=d%C3%A9ar',
    'svc=dea%CC%81r',
    'plan=01',
    'plan=1.0',
    'plan=%2B1',
    'plan=1e0',
    'svc=dear%00',
    'svc=dear%09',
  ])('M42: is refused where an origin could read another spelling of it: %s', (query) => {
    expect(offerAt(`/agent?${query}`)).toBe('parameter_ambiguous');
    expect(offerAt(`/agent?${query}`.replace('?', '?a=b&'))).toBe('parameter_ambiguous');
  });

  it.each([
    'SVC=dear',
    'svc[]=dear',
    'svc%5B%5D=dear',
    '[svc]=dear',
    'svc.=dear',
    'svc+=dear',
    '+svc=dear',
    'svc_=dear',
    'svc[0]=dear',
    '?svc=dear',
    'svc%00=dear',
  ])('M42: is refused under a name that an origin could read as its own: %s', (query) => {
    expect(offerAt(`/agent?${query}`)).toBe('parameter_ambiguous');
  });

  it('M42: of a header field obeys the same rule', () => {
    expect([offerAt('/agent', { 'x-plan': 'pro' }), offerAt('/agent', { 'x-plan': 'prone' })]).toEqual(['pro', 'cheap']);
    for (const value of ['PRO', 'Pro', 'pRo']) expect(offerAt('/agent', { 'x-plan': value })).toBe('header_ambiguous');
  });

  it('M42: is of no concern where the path has no such route', () => {
    expect([offerAt('/plain?svc=DEAR'), offerAt('/plain?SVC=dear'), offerAt('/elsewhere?svc=audit')]).toEqual(['plain', 'plain', 'audit']);
  });

  it('folds any text, and folding twice changes nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        expect(foldValue(foldValue(text))).toBe(foldValue(text));
        expect(foldValue(` ${text.toUpperCase().toLowerCase()}\t`)).toBe(foldValue(text.toUpperCase().toLowerCase()));
      }),
      { numRuns: 1000 },
    );
  });

  it('M17: is looked for in so many pairs only, and a query of more is 414', () => {
    expect(offerAt(`/agent?${'a&'.repeat(255)}svc=dear`)).toBe('dear');
    expect(offerAt(`/agent?${'a&'.repeat(256)}svc=dear`)).toBe('too_many_parameters');
    expect(offerAt(`/plain?${'a&'.repeat(8000)}`)).toBe('plain');
  });
});
