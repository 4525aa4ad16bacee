/*
 * Strict settlement over real sockets: the gateway on workerd asks the bridge's embedded node. The strict tokens are made by
 * the test over invoices that the node has made, as the gateway makes them when the bridge is strict.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseHex } from '#protocol/bytes.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem([{ name: 'gateway' }]);
});
afterAll(() => system.close());

const use = (authorization: string) => fetch(`${system.urlOf('gateway')}/call/strict`, { headers: { authorization } });
const makeStrict = async (preimage?: Uint8Array) =>
  (await makeToken({ service: 'call', terms: { settlement: 'strict' }, ...(preimage === undefined ? {} : { preimage }) })).authorization;

describe('a token that was sold strictly', () => {
  it('M24: is good once, when the bridge says that its invoice is settled, and spent after that without the bridge', async () => {
    const challenge = await fetch(`${system.urlOf('gateway')}/call/strict`);
    const offer = parseL402Offer(challenge.headers.get('www-authenticate') ?? '');
    if (!offer.ok) throw new Error(offer.refusal.code);
    const authorization = await makeStrict(parseHex(await system.pay(offer.value.invoice))!);
    const paid = await use(authorization);
    expect([paid.status, await paid.text()]).toEqual([200, 'origin']);
    const again = await use(authorization);
    expect([again.status, ((await again.json()) as { code: string }).code]).toEqual([402, 'payment_spent']);
  });

  it('M24: is 503 without an invoice when the node does not know of it, whatever preimage is shown', async () => {
    const answer = await use(await makeStrict());
    expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('www-authenticate')]).toEqual([503, '5', null]);
    expect(await answer.json()).toMatchObject({ code: 'settlement_unknown' });
    expect(system.lines.some((line) => line.includes('lightning.lookUp'))).toBe(true);
  });
});
