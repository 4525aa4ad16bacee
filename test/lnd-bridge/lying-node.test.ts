import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { encodeInvoice } from '#lnd-bridge/nodes/bolt11-encode.ts';
import { type InvoiceOrder, type InvoiceState, type LightningNode, type MintedInvoice } from '#lnd-bridge/ports.ts';
import { encodeAscii, formatHex } from '#protocol/bytes.ts';
import { msat } from '#protocol/msat.ts';
import { accept, refuse } from '#protocol/result.ts';
import { anOrder, createTestClock, createTestNode, START_SECONDS, startTestBridge, type CallAnswer } from './bridge-harness.ts';

const OUR_KEY = sha256(encodeAscii('node'));
const FOREIGN_KEY = sha256(encodeAscii('foreign node'));
const PREIMAGE = sha256(encodeAscii('preimage'));
const HASH = sha256(PREIMAGE);

/** What an honest node would answer; each test bends one thing. */
function honest(
  order: InvoiceOrder,
  changes: { secretKey?: Uint8Array; createdAtSeconds?: number } & Partial<InvoiceOrder> = {},
): MintedInvoice {
  const { secretKey = OUR_KEY, createdAtSeconds = START_SECONDS } = changes;
  const { amountMsat, memo, expirySeconds } = { ...order, ...changes };
  const draft = { amountMsat, paymentHash: HASH, paymentSecret: HASH, description: memo, createdAtSeconds, expirySeconds };
  return { invoice: encodeInvoice(draft, secretKey), paymentHashHex: formatHex(HASH), expiresAtSeconds: createdAtSeconds + expirySeconds };
}

async function mintAt(mint: (order: InvoiceOrder) => MintedInvoice, changes: Partial<LightningNode> = {}): Promise<CallAnswer> {
  const clock = createTestClock();
  const node: LightningNode = { ...createTestNode(clock), mint: async (order) => accept(mint(order)), ...changes };
  const { call } = await startTestBridge({ node, clock });
  return call({ body: anOrder() });
}

const REFUSED = { status: 502, body: { code: 'node_answer_wrong' }, isSigned: true };

