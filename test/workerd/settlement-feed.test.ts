/*
 * The gateway's end of the settlement feed (M24) through the front door, over the real object: who may push, what is taken,
 * and what a first use costs once a payment has been pushed.
 */
import { abortAllDurableObjects } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { MOST_SETTLED_IN_PUSH, SETTLEMENTS_PATH } from '#lnd-bridge/contract.ts';
import { UNSETTLED_KEPT_MS } from '#gateway/payment/settlement.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Gateway } from '#src/config/config.ts';
import { type Lightning } from '#src/ports.ts';
import { deadNode } from '#support/fakes.ts';
import { makePush, type PushToMake } from '#support/pushes.ts';
import { makeToken } from '#support/tokens.ts';
import { codeOf, openGateway, type DoorOptions, type FrontDoor } from './front-door.ts';
import { watchObjectCalls } from './object-calls.ts';

const KEY = { id: 'k1', secret: new Uint8Array(32).fill(0xb1) };
const gateway: Gateway = {
  settlementFeed: true,
  routes: [
    { match: 'GET /call', service: 'call', priceSats: 1 },
    { match: 'GET /pass', service: 'pass', priceSats: 5, access: { seconds: 600 } },
  ],
};
const now = () => Math.floor(Date.now() / 1000);

let feeds = 0;
/** A feed that no other test uses. */
const nextFeed = () => `lnd-${(feeds += 1)}`;

const open = (options: DoorOptions = {}) => openGateway(gateway, options);
const payment = (index: number, paymentHashHex = index.toString(16).padStart(64, '0')) => ({
  index,
  paymentHashHex,
  settledAtSeconds: now(),
});

async function push(door: FrontDoor, body: unknown, options: Partial<PushToMake> & { readonly path?: string } = {}) {
  const { init, isAnsweredBy } = makePush(body, { key: KEY, ...options });
  const response = await door.ask(options.path ?? SETTLEMENTS_PATH, init);
  const text = await response.text();
  const told = JSON.parse(text) as { index?: number; code?: string };
  return { status: response.status, index: told.index, code: told.code, isSigned: isAnsweredBy(response, text) };
}

/** A token whose preimage does not prove that it was paid for. */
async function sellStrictly(service: 'call' | 'pass' = 'call') {
  const { authorization, paymentHash } = await makeToken({ service, terms: { settlement: 'strict', access: { kind: service } } });
  return { paymentHashHex: formatHex(paymentHash), headers: { authorization } };
}

const taken = (index: number) => ({ status: 200, index, code: undefined, isSigned: true });

describe('a push', () => {
  it('M24: is taken where the feed stands, and answered with where it stands then, signed', async () => {
    const [door, feed] = [open(), nextFeed()];
    expect(await push(door, { feed, fromIndex: 0, settled: [] })).toEqual(taken(0));
    expect(await push(door, { feed, fromIndex: 0, settled: [payment(4), payment(6)] })).toEqual(taken(6));
    expect(await push(door, { feed, fromIndex: 6, settled: [payment(7)] })).toEqual(taken(7));
    expect(await push(door, { feed: nextFeed(), fromIndex: 7, settled: [payment(8)] })).toEqual(taken(0));
  });

  it('M24: that begins elsewhere changes nothing, and its sender learns where to go on', async () => {
    const [door, feed] = [open(), nextFeed()];
    await push(door, { feed, fromIndex: 0, settled: [payment(4)] });
    const { paymentHashHex, headers } = await sellStrictly();
    for (const fromIndex of [0, 3, 5, 100]) {
      expect(await push(door, { feed, fromIndex, settled: [payment(fromIndex + 1, paymentHashHex)] })).toEqual(taken(4));
    }
    expect(await codeOf(await door.ask('/call', { headers }))).toBe('settlement_unknown');
  });

  it('M24 M28: that is unsigned, signed by another key, stale, altered, or signed as a request of the gateway is 401', async () => {
    const [door, feed] = [open(), nextFeed()];
    const body = { feed, fromIndex: 0, settled: [payment(1)] };
    const refused = { status: 401, index: undefined, code: 'push_unauthorized', isSigned: false };
    const plain = await door.ask(SETTLEMENTS_PATH, { method: 'POST', body: JSON.stringify(body) });
    expect([plain.status, await codeOf(plain)]).toEqual([401, 'push_unauthorized']);
    expect(await push(door, body, { key: { id: 'k9', secret: KEY.secret } })).toEqual(refused);
    expect(await push(door, body, { key: { id: 'k1', secret: new Uint8Array(32).fill(1) } })).toEqual(refused);
    expect(await push(door, body, { nowSeconds: now() - 70 })).toEqual(refused);
    expect(await push(door, body, { nowSeconds: now() + 70 })).toEqual(refused);
    expect(await push(door, body, { direction: 'request' })).toEqual(refused);
    expect(await push(door, body, { path: `${SETTLEMENTS_PATH}?a=1` })).toEqual(refused);
    expect(await push(door, body, { pathAndQuery: '/v1/invoices' })).toEqual(refused);
    const { init } = makePush(body, { key: KEY });
    const altered = await door.ask(SETTLEMENTS_PATH, { ...init, body: init.body.replace('"index":1', '"index":2') });
    expect(altered.status).toBe(401);
    expect(await push(door, { ...body, settled: [] })).toEqual(taken(0));
  });

  it('M24: that comes again is 401 and changes nothing, through a restart of the object too', async () => {
    const [door, feed] = [open(), nextFeed()];
    const { init } = makePush({ feed, fromIndex: 0, settled: [payment(1)] }, { key: KEY });
    const send = async () => (await door.ask(SETTLEMENTS_PATH, init)).status;
    expect([await send(), await send()]).toEqual([200, 401]);
    await abortAllDurableObjects();
    expect(await send()).toBe(401);
    expect(await push(door, { feed, fromIndex: 0, settled: [] })).toEqual(taken(1));
  });

  it('M24: that is larger than any push of the contract is 413, signed or not', async () => {
    const door = open();
    expect((await push(door, 'x'.repeat(16_385))).status).toBe(413);
    const unsigned = await door.ask(SETTLEMENTS_PATH, { method: 'POST', body: 'x'.repeat(1 << 20) });
    expect([unsigned.status, await codeOf(unsigned)]).toEqual([413, 'body_too_large']);
    const all = Array.from({ length: MOST_SETTLED_IN_PUSH }, (_, at) => payment(Number.MAX_SAFE_INTEGER - 200 + at));
    const last = { feed: 'l'.repeat(64), fromIndex: 0, settled: all };
    expect(await push(door, last)).toEqual(taken(Number.MAX_SAFE_INTEGER - 101));
  });

  it('M28: that is not of the contract, or not in sequence, is 400 and changes nothing', async () => {
    const [door, feed] = [open(), nextFeed()];
    const good = { feed, fromIndex: 0, settled: [payment(1)] };
    const many = Array.from({ length: MOST_SETTLED_IN_PUSH + 1 }, (_, at) => ({ ...payment(at + 1), paymentHashHex: 'a' }));
    const bad: readonly unknown[] = [
      'text',
      { ...good, more: 1 },
      { ...good, settled: [{ ...payment(1), preimageHex: 'ab'.repeat(32) }] },
      { ...good, settled: [payment(1, 'AB'.repeat(32))] },
      { ...good, settled: [payment(0)] },
      { ...good, settled: [payment(2), payment(2)] },
      { ...good, settled: many },
      { ...good, fromIndex: -1 },
      { ...good, fromIndex: 2 ** 53 },
      { ...good, feed: 'Feed' },
    ];
    for (const body of bad) expect([(await push(door, body)).code, body]).toEqual(['push_invalid', body]);
    expect(await push(door, { feed, fromIndex: 0, settled: [] })).toEqual(taken(0));
  });

  it('M24: does not exist for a gateway that is not told of a feed', async () => {
    const door = openGateway({ ...gateway, settlementFeed: false });
    expect(await push(door, { feed: nextFeed(), fromIndex: 0, settled: [] })).toMatchObject({ status: 404, code: 'route_unknown' });
  });
});

