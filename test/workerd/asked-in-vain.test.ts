/*
 * What a payment can do without being spent: have prices asked that it does not cover.
 */
import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { msat } from '#protocol/msat.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, from, openGateway } from './front-door.ts';

beforeEach(() => reset());

describe('a payment that does not cover the price', () => {
  const open = () => {
    const questions = { count: 0 };
    const PRICING = { fetch: () => ((questions.count += 1), Response.json({ price_msat: '9000' })) };
    const price = { service: 'PRICING', cacheSeconds: 0 };
    const routes = [
      { match: '/once', service: 'once', price, minSats: 2, maxSats: 9 },
      { match: '/credit', service: 'credit', price, minSats: 2, maxSats: 9, access: { creditSats: 10 } },
    ];
    const door = openGateway(
      { routes },
      { variables: { PRICING_SECRET: 'c7'.repeat(32) }, bindings: { PRICING }, parts: { lightning: startEmbedded() } },
    );
    const ask = async (path: string, authorization: string, address = '192.0.2.1') => {
      const response = await door.ask(path, from(address, { authorization }));
      return (await codeOf(response.clone())) ?? response.status;
    };
    return { ask, questions };
  };

  it.each([
    ['a call', '/once', { paidMsat: msat(2000n) }],
    ['a balance', '/credit', { access: { kind: 'credit', creditMsat: msat(5000n) } }],
  ] as const)('M43: asks the pricing service ten times a minute at most (%s)', async (_, path, terms) => {
    const { ask, questions } = open();
    const { authorization } = await makeToken({ service: path.slice(1), terms });
    const codes = new Set<unknown>();
    for (let call = 0; call < 100; call++) codes.add(await ask(`${path}?${call}`, authorization));
    expect(questions.count).toBe(10);
    expect([...codes].at(-1)).toBe('payment_cooling');
    // A good credential beside it is not stopped.
    const good = await makeToken({
      service: path.slice(1),
      terms: path === '/once' ? { paidMsat: msat(9000n) } : { access: { kind: 'credit', creditMsat: msat(90_000n) } },
    });
    expect(await ask(`${path}?both`, `${authorization}, ${good.authorization}`)).toBe(200);
    // Another client with a share of the same payment is not stopped.
    expect(await ask(`${path}?other`, authorization, '192.0.2.2')).not.toBe('payment_cooling');
  });
});
