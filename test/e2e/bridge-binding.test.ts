/*
 * The bridge behind a binding, over real processes: a gateway on raw workerd whose only way to it is a service binding.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';

let system: TestSystem;
beforeAll(async () => {
  // No such host: what is not sent through the binding gets no answer.
  const variables = { BRIDGE_URL: 'http://bridge.invalid' };
  system = await startTestSystem([
    { name: 'bound', variables, services: { BRIDGE: 'front' } },
    { name: 'unbound', variables, claimsOf: 'bound' },
    { name: 'front', bundle: 'bridgeFront', claimsOf: 'bound' },
  ]);
});
afterAll(() => system.close());

describe('a bridge behind a binding', () => {
  it('M28: is asked through it, with the same signed requests; without the binding nothing is sold', async () => {
    const challenge = await fetch(`${system.urlOf('bound')}/call/bound`);
    const offer = parseL402Offer(challenge.headers.get('www-authenticate') ?? '');
    if (!offer.ok) throw new Error(offer.refusal.code);
    const authorization = `L402 ${offer.value.token}:${await system.pay(offer.value.invoice)}`;
    expect((await fetch(`${system.urlOf('bound')}/call/bound`, { headers: { authorization } })).status).toBe(200);
    expect((await fetch(`${system.urlOf('unbound')}/call/bound`)).status).toBe(503);
  });
});
