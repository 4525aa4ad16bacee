/*
 * Floods of one credential that is good for nothing, over real objects: how often they reach the object that keeps claims and
 * the one that keeps quotas (M37).
 */
import { reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Gateway } from '#src/config/config.ts';
import { makeToken, OTHER_SECRET, type TestToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, from, openGateway } from './front-door.ts';
import { watchObjectCalls } from './object-calls.ts';

const START_MS = Date.now();
beforeEach(async () => {
  await reset();
  vi.setSystemTime(START_MS);
});
afterEach(() => void vi.useRealTimers());

const routes: Gateway['routes'] = [
  { match: '/once/*', service: 'once', priceSats: 1 },
  { match: 'GET /cheap', service: 'purse', priceSats: 1, access: { creditSats: 10 } },
  { match: 'GET /dear', service: 'purse', priceSats: 7, access: { creditSats: 10 } },
];
const FLOOD = 200;

/** A gateway with the quotas that it has by default, and how often each object is asked. */
function open(challenges: NonNullable<Gateway['policy']>['challenges'] = {}) {
  const calls: Record<string, number> = {};
  const bindings = watchObjectCalls(env, (name) => void (calls[name] = (calls[name] ?? 0) + 1));
  const door = openGateway({ routes, policy: { challenges } }, { bindings, parts: { lightning: startEmbedded() } });
  const use = async (path: string, { authorization }: Pick<TestToken, 'authorization'>) => {
    const response = await door.ask(path, from('192.0.2.1', { authorization }));
    return (await codeOf(response.clone())) ?? response.status;
  };
  /** The answers to a flood, and what it asked of objects. */
  const flood = async (make: (index: number) => Pick<TestToken, 'authorization'>, path = '/once/a') => {
    const before = { ...calls };
    const codes = new Set<unknown>();
    for (let index = 0; index < FLOOD; index++) codes.add(await use(path, make(index)));
    const asked = (name: string) => (calls[name] ?? 0) - (before[name] ?? 0);
    return { codes: [...codes], claims: asked('REPLAY_SET'), quota: asked('QUOTA') };
  };
  return { door, use, flood };
}

/** Three invoices that such a payment may have open, the same once more, and then none. */
const ASKED_OF_QUOTA = 4;

describe('a flood of one credential', () => {
  it.each([
    { when: 'is given the same invoice again', times: 4, challenges: {}, codes: ['payment_spent'] },
    { when: 'is refused', times: 4, challenges: { overQuota: 'refuse' }, codes: ['payment_spent', 'quota_exceeded'] },
  ] as const)('M37: that is spent and $when reaches the claim object not at all and the quota object $times times', async (flooded) => {
    const { use, flood } = open(flooded.challenges);
    const token = await makeToken({ service: 'once' });
    expect([await use('/once/a', token), await use('/once/a', token)]).toEqual([200, 'payment_spent']);
    // The first of those times was just now.
    expect(await flood(() => token)).toEqual({ codes: flooded.codes, claims: 0, quota: flooded.times - 1 });
    vi.setSystemTime(START_MS + 1000);
    expect(await flood(() => token)).toMatchObject({ claims: 0, quota: 1 });
  });

  it('M37: that has expired reaches the quota object no more often', async () => {
    const { flood } = open();
    const token = await makeToken({ service: 'once', terms: { validUntilSeconds: Math.floor(START_MS / 1000) - 60 } });
    expect(await flood(() => token)).toEqual({ codes: ['token_expired'], claims: 0, quota: ASKED_OF_QUOTA });
  });

  it('M37 M18: that are all forged, each another, reaches the quota object once when the client has had its invoices', async () => {
    const { flood } = open({ perMinute: 3, open: 3 });
    const forged = await Promise.all(Array.from({ length: FLOOD }, () => makeToken({ service: 'once', secret: OTHER_SECRET })));
    await flood((index) => forged[index]!);
    vi.setSystemTime(START_MS + 1000);
    expect(await flood((index) => forged[index]!)).toEqual({ codes: ['signature_wrong'], claims: 0, quota: 1 });
  });

  it('M37 M30: that was revoked reaches the claim object once, from an isolate that has not heard of it', async () => {
    const { door, flood } = open();
    const token = await makeToken({ service: 'once' });
    // An isolate asks for what was revoked when it begins, and then every few seconds.
    await door.ask('/once/a');
    const operator = openGateway({ routes }, { variables: { ADMIN_SECRET: 'ad'.repeat(32) } });
    const headers = { authorization: `Bearer ${'ad'.repeat(32)}` };
    const body = JSON.stringify({ revoke: 'token', token: token.token });
    expect((await operator.ask('/_l402/control', { method: 'POST', headers, body })).status).toBe(200);
    expect(await flood(() => token)).toMatchObject({ codes: ['token_revoked'], claims: 1 });
    expect(door.seen).toEqual([]);
  });
});

describe('a balance with something left', () => {
  it('M37: pays for a call that takes no more than that, whatever was refused before', async () => {
    const { use } = open();
    const token = await makeToken({ service: 'purse', terms: { access: { kind: 'credit', creditMsat: 10_000n as never } } });
    expect([await use('/dear', token), await use('/dear', token), await use('/dear', token)]).toEqual([
      200,
      'payment_spent',
      'payment_spent',
    ]);
    for (let call = 0; call < 3; call++) expect(await use('/cheap', token)).toBe(200);
    expect([await use('/cheap', token), await use('/dear', token)]).toEqual(['payment_spent', 'payment_spent']);
  });
});
