/*
 * Strict settlement (M24) through the front door, over real objects: a node that lets preimages be read before their invoices
 * are paid sells nothing unpaid, and what was paid is good for ever, at the cost of one look-up.
 */
import { abortAllDurableObjects } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { MOST_LOOK_UPS_OF_CLIENT, LOOK_UP_WINDOW_MS, UNSETTLED_KEPT_MS } from '#gateway/payment/settlement.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Gateway } from '#src/config/config.ts';
import { type Claims, type Clock, type Lightning } from '#src/ports.ts';
import { deadNode } from '#support/fakes.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, from, openGateway, type DoorOptions } from './front-door.ts';

const routes: Gateway['routes'] = [
  { match: 'GET /call', service: 'call', priceSats: 1 },
  { match: 'GET /calls', service: 'calls', priceSats: 5, access: { calls: 5 } },
  { match: 'GET /credit', service: 'credit', priceSats: 1, access: { creditSats: 5 } },
  { match: 'GET /pass', service: 'pass', priceSats: 5, access: { seconds: 600 } },
];
const PATHS = ['/call', '/calls', '/credit', '/pass'];

interface Knobs {
  readonly settlement?: 'strict' | 'preimage';
  readonly state?: () => Promise<Awaited<ReturnType<Lightning['lookUp']>>>;
  readonly clock?: Clock;
}

/** A node whose preimages anyone can read at once. */
function startLeakyNode({ settlement = 'strict', state, clock = Date.now }: Knobs = {}) {
  const embedded = startEmbedded(clock);
  const looked: string[] = [];
  const mint: Lightning['mint'] = async (order) => ({ ...(await embedded.mint(order)), settlement });
  const lightning: Lightning = {
    mint,
    mintBatch: (orders) => Promise.all(orders.map(mint)),
    lookUp(paymentHash) {
      looked.push(formatHex(paymentHash));
      return state === undefined ? embedded.lookUp(paymentHash) : state();
    },
  };
  // Another node with its key can tell every preimage, and this one knows of no payment.
  const leak = (invoice: string) => startEmbedded(clock).pay(invoice);
  return { lightning, looked, leak, pay: embedded.pay };
}

function open(node: { lightning: Lightning }, gateway: Partial<Gateway> = {}, { parts, ...options }: DoorOptions = {}) {
  return openGateway({ routes, ...gateway }, { ...options, parts: { lightning: node.lightning, ...parts } });
}

const show = (authorization: string): RequestInit => ({ headers: { authorization } });

/** Status, code, and whether an invoice is offered. */
async function answerOf(response: Response) {
  return [response.status, await codeOf(response), response.headers.has('www-authenticate')];
}

const NOT_YET = [503, 'invoice_unsettled', false];
const NOT_KNOWN = [503, 'settlement_unknown', false];
const SERVED = [200, undefined, false];

