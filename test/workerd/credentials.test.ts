/*
 * Several credentials in one request: none hides another, and one payment is asked for once (M6).
 */
import { describe, expect, it } from 'vitest';
import { parseToken, formatToken } from '#protocol/macaroon-codec.ts';
import { testGateway } from '#support/test-gateway.ts';
import { makeToken, type TestToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, openGateway } from './front-door.ts';

const WRONG = '00'.repeat(32);

function withPreimage({ token }: TestToken, preimageHex: string): string {
  return `L402 ${token}:${preimageHex}`;
}

describe('a good credential', () => {
  it.each<[string, (good: TestToken) => string]>([
    ['a copy with a wrong preimage after it', (good) => `${good.authorization}, ${withPreimage(good, WRONG)}`],
    ['a copy with a wrong preimage before it', (good) => `${withPreimage(good, WRONG)}, ${good.authorization}`],
    ['a copy at another location after it', (good) => `${good.authorization}, ${relocate(good)}`],
    ['a copy at another location before it', (good) => `${relocate(good)}, ${good.authorization}`],
  ])('M6: is not hidden by %s', async (_, headerOf) => {
    const door = openGateway(testGateway);
    const authorization = headerOf(await makeToken({ service: 'call' }));
    const response = await door.ask('/call/hidden', { headers: { authorization } });
    expect([response.status, await codeOf(response)]).toEqual([200, undefined]);
  });

  it('M6: counts once however often it is sent, under both names of the scheme', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const lsat = authorization.replace('L402', 'LSAT');
    const many = Array.from({ length: 6 }, (_, index) => (index % 2 === 0 ? authorization : lsat)).join(', ');
    expect((await openGateway(testGateway).ask('/call/many', { headers: { authorization: many } })).status).toBe(200);
  });

  it('M6: is one of at most four that differ in token or preimage', async () => {
    const good = await makeToken({ service: 'call' });
    const wrong = (count: number) => Array.from({ length: count }, (_, index) => withPreimage(good, `0${index}`.repeat(32)));
    const door = openGateway(testGateway, { parts: { lightning: startEmbedded() } });
    expect((await door.ask('/call/four', { headers: { authorization: [...wrong(3), good.authorization].join(', ') } })).status).toBe(200);
    const refused = await door.ask('/call/five', { headers: { authorization: [good.authorization, ...wrong(4)].join(', ') } });
    expect([refused.status, await codeOf(refused)]).toEqual([402, 'too_many_tokens']);
  });
});

/** The same token, signature and preimage at a location that no token of ours has. */
function relocate({ token, authorization }: TestToken): string {
  const macaroon = parseToken(token);
  if (!macaroon.ok) throw new Error(macaroon.refusal.code);
  return authorization.replace(token, formatToken({ ...macaroon.value, location: new TextEncoder().encode('elsewhere') }));
}

describe('two tokens over one payment hash in one request', () => {
  it('M6: are one payment: when the first is used up the second is not tried, wherever its claim would lie', async () => {
    const preimage = crypto.getRandomValues(new Uint8Array(32));
    const sold = await makeToken({ service: 'call', preimage });
    const moved = await makeToken({ service: 'call', preimage, id: { region: 1, shardBits: 0 } });
    const door = openGateway(testGateway);
    expect((await door.ask('/call/sold', { headers: { authorization: sold.authorization } })).status).toBe(200);
    await door.ask('/call/both', { headers: { authorization: `${sold.authorization}, ${moved.authorization}` } });
    expect(door.seen).toEqual(['/call/sold']);
  });

  it('M6: leave the second try to another payment', async () => {
    const preimage = crypto.getRandomValues(new Uint8Array(32));
    const sold = await makeToken({ service: 'call', preimage });
    const twin = await makeToken({ service: 'call', preimage });
    const other = await makeToken({ service: 'call' });
    const door = openGateway(testGateway);
    expect((await door.ask('/call/first', { headers: { authorization: sold.authorization } })).status).toBe(200);
    const all = [sold, twin, other].map(({ authorization }) => authorization).join(', ');
    expect((await door.ask('/call/second', { headers: { authorization: all } })).status).toBe(200);
    const third = await makeToken({ service: 'call' });
    const used = [sold, other, third].map(({ authorization }) => authorization).join(', ');
    await door.ask('/call/third', { headers: { authorization: used } });
    expect(door.seen).toEqual(['/call/first', '/call/second']);
  });
});
