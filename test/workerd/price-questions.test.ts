/*
 * Who may cause a question to the seller's pricing service or function (M43): each costs the seller something.
 */
import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Gateway } from '#src/config/config.ts';
import { makeToken, OTHER_SECRET, type TestToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, from, openGateway } from './front-door.ts';

beforeEach(() => reset());

/** A gateway with the quotas that it has by default, and how often it asks for a price. */
function open() {
  const asked = { service: 0, function: 0 };
  const service = { fetch: () => ((asked.service += 1), Response.json({ price_msat: '2000' })) };
  const bounds = { service: 'asked', minSats: 2, maxSats: 9 } as const;
  const routes: Gateway['routes'] = [
    { match: '/service', price: { service: 'PRICING', cacheSeconds: 0 }, access: { creditSats: 10 }, ...bounds },
    { match: '/function', price: () => ((asked.function += 1), 2000n), ...bounds, service: 'decided' },
  ];
  const door = openGateway(
    { routes, policy: { challenges: {} } },
    { variables: { PRICING_SECRET: 'c7'.repeat(32) }, bindings: { PRICING: service }, parts: { lightning: startEmbedded() } },
  );
  const use = async (path: string, { authorization }: Pick<TestToken, 'authorization'>) => {
    const response = await door.ask(path, from('192.0.2.1', { authorization }));
    return (await codeOf(response.clone())) ?? response.status;
  };
  return { asked, use };
}

const credit = (creditMsat: bigint) => ({ access: { kind: 'credit', creditMsat: creditMsat as never } }) as const;
const past = Math.floor(Date.now() / 1000) - 60;
/** Invoices of one client, and of one payment that is used up, as the quota allows them by default. */
const [OF_CLIENT, OF_PAYMENT] = [30, 3];

describe('a token that is good for nothing', () => {
  it.each([
    ['an expired token', { terms: { ...credit(10_000n), validUntilSeconds: past } }, OF_PAYMENT],
    ['a forged token', { terms: credit(10_000n), secret: OTHER_SECRET }, OF_CLIENT],
    ['a token of another service', { service: 'other' }, OF_CLIENT],
    ['a token whose balance is less than any price', { terms: credit(3000n) }, OF_PAYMENT + 2],
  ] as const)('M43: 200 requests with %s ask the pricing service no more often than the quota lets them', async (_, options, most) => {
    const { asked, use } = open();
    const token = await makeToken({ service: 'asked', ...options });
    for (let request = 0; request < 200; request++) await use('/service', token);
    expect(asked.service).toBeLessThanOrEqual(most);
    expect(asked.service).toBeGreaterThan(0);
  });

  it('M43: and that is spent asks a price function no more often either', async () => {
    const { asked, use } = open();
    const token = await makeToken({ service: 'decided' });
    expect([await use('/function', token), await use('/function', token)]).toEqual([200, 'payment_spent']);
    for (let request = 0; request < 200; request++) await use('/function', token);
    // Once for the call, once before it was known to be spent, and for the invoices.
    expect(asked.function).toBeLessThanOrEqual(2 + OF_PAYMENT);
  });
});

it('M43: a token that is good has its price asked for every call', async () => {
  const { asked, use } = open();
  const token = await makeToken({ service: 'asked', terms: credit(10_000n) });
  for (let call = 0; call < 5; call++) expect(await use('/service', token)).toBe(200);
  expect(asked.service).toBe(5);
});
