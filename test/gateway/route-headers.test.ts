/*
 * Routes by header field: the field that decides a price has one reading, or the request has none (M26).
 */
import { describe, expect, it } from 'vitest';
import { readRequestFacts } from '#gateway/request/request-facts.ts';
import { findRoute } from '#gateway/routing/find-route.ts';
import { readConfig } from '#src/config/config.ts';
import { testGateway } from '#support/test-gateway.ts';
import { TOKEN_SECRET_HEX } from '#support/tokens.ts';

const config = readConfig(testGateway, {
  BRIDGE_URL: 'http://bridge.test',
  NETWORK: 'regtest',
  TOKEN_SECRET_1: TOKEN_SECRET_HEX,
  BRIDGE_SECRET: 'b1'.repeat(32),
});
if (!config.ok) throw new Error(config.refusal.join('; '));
const { routes } = config.value.settings;

function serviceFor(headers: [string, string][], path = '/planned'): string {
  const facts = readRequestFacts(new Request(`http://gateway.test${path}`, { headers }));
  if (!facts.ok) return facts.refusal.code;
  const route = findRoute(routes, facts.value);
  if (!route.ok) return route.refusal.code;
  return route.value.sale.kind === 'paid' ? route.value.sale.service : route.value.sale.kind;
}

describe('a route by header', () => {
  it('is taken with exactly that value, and the next route without', () => {
    expect(serviceFor([['X-Plan', 'pro']])).toBe('pro');
    expect(serviceFor([['x-plan', 'other']])).toBe('basic');
    expect(serviceFor([])).toBe('basic');
  });

  it.each<[string, [string, string][]]>([
    [
      'two lines',
      [
        ['x-plan', 'basic'],
        ['x-plan', 'pro'],
      ],
    ],
    ['a list', [['x-plan', 'basic,pro']]],
    ['another case of the value', [['x-plan', 'PRO']]],
    ['an underscore in the name', [['x_plan', 'pro']]],
    [
      'both spellings of the name',
      [
        ['x-plan', 'basic'],
        ['X_Plan', 'pro'],
      ],
    ],
    [
      'a mark that the field ends here',
      [
        ['x-plan', 'pro'],
        ['connection', 'close, X-Plan'],
      ],
    ],
  ])('M26: is refused with %s', (_, headers) => {
    expect(serviceFor(headers)).toBe('header_ambiguous');
    expect(serviceFor(headers, '/call/x')).toBe('call');
  });
});
