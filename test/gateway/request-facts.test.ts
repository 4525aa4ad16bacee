/*
 * What a request is read as: the host and the authority it names us by have one spelling, whatever the client writes.
 */
import { describe, expect, it } from 'vitest';
import { readRequestFacts } from '#gateway/request/request-facts.ts';

/** As workerd hands it on: nothing is tidied up. */
function readAt(url: string) {
  const facts = readRequestFacts({ url, method: 'GET', headers: new Headers(), body: null } as Request);
  return facts.ok ? [facts.value.base, facts.value.host] : facts.refusal.code;
}

describe('the authority of a request', () => {
  it.each([
    'http://shop.test',
    'http://SHOP.test',
    'http://shop.test.',
    'http://shop.test:80',
    'http://shop.test:',
    'http://Shop.Test.:0080',
  ])('M20: %s is one and the same, so that no other spelling is another origin to breakers and limits', (base) => {
    expect(readAt(`${base}/x`)).toEqual(['http://shop.test', 'shop.test']);
  });

  it('M25: is one without its port, which the client chooses: no origin is asked there', () => {
    expect(readAt('https://shop.test:443/x')).toEqual(['https://shop.test', 'shop.test']);
    expect(readAt('https://shop.test:80/x')).toEqual(['https://shop.test', 'shop.test']);
    expect(readAt('http://[::1]:08080/x')).toEqual(['http://[::1]', '[::1]']);
  });

  it.each(['http://.', 'http://.:80', 'http://..', 'http://.shop.test', 'http://'])('M17: %s names no host', (base) => {
    expect(readAt(`${base}/x`)).toBe('host_malformed');
  });

  it.each(['http://shop.test:65536', 'http://shop.test:99999'])('M17: %s names no port there is', (base) => {
    expect(readAt(`${base}/x`)).toBe('host_malformed');
  });
});