describe('a node that leaks preimages', () => {
  it.each(PATHS)(
    'M24: sells nothing unpaid at %s: 503 without a second invoice, and the token is good once its invoice is paid',
    async (path) => {
      let nowMs = Date.now();
      const clock = () => nowMs;
      const node = startLeakyNode({ clock });
      const door = open(node, {}, { clock });
      let invoice = '';
      const authorization = await buy(door, path, (bought) => node.leak((invoice = bought)));
      for (let count = 0; count < 3; count++) {
        const response = await door.ask(path, show(authorization));
        expect(response.headers.get('retry-after')).toBe('5');
        expect(await answerOf(response)).toEqual(NOT_YET);
      }
      // The answer of the node is kept for a while, and then asked for again.
      expect(node.looked).toHaveLength(1);
      nowMs += UNSETTLED_KEPT_MS;
      expect(await answerOf(await door.ask(path, show(authorization)))).toEqual(NOT_YET);
      expect([node.looked.length, door.seen]).toEqual([2, []]);
      expect(authorization).toContain(node.pay(invoice));
      nowMs += UNSETTLED_KEPT_MS;
      expect(await answerOf(await door.ask(path, show(authorization)))).toEqual(SERVED);
      expect(door.seen).toEqual([path]);
    },
  );

  it('M24: sells nothing unpaid in a race, and one call in a race once it is paid', async () => {
    let nowMs = Date.now();
    const clock = () => nowMs;
    const node = startLeakyNode({ clock });
    const door = open(node, {}, { clock });
    let invoice = '';
    const authorization = await buy(door, '/call', (bought) => node.leak((invoice = bought)));
    const race = () => Promise.all(Array.from({ length: 10 }, () => door.ask('/call', show(authorization))));
    await race();
    expect(door.seen).toEqual([]);
    node.pay(invoice);
    nowMs += UNSETTLED_KEPT_MS;
    await race();
    expect(door.seen).toEqual(['/call']);
  });

  it('M24: is not believed less when the seller wrote preimage: what the bridge says can only be made stricter', async () => {
    const node = startLeakyNode();
    const door = open(node, { settlement: 'preimage' });
    expect(await answerOf(await door.ask('/call', show(await buy(door, '/call', node.leak))))).toEqual(NOT_YET);
  });

  it('M24: an open invoice whose uses were tried by many isolates gets none of them', async () => {
    const node = startLeakyNode();
    const authorization = await buy(open(node), '/calls', node.leak);
    const doors = Array.from({ length: 6 }, () => open(node));
    for (const door of doors) expect(await answerOf(await door.ask('/calls', show(authorization)))).toEqual(NOT_YET);
    expect(doors.flatMap(({ seen }) => seen)).toEqual([]);
  });
});

describe('a payment that was made', () => {
  const isDown = () => Promise.reject(new Error('down'));

  it.each(['/calls', '/credit'])(
    'M24: is looked up once at %s; the claim remembers it for every isolate, through a reset of its object',
    async (path) => {
      const node = startLeakyNode();
      const door = open(node);
      const authorization = await buy(door, path, node.pay);
      expect((await door.ask(path, show(authorization))).status).toBe(200);
      expect((await door.ask(path, show(authorization))).status).toBe(200);
      expect(node.looked).toHaveLength(1);
      await abortAllDurableObjects();
      const other = open(startLeakyNode({ state: isDown }));
      expect(await answerOf(await other.ask(path, show(authorization)))).toEqual(SERVED);
    },
  );

  it('M24: is looked up once an isolate for a pass, which has no claim', async () => {
    const node = startLeakyNode();
    const doors = [open(node), open(node)];
    const authorization = await buy(doors[0]!, '/pass', node.pay);
    for (const door of [...doors, ...doors]) expect((await door.ask('/pass', show(authorization))).status).toBe(200);
    expect(node.looked).toHaveLength(2);
  });

  it.each(PATHS)('M24: whose state cannot be known at %s gets 503 and no challenge, and is as good after as before', async (path) => {
    const node = startLeakyNode();
    const authorization = await buy(open(node), path, node.pay);
    const down = open(startLeakyNode({ state: isDown }));
    const response = await down.ask(path, show(authorization));
    expect(response.headers.get('retry-after')).toBe('5');
    expect(await answerOf(response)).toEqual(NOT_KNOWN);
    expect(down.logged).toContainEqual(['fault', { at: 'lightning.lookUp', message: 'down' }]);
    expect(await answerOf(await open(node).ask(path, show(authorization)))).toEqual(SERVED);
  });

  it('M24: that is used up is 402 with an invoice, as ever', async () => {
    const node = startLeakyNode();
    const door = open(node);
    const authorization = await buy(door, '/call', node.pay);
    await door.ask('/call', show(authorization));
    expect(await answerOf(await door.ask('/call', show(authorization)))).toEqual([402, 'payment_spent', true]);
    expect(node.looked).toHaveLength(1);
  });
});

