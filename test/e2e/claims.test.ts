/*
 * One payment, one call: races, failing origins and killed processes, counted at the origin.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRaw } from '#support/raw-http.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';

let system: TestSystem;
let gateway: string;

beforeAll(async () => {
  // Two Workers, one namespace: what two instances of a deployment are.
  system = await startTestSystem([{ name: 'gateway' }, { name: 'second', claimsOf: 'gateway' }]);
  gateway = system.urlOf('gateway');
});
afterAll(() => system.close());

async function call(path: string, authorization: string, base = gateway) {
  const response = await fetch(`${base}${path}`, { headers: { authorization } });
  const text = await response.text();
  const { code } =
    response.headers.get('content-type') === 'application/problem+json' ? (JSON.parse(text) as { code: string }) : { code: '' };
  return { status: response.status, code, headers: response.headers, text };
}

const seenAt = (path: string) => system.origin.seen.filter(({ url }) => url === path).length;

describe('one payment', () => {
  it('D20: buys one call; the same credential again is refused with a fresh challenge', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    expect((await call('/call/once', authorization)).status).toBe(200);
    const again = await call('/call/once', authorization);
    expect([again.status, again.code]).toEqual([402, 'payment_spent']);
    expect(again.headers.get('www-authenticate')).toMatch(/^L402 macaroon=/);
    expect(seenAt('/call/once')).toBe(1);
  });

  it('M15 D20: 100 simultaneous uses of one payment, in 50 rounds over two Workers, reach the origin exactly 50 times', async () => {
    const bases = [gateway, system.urlOf('second')];
    for (let round = 0; round < 50; round++) {
      const { authorization } = await makeToken({ service: 'call' });
      const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => call('/call/race', authorization, bases[index % 2])));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.every(({ status }) => [200, 402, 409].includes(status))).toBe(true);
    }
    expect(seenAt('/call/race')).toBe(50);
  });

  it('M3: two tokens over one payment hash, of other epoch, key id and service, buy one call between them', async () => {
    const preimage = crypto.getRandomValues(new Uint8Array(32));
    const hours = Math.floor(Date.now() / 3_600_000);
    const one = await makeToken({ service: 'call', preimage });
    const two = await makeToken({ service: 'premium', preimage, id: { epoch: { startHours: hours, lengthHours: 1 } } });
    expect((await call('/call/m3', one.authorization)).status).toBe(200);
    expect(await call('/premium', two.authorization)).toMatchObject({ status: 402, code: 'payment_spent' });
  });

  it('M13: a second use while the first is under way is told to wait, and offered no invoice', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const arrived = system.origin.nextHanging();
    const first = call('/call/hang/m13', authorization);
    await arrived;
    const second = await call('/call/hang/m13', authorization);
    expect([second.status, second.code]).toEqual([409, 'claim_in_flight']);
    expect(second.headers.get('retry-after')).toBe('1');
    expect(second.headers.has('www-authenticate')).toBe(false);
    system.origin.releaseAll();
    expect((await first).status).toBe(200);
    expect(seenAt('/call/hang/m13')).toBe(1);
  });

  it('M6: of two tokens in one request only one is charged, and the second is tried when the first is used up', async () => {
    const [one, two] = [await makeToken({ service: 'call' }), await makeToken({ service: 'call' })];
    const both = `${one.authorization}, ${two.authorization}`;
    expect((await call('/call/two', both)).status).toBe(200);
    expect((await call('/call/two', both)).status).toBe(200);
    expect(await call('/call/two', both)).toMatchObject({ status: 402, code: 'payment_spent' });
    expect(seenAt('/call/two')).toBe(2);
  });
});

describe('a call that the origin did not do', () => {
  it.each([401, 402, 403, 429, 500, 503])('M11: after a %i of the origin the payment is good again', async (status) => {
    const { authorization } = await makeToken({ service: 'call' });
    const failed = await call(`/call/status/${status}`, authorization);
    expect([failed.status, failed.headers.get('l402-remaining')]).toEqual([status, '1']);
    expect((await call('/call/after', authorization)).status).toBe(200);
  });

  it('M11: after a 407 of the origin too', async () => {
    // By hand: fetch takes a 407 for a failed connection.
    const { authorization } = await makeToken({ service: 'call' });
    const failed = await sendRaw(system.ports['gateway']!, { target: '/call/status/407', headers: { authorization } });
    expect([failed.status, failed.head.toLowerCase().includes('l402-remaining: 1')]).toEqual([407, true]);
  });

  it.each([204, 302, 400, 404, 409, 422])('M11: a %i of the origin is an answer, and counts', async (status) => {
    const { authorization } = await makeToken({ service: 'call' });
    const path = status === 302 ? '/call/redirect' : `/call/status/${status}`;
    const answered = await fetch(`${gateway}${path}`, { headers: { authorization }, redirect: 'manual' });
    expect([answered.status, answered.headers.get('l402-remaining')]).toEqual([status, '0']);
    expect((await call('/call/after', authorization)).code).toBe('payment_spent');
  });

  it('M16: an origin that resets the connection gives a 502 that says the payment is still good, and it is', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const failed = await call('/call/reset', authorization);
    expect([failed.status, failed.code, failed.headers.get('l402-remaining')]).toEqual([502, 'origin_unreachable', '1']);
    expect(failed.headers.get('retry-after')).toBe('5');
    expect(failed.text).toContain('Your payment is still good');
    expect((await call('/call/after', authorization)).status).toBe(200);
  });

  it('M16: an origin that is too slow gives a 504 that says the payment is still good; a retry has the same idempotency key', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const failed = await call('/call/hang/m16', authorization);
    expect([failed.status, failed.code]).toEqual([504, 'origin_timeout']);
    expect((await call('/call/m16', authorization)).status).toBe(200);
    const keys = system.origin.seen.filter(({ url }) => url.endsWith('/m16')).map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
    system.origin.releaseAll();
  });

  it('M12: after three releases in a row the payment cools down, and is not burnt', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    for (let failures = 0; failures < 3; failures++) expect((await call('/call/status/503', authorization)).status).toBe(503);
    const cooling = await call('/call/cooling', authorization);
    expect([cooling.status, cooling.code, cooling.headers.get('retry-after')]).toEqual([429, 'payment_cooling', '10']);
    expect(cooling.headers.has('www-authenticate')).toBe(false);
  });
});

describe('a process that is killed', () => {
  it('M10: keeps what was spent, and holds a call without outcome in doubt: the origin sees one call', async () => {
    // In one object: an outcome is on disk before the next reservation is granted.
    const spent = await makeToken({ service: 'call', id: { shardBits: 0 } });
    const doubtful = await makeToken({ service: 'call', id: { shardBits: 0 } });
    expect((await call('/call/killed', spent.authorization)).status).toBe(200);
    const arrived = system.origin.nextHanging();
    const lost = call('/call/hang/killed', doubtful.authorization).catch(() => 'lost');
    await arrived;
    await system.restart();
    expect(await lost).toBe('lost');
    gateway = system.urlOf('gateway');
    expect(await call('/call/killed', spent.authorization)).toMatchObject({ status: 402, code: 'payment_spent' });
    expect(await call('/call/hang/killed', doubtful.authorization)).toMatchObject({ status: 409, code: 'claim_in_flight' });
    expect(seenAt('/call/hang/killed')).toBe(1);
    system.origin.releaseAll();
  });
});
