/*
 * Orders of the operator through the front door, over real objects: who may give them, and what they do to tokens that are
 * out there already.
 */
import { reset } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatHex } from '#protocol/bytes.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { type Gateway } from '#src/config/config.ts';
import { makeToken, type TestToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { attenuate } from '../../client/attenuate.ts';
import { codeOf, from, openGateway } from './front-door.ts';

const ADMIN_SECRET = 'ad'.repeat(32);
const START_MS = Date.now();
beforeEach(async () => {
  await reset();
  vi.setSystemTime(START_MS);
});
afterEach(() => void vi.useRealTimers());

const gateway: Gateway = {
  routes: [
    { match: 'GET /once', service: 'once', priceSats: 1 },
    { match: 'GET /many', service: 'many', priceSats: 1, access: { calls: 9 } },
    { match: 'GET /pass', service: 'pass', priceSats: 1, access: { seconds: 3600 } },
  ],
};

function open(variables: Readonly<Record<string, string>> = { ADMIN_SECRET }) {
  const door = openGateway(gateway, { variables, parts: { lightning: startEmbedded() } });
  const use = async (path: string, { authorization }: Pick<TestToken, 'authorization'>) => {
    const response = await door.ask(path, from('192.0.2.1', { authorization }));
    return (await codeOf(response.clone())) ?? response.status;
  };
  const order = async (body: unknown, authorization = `Bearer ${ADMIN_SECRET}`) => {
    const response = await door.ask('/_l402/control', { method: 'POST', headers: { authorization }, body: JSON.stringify(body) });
    return { status: response.status, ...(await response.json<{ code?: string; detail?: string; done?: string }>()) };
  };
  return { door, use, order };
}
const pass = () => makeToken({ service: 'pass', terms: { access: { kind: 'pass' } } });
const many = () => makeToken({ service: 'many', terms: { access: { kind: 'calls', calls: 9 } } });
const hours = Math.floor(START_MS / 3_600_000);
const epoch = hours - (hours % 168);

describe('who gives orders', () => {
  it('needs the secret; without one configured there is no such page', async () => {
    expect(await open({}).order({ revoke: 'key', keyId: 1 })).toMatchObject({ status: 404, code: 'route_unknown' });
    const { door, order } = open();
    for (const presented of [
      '',
      'Bearer',
      'Bearer ',
      `Bearer ${'ad'.repeat(31)}`,
      `Bearer ${'ae'.repeat(32)}`,
      `Basic ${ADMIN_SECRET}`,
      'Bearer zz',
    ]) {
      expect(await order({ revoke: 'key', keyId: 1 }, presented)).toMatchObject({ status: 401, code: 'order_unauthorized' });
    }
    expect((await door.ask('/_l402/control')).status).toBe(404);
    expect(await order({ revoke: 'key', keyId: 1 })).toEqual({ status: 200, done: 'revoke key' });
    expect(JSON.stringify(door.logged)).not.toContain('adad');
  });

  it.each([
    'text',
    null,
    [],
    {},
    { revoke: 'all' },
    { revoke: 'key' },
    { revoke: 'key', keyId: -1 },
    { revoke: 'key', keyId: 256 },
    { revoke: 'key', keyId: 1, startHours: 1 },
    { revoke: 'key', keyId: 1, colour: 'red' },
    { revoke: 'epoch', keyId: 1 },
    { revoke: 'epoch', keyId: 1, startHours: 168 },
    { revoke: 'token' },
    { revoke: 'token', token: 'AAAA' },
    { revoke: 'token', identifier: 'ab'.repeat(66) },
    { maintenance: '*' },
    { maintenance: 7, on: true },
    { maintenance: '*', on: 'true' },
    { maintenance: '*', on: true, untilSeconds: 1 },
    { maintenance: '*', on: true, until: 99_999_999_999 },
    { maintenance: 'GET /pas', on: true },
    { maintenance: '/pass', on: true },
  ])('is told of a mistake, and nothing happens: %j', async (body) => {
    const { order, use } = open();
    expect(await order(body)).toMatchObject({ status: 400, code: 'order_invalid' });
    expect(await use('/pass', await pass())).toBe(200);
  });
});

describe('a revocation', () => {
  it('M30: of a counted token works at once in every isolate, whatever is left of it', async () => {
    const [here, there] = [open(), open()];
    const [token, other] = [await many(), await many()];
    expect([await here.use('/many', token), await there.use('/many', token)]).toEqual([200, 200]);
    expect(await here.order({ revoke: 'token', token: token.token })).toEqual({ status: 200, done: 'revoke token' });
    // The other isolate has not heard of it yet: the claim tells.
    expect([await there.use('/many', token), await there.use('/many', other)]).toEqual(['token_revoked', 200]);
    vi.setSystemTime(Date.now() + 10_000);
    await there.use('/many', other);
    expect([await there.use('/many', token), await there.use('/many', other)]).toEqual(['token_revoked', 200]);
  });

  it('M30: of a pass works within the interval in which isolates ask', async () => {
    const [here, there] = [open(), open()];
    const [token, other] = [await pass(), await pass()];
    expect(await there.use('/pass', token)).toBe(200);
    const parsed = parseToken(token.token);
    if (!parsed.ok) throw new Error(parsed.refusal.code);
    expect((await here.order({ revoke: 'token', identifier: formatHex(parsed.value.identifier) })).done).toBe('revoke token');
    vi.setSystemTime(Date.now() + 10_000);
    await there.use('/pass', other);
    expect([await there.use('/pass', token), await there.use('/pass', other)]).toEqual(['token_revoked', 200]);
  });

  it.each([
    ['a key', { revoke: 'key', keyId: 1 }, { revoke: 'key', keyId: 2 }],
    ['an epoch', { revoke: 'epoch', keyId: 1, startHours: epoch }, { revoke: 'epoch', keyId: 1, startHours: epoch - 168 }],
  ])('M30: of %s revokes its tokens and no others', async (_, order, other) => {
    const { order: give, use } = open();
    const token = await pass();
    const hear = async () => {
      vi.setSystemTime(Date.now() + 10_000);
      await use('/pass', token);
      return use('/pass', token);
    };
    expect((await give(other)).status).toBe(200);
    expect(await hear()).toBe(200);
    expect((await give(order)).status).toBe(200);
    expect(await hear()).toBe('token_revoked');
  });
});

describe('a maintenance', () => {
  it('is one of a route until an instant, where that is ordered', async () => {
    const { order, use } = open();
    const untilSeconds = Math.floor(Date.now() / 1000) + 30;
    expect((await order({ maintenance: 'GET /pass', on: true, untilSeconds })).done).toBe('maintenance on');
    const hear = async (seconds: number) => {
      vi.setSystemTime(Date.now() + seconds * 1000);
      await use('/pass', await pass());
      return [await use('/pass', await pass()), await use('/many', await many())];
    };
    expect(await hear(0)).toEqual(['maintenance', 200]);
    expect(await hear(31)).toEqual([200, 200]);
  });

  it('is 503 without an invoice until it is ended, and passes that were valid when it began end so much later', async () => {
    const { order, use, door } = open();
    const nowSeconds = Math.floor(Date.now() / 1000);
    const terms = { access: { kind: 'pass' }, validUntilSeconds: nowSeconds + 600 } as const;
    const [token, counted] = [
      await makeToken({ service: 'pass', terms }),
      await makeToken({ service: 'once', terms: { validUntilSeconds: nowSeconds + 600 } }),
    ];
    expect((await order({ maintenance: '*', on: true, extendsPasses: true })).done).toBe('maintenance on');
    const unpaid = await door.ask('/once');
    expect([unpaid.status, await codeOf(unpaid), unpaid.headers.get('retry-after')]).toEqual([503, 'maintenance', '60']);
    expect(await use('/pass', token)).toBe('maintenance');
    const hear = async (seconds: number) => {
      vi.setSystemTime(Date.now() + seconds * 1000);
      await use('/pass', token);
      return [await use('/pass', token), await use('/once', counted)];
    };
    expect(await hear(500)).toEqual(['maintenance', 'maintenance']);
    expect((await order({ maintenance: '*', on: false })).done).toBe('maintenance off');
    // Long after its own end, and before the end that it has now. What is counted has a row that does not wait (M2).
    expect(await hear(400)).toEqual([200, 'token_expired']);
    expect((await hear(300))[0]).toBe('token_expired');
  });

  it('M38: gives nothing to a pass that is sold after it, and never moves an end that a holder has set', async () => {
    const { order, use } = open();
    const hear = async (token: Pick<TestToken, 'authorization'>) => {
      await use('/pass', token);
      return use('/pass', token);
    };
    const nowSeconds = () => Math.floor(Date.now() / 1000);
    const passFor = (seconds: number) =>
      makeToken({ service: 'pass', terms: { access: { kind: 'pass' }, validUntilSeconds: nowSeconds() + seconds } });
    const whole = await passFor(7200);
    const [token, preimage] = whole.authorization.replace('L402 ', '').split(':');
    const narrowed = { authorization: `L402 ${await attenuate(token!, { validUntilSeconds: nowSeconds() + 3600 })}:${preimage}` };
    await order({ maintenance: '*', on: true, extendsPasses: true });
    vi.setSystemTime(Date.now() + 6 * 3_600_000);
    await order({ maintenance: '*', on: false });
    expect([await hear(whole), await hear(narrowed)]).toEqual([200, 'token_expired']);
    vi.setSystemTime(Date.now() + 4 * 3_600_000);
    const later = await passFor(3600);
    expect(await hear(later)).toBe(200);
    vi.setSystemTime(Date.now() + 3640_000);
    expect(await hear(later)).toBe('token_expired');
  });
});
