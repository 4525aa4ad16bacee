/*
 * What an origin is called by breakers, and by what its places are shared.
 */
import { describe, expect, it } from 'vitest';
import { nameOrigin, namePlaces, type Upstream } from '#gateway/routing/upstream.ts';

const upstream = { origin: { kind: 'same_zone', hosts: ['api.shop.test', '*.shop.test'] } } as unknown as Upstream;
const at = (host: string) => ({ host, base: `https://${host}` });

describe('the places at an origin', () => {
  it('M41: are shared by all hosts of a wildcard, and belong to a host that is named', () => {
    expect(['a.shop.test', 'b.shop.test'].map((host) => namePlaces(upstream, at(host)))).toEqual(['*.shop.test', '*.shop.test']);
    expect(namePlaces(upstream, at('api.shop.test'))).toBe('https://api.shop.test');
  });

  it('are not what its breaker is named by: a probe goes to the host itself', () => {
    expect(nameOrigin(upstream, at('a.shop.test'))).toBe('https://a.shop.test');
  });
});