describe('M23 the answer of a node is held against the order', () => {
  test('an honest one passes', async () => {
    expect(await mintAt((order) => honest(order))).toMatchObject({ status: 200, isSigned: true });
  });

  test('an invoice that another node signed is refused', async () => {
    expect(await mintAt((order) => honest(order, { secretKey: FOREIGN_KEY }))).toMatchObject(REFUSED);
  });

  test('a backend that cannot tell its key is taken at its word about the signer, and about nothing else', async () => {
    const blind: Partial<LightningNode> = { nodeKeyHex: async () => accept(undefined) };
    expect((await mintAt((order) => honest(order, { secretKey: FOREIGN_KEY }), blind)).status).toBe(200);
    expect(await mintAt((order) => honest(order, { amountMsat: msat(1n) }), blind)).toMatchObject(REFUSED);
  });

  test('another amount, memo, life or hash is refused', async () => {
    expect(await mintAt((order) => honest(order, { amountMsat: msat(order.amountMsat + 1n) }))).toMatchObject(REFUSED);
    expect(await mintAt((order) => honest(order, { memo: 'other' }))).toMatchObject(REFUSED);
    expect(await mintAt((order) => honest(order, { expirySeconds: order.expirySeconds + 1 }))).toMatchObject(REFUSED);
    expect(await mintAt((order) => ({ ...honest(order), paymentHashHex: formatHex(sha256(HASH)) }))).toMatchObject(REFUSED);
    expect(await mintAt((order) => ({ ...honest(order), expiresAtSeconds: START_SECONDS + 9999 }))).toMatchObject(REFUSED);
  });

  test('an invoice that is over, or from the future, is refused', async () => {
    expect(await mintAt((order) => honest(order, { createdAtSeconds: START_SECONDS - order.expirySeconds }))).toMatchObject(REFUSED);
    expect(await mintAt((order) => honest(order, { createdAtSeconds: START_SECONDS + 61 }))).toMatchObject(REFUSED);
  });

  test('another network, no invoice at all, a damaged one: refused', async () => {
    // From the specification: a mainnet invoice.
    const mainnet =
      'lnbc20m1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqhp58yjmdan79s6qqdhdzgynm4zwqd5d7xmw5fk98klysy043l2ahrqs9qrsgq7ea976txfraylvgzuxs8kgcw23ezlrszfnh8r6qtfpr6cxga50aj6txm9rxrydzd06dfeawfk6swupvz4erwnyutnjq7x39ymw6j38gp7ynn44';
    expect(await mintAt((order) => ({ ...honest(order), invoice: mainnet }))).toMatchObject(REFUSED);
    expect(await mintAt((order) => ({ ...honest(order), invoice: '' }))).toMatchObject(REFUSED);
    expect(await mintAt((order) => ({ ...honest(order), invoice: honest(order).invoice.slice(0, -1) }))).toMatchObject(REFUSED);
  });

  test('M28 an answer with a preimage in it is refused whole', async () => {
    const leaking = await mintAt((order) => Object.assign(honest(order), { preimageHex: formatHex(PREIMAGE) }));
    expect(leaking).toMatchObject(REFUSED);
    expect(JSON.stringify(leaking.body)).not.toContain(formatHex(PREIMAGE));
  });

  test('M28 a look-up with a preimage in it is refused whole', async () => {
    const clock = createTestClock();
    const state: InvoiceState = Object.assign({ paymentHashHex: formatHex(HASH), state: 'open' } as const, {
      r_preimage: formatHex(PREIMAGE),
    });
    const { call } = await startTestBridge({ node: { ...createTestNode(clock), lookUp: async () => accept(state) }, clock });
    const looked = await call({ method: 'GET', path: `/v1/invoices/${formatHex(HASH)}` });
    expect(looked).toMatchObject(REFUSED);
    expect(JSON.stringify(looked.body)).not.toContain(formatHex(PREIMAGE));
    expect(await call({ method: 'GET', path: `/v1/invoices/${'ab'.repeat(32)}` })).toMatchObject(REFUSED);
  });
});

describe('a node in trouble', () => {
  test('that throws is answered for with 503, and what it said is logged without anything that looks like a secret', async () => {
    const clock = createTestClock();
    const secret = formatHex(PREIMAGE);
    const node: LightningNode = {
      ...createTestNode(clock),
      mint: () => Promise.reject(new Error(`ECONNREFUSED r_preimage=${secret}`)),
    };
    const { call, logged } = await startTestBridge({ node, clock });
    const answer = await call({ body: anOrder() });
    expect(answer).toMatchObject({ status: 503, body: { code: 'node_unavailable' }, isSigned: true });
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(logged.map(({ event }) => event)).toEqual(['fault', 'request_refused']);
    expect(JSON.stringify(logged)).toContain('ECONNREFUSED');
    expect(JSON.stringify([logged, answer.body])).not.toContain(secret);
  });

  test('that refuses is answered for by the reason it gives', async () => {
    const refusing = (code: 'node_unavailable' | 'order_refused'): Partial<LightningNode> => ({
      mint: async () => refuse({ code, detail: 'no' }),
    });
    expect(await mintAt(honest, refusing('node_unavailable'))).toMatchObject({ status: 503, isSigned: true });
    expect(await mintAt(honest, refusing('order_refused'))).toMatchObject({ status: 400, isSigned: true });
  });

  test('that knows satoshi only is never asked for a part of one', async () => {
    const coarse: Partial<LightningNode> = { smallestMsat: msat(3000n) };
    expect(await mintAt(honest, coarse)).toMatchObject({ status: 400, body: { code: 'amount_invalid' } });
  });
});
