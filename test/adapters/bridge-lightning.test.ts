/* The Lightning port against the bridge's own server, over real sockets, and against servers that are not it. */
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createBridgeLightning } from '#adapters/bridge-lightning.ts';
import { signAnswer } from '#lnd-bridge/request-auth.ts';
import { formatHex } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { msat } from '#protocol/msat.ts';
import { createTestClock, createTestNode, KEY, START_SECONDS, startTestBridge } from '../lnd-bridge/bridge-harness.ts';

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const order = { amountMsat: msat(1000n), memo: 'a call', expirySeconds: 600, idempotencyKey: 'a1'.repeat(16) };

async function startSystem() {
  const clock = createTestClock();
  const node = createTestNode(clock);
  const bridge = await startTestBridge({ node, clock });
  const lightning = createBridgeLightning({ url: bridge.url, key: KEY, clock: () => clock.nowSeconds() * 1000, random });
  return { clock, node, lightning };
}

function hashOf(invoice: string): Uint8Array {
  const facts = parseInvoice(invoice);
  if (!facts.ok) throw new Error(facts.refusal.code);
  return facts.value.paymentHash;
}

describe('an invoice that the bridge is asked about', () => {
  it('M24: is open, then settled', async () => {
    const { node, lightning } = await startSystem();
    const { invoice, settlement } = await lightning.mint(order);
    expect(settlement).toBe('preimage');
    expect(await lightning.lookUp(hashOf(invoice))).toBe('open');
    node.pay(invoice);
    expect(await lightning.lookUp(hashOf(invoice))).toBe('settled');
  });

  it('M24: is gone when it has expired unpaid', async () => {
    const { clock, lightning } = await startSystem();
    const { invoice } = await lightning.mint(order);
    clock.set(START_SECONDS + 600);
    expect(await lightning.lookUp(hashOf(invoice))).toBe('gone');
  });

  it('M24: is not known to be anything when the node does not know it', async () => {
    const { lightning } = await startSystem();
    await expect(lightning.lookUp(random(32))).rejects.toThrow('404');
  });
});

describe('invoices that are made beforehand', () => {
  const orders = (count: number, memo = 'a call') =>
    Array.from({ length: count }, (_, index) => ({ ...order, memo: `${memo} ${index}`, idempotencyKey: formatHex(random(16)) }));

  it('M23: come in one request, each to its order', async () => {
    const { lightning } = await startSystem();
    const minted = await lightning.mintBatch(orders(50));
    const facts = minted.map((one) => parseInvoice(one?.invoice ?? ''));
    expect(facts.map((one) => one.ok && one.value.description)).toEqual(orders(50).map(({ memo }) => memo));
    expect(minted.every((one) => one?.settlement === 'preimage')).toBe(true);
  });

  it('are as many as one request to a bridge holds, and nothing for the others', async () => {
    const { lightning } = await startSystem();
    for (const memo of ['x'.repeat(600), '\u{1f426}'.repeat(150)]) {
      const minted = await lightning.mintBatch(orders(50, memo));
      const made = minted.filter((one) => one !== undefined).length;
      expect([minted.length, made > 15 && made < 30, minted.slice(made).every((one) => one === undefined)]).toEqual([50, true, true]);
    }
    expect((await lightning.mintBatch(orders(60))).slice(50)).toEqual(Array.from({ length: 10 }));
  });

  it('are missing where the node refused, and an error when there are none', async () => {
    const { lightning } = await startSystem();
    const [one, two] = orders(2) as [ReturnType<typeof orders>[0], ReturnType<typeof orders>[0]];
    const minted = await lightning.mintBatch([one, { ...two, amountMsat: msat(0n) }]);
    expect(minted.map((each) => each === undefined)).toEqual([false, true]);
    await expect(lightning.mintBatch([{ ...two, amountMsat: msat(0n) }])).rejects.toThrow('400');
  });
});

describe('a bridge behind a binding', () => {
  it('M28: gets the same signed requests through it, and its answers are checked the same', async () => {
    const clock = createTestClock();
    const bridge = await startTestBridge({ node: createTestNode(clock), clock });
    const asked: string[] = [];
    const binding = {
      fetch(address: string, init: RequestInit) {
        asked.push(address);
        return fetch(address.replace('http://bridge.internal', bridge.url), init);
      },
    };
    const options = { url: 'http://bridge.internal', binding, key: KEY, clock: () => clock.nowSeconds() * 1000, random };
    const { invoice } = await createBridgeLightning(options).mint(order);
    expect(asked).toEqual(['http://bridge.internal/v1/invoices']);
    expect(await createBridgeLightning(options).lookUp(hashOf(invoice))).toBe('open');
    const other = { ...options, key: { id: 'k1', secret: new Uint8Array(32).fill(1) } };
    await expect(createBridgeLightning(other).mint(order)).rejects.toThrow('signature');
  });
});

describe('an answer to a look-up', () => {
  const hash = random(32);
  const settled = { paymentHashHex: Buffer.from(hash).toString('hex'), state: 'settled' };

  async function answerWith(body: object, { isSigned = true } = {}) {
    const server = createServer((request, response) => {
      const nonceHex = String(request.headers['x-l402-bridge-nonce']);
      const text = JSON.stringify(body);
      response.writeHead(200, isSigned ? signAnswer({ status: 200, body: text, nonceHex }, KEY) : {}).end(text);
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return createBridgeLightning({ url, key: KEY, clock: () => START_SECONDS * 1000, random }).lookUp(hash);
  }

  it('M28: is believed when it is signed and of the contract', async () => {
    expect(await answerWith(settled)).toBe('settled');
  });

  it('M24 M28: is no answer when it is unsigned, about another invoice, or says more than the contract', async () => {
    await expect(answerWith(settled, { isSigned: false })).rejects.toThrow('signature');
    await expect(answerWith({ ...settled, paymentHashHex: 'ab'.repeat(32) })).rejects.toThrow('another invoice');
    await expect(answerWith({ ...settled, preimage: 'ab'.repeat(32) })).rejects.toThrow('contract');
    await expect(answerWith({ ...settled, state: 'paid' })).rejects.toThrow('contract');
  });
});