describe('an invoice that has ended without a payment', () => {
  it.each(PATHS)('M24: is answered with a fresh challenge at %s', async (path) => {
    const node = startLeakyNode({ state: () => Promise.resolve('gone') });
    const door = open(node);
    const authorization = await buy(door, path, node.leak);
    expect(await answerOf(await door.ask(path, show(authorization)))).toEqual([402, 'invoice_gone', true]);
    expect(door.seen).toEqual([]);
  });

  it('M24: does not hide a good payment that is shown beside it', async () => {
    const dead = startLeakyNode({ state: () => Promise.resolve('gone') });
    const door = open(dead);
    const good = await makeToken({ service: 'call' });
    const both = `${await buy(door, '/call', dead.leak)}, ${good.authorization}`;
    expect(await answerOf(await door.ask('/call', show(both)))).toEqual(SERVED);
  });
});

describe('tokens that were sold', () => {
  it('M24: stay as they were sold, whatever is configured later', async () => {
    const node = startLeakyNode({ settlement: 'preimage' });
    const lenient = open(node, { settlement: 'preimage' });
    const strict = open(node, { settlement: 'strict' });
    const soldStrictly = await buy(strict, '/call', node.leak);
    const soldLeniently = await buy(lenient, '/call', node.leak);
    expect(await answerOf(await lenient.ask('/call', show(soldStrictly)))).toEqual(NOT_YET);
    expect(await answerOf(await strict.ask('/call', show(soldLeniently)))).toEqual(SERVED);
    expect(node.looked).toHaveLength(1);
  });

  it.each(PATHS)('M24: cost a node that does not leak nothing: no look-up, and one claim at most at %s', async (path) => {
    const node = startLeakyNode({ settlement: 'preimage' });
    const orders: Parameters<Claims['reserve']>[0][] = [];
    const lease = { finish: () => Promise.resolve() };
    const reserve: Claims['reserve'] = (order) => {
      orders.push(order);
      return Promise.resolve({ kind: 'granted', remaining: 0, left: [], lease });
    };
    const door = open(node, {}, { parts: { claims: { reserve } } });
    expect((await door.ask(path, show(await buy(door, path, node.pay)))).status).toBe(200);
    expect(node.looked).toEqual([]);
    expect(orders.map((order) => 'settlement' in order)).toEqual(path === '/pass' ? [] : [false]);
  });
});

describe('look-ups', () => {
  it('M24: of one client that find nothing are bounded; another client, and those who have paid, are not kept out by them', async () => {
    let nowMs = Date.now();
    const clock = () => nowMs;
    const paid = new Set<string>();
    const looked: string[] = [];
    const lookUp: Lightning['lookUp'] = async (hash) => {
      looked.push(formatHex(hash));
      return paid.has(formatHex(hash)) ? 'settled' : 'open';
    };
    const door = open({ lightning: { ...deadNode, lookUp } }, {}, { clock });
    const make = () => makeToken({ service: 'call', terms: { settlement: 'strict' } });
    const use = async ({ authorization }: { authorization: string }, address: string) =>
      codeOf(await door.ask('/call', from(address, { authorization })));
    const payer = async () => {
      const token = await make();
      paid.add(formatHex(token.paymentHash));
      return token;
    };
    for (let count = 0; count < MOST_LOOK_UPS_OF_CLIENT + 5; count++) expect(await use(await payer(), '192.0.2.1')).toBeUndefined();
    looked.length = 0;
    for (let count = 0; count < MOST_LOOK_UPS_OF_CLIENT; count++) expect(await use(await make(), '192.0.2.1')).toBe('invoice_unsettled');
    expect(await use(await make(), '192.0.2.1')).toBe('settlement_unknown');
    expect(looked).toHaveLength(MOST_LOOK_UPS_OF_CLIENT);
    expect(await use(await payer(), '198.51.100.1')).toBeUndefined();
    nowMs += LOOK_UP_WINDOW_MS;
    expect(await use(await payer(), '192.0.2.1')).toBeUndefined();
  });
});