describe('a payment that was pushed', () => {
  const pushed = async (door: FrontDoor, paymentHashHex: string) =>
    expect(await push(door, { feed: nextFeed(), fromIndex: 0, settled: [payment(1, paymentHashHex)] })).toEqual(taken(1));

  it.each(['call', 'pass'] as const)('M24: proves a token for a %s, with a node that is away and in every isolate', async (service) => {
    const { paymentHashHex, headers } = await sellStrictly(service);
    await pushed(open(), paymentHashHex);
    await abortAllDurableObjects();
    const door = open();
    expect((await door.ask(`/${service}`, { headers })).status).toBe(200);
    expect([door.seen, door.logged.filter(([event]) => event === 'fault')]).toEqual([[`/${service}`], []]);
  });

  it('M24: costs one object call at the first use of a pass and none after; a token that is not strict costs none', async () => {
    const asked: string[] = [];
    const door = open({ bindings: watchObjectCalls(env, (name) => asked.push(name)) });
    const { paymentHashHex, headers } = await sellStrictly('pass');
    await pushed(door, paymentHashHex);
    asked.length = 0;
    for (let uses = 0; uses < 3; uses++) expect((await door.ask('/pass', { headers })).status).toBe(200);
    const { authorization } = await makeToken({ service: 'pass', terms: { access: { kind: 'pass' } } });
    expect((await door.ask('/pass', { headers: { authorization } })).status).toBe(200);
    expect(asked.filter((name) => name === 'SETTLEMENTS')).toHaveLength(1);
  });

  it('M24: is good when it is shown again after the node was asked and knew nothing, without asking the node again', async () => {
    let nowMs = Date.now();
    const looked: string[] = [];
    const lookUp: Lightning['lookUp'] = async (hash) => {
      looked.push(formatHex(hash));
      return 'open';
    };
    const door = open({ clock: () => nowMs, parts: { lightning: { ...deadNode, lookUp } } });
    const { paymentHashHex, headers } = await sellStrictly();
    expect(await codeOf(await door.ask('/call', { headers }))).toBe('invoice_unsettled');
    await pushed(door, paymentHashHex);
    nowMs += UNSETTLED_KEPT_MS;
    expect((await door.ask('/call', { headers })).status).toBe(200);
    expect(looked).toEqual([paymentHashHex]);
  });
});

describe('a payment that was not pushed', () => {
  it('M24: is looked up as ever, also when the object cannot be reached', async () => {
    const lightning: Lightning = { ...deadNode, lookUp: async () => 'settled' };
    const away = { idFromName: () => 0, get: () => ({ isSettled: () => Promise.reject(new Error('away')) }) };
    const far = open({ parts: { lightning }, bindings: { SETTLEMENTS: away } });
    for (const door of [open({ parts: { lightning } }), far]) {
      const { headers } = await sellStrictly();
      expect((await door.ask('/call', { headers })).status).toBe(200);
    }
    expect(far.logged).toContainEqual(['fault', { at: 'settlements.isSettled', message: 'away' }]);
  });
});
