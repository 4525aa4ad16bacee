import { createHash } from 'node:crypto';
import { bech32 } from '@scure/base';
import * as fc from 'fast-check';
import { recover } from 'tiny-secp256k1';
import { describe, expect, test } from 'vitest';
import { MintRequest } from '#lnd-bridge/contract.ts';
import { createEmbeddedNode } from '#lnd-bridge/nodes/embedded.ts';
import { encodeInvoice, readPaymentSecret } from '#lnd-bridge/nodes/bolt11-encode.ts';
import { findMintedFlaw } from '#lnd-bridge/minted-check.ts';
import { type InvoiceOrder, type MintedInvoice } from '#lnd-bridge/ports.ts';
import { formatHex } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { LARGEST_MSAT, type Msat, msat } from '#protocol/msat.ts';
import { createTestClock, createTestNode, nextNonceHex, START_SECONDS } from './bridge-harness.ts';

function order(changes: Partial<InvoiceOrder> = {}): InvoiceOrder {
  return { amountMsat: msat(10_000n), memo: 'weather', expirySeconds: 600, idempotencyKey: nextNonceHex(), ...changes };
}

async function mint(node: ReturnType<typeof createTestNode>, changes: Partial<InvoiceOrder> = {}): Promise<MintedInvoice> {
  const minted = await node.mint(order(changes));
  if (!minted.ok) throw new Error(minted.refusal.code);
  return minted.value;
}

/** The signed bytes, packed bit by bit from the specification's words and not by the code under test. */
function signedHash(invoice: string): { hash: Uint8Array; signature: Uint8Array; recovery: 0 | 1 | 2 | 3 } {
  const { prefix, words } = bech32.decode(invoice as `ln1${string}`, false);
  const bits = (part: number[]): string => part.map((word) => word.toString(2).padStart(5, '0')).join('');
  const pack = (text: string): Uint8Array =>
    Uint8Array.from(text.match(/.{1,8}/g) ?? [], (byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
  const signature = pack(bits(words.slice(-104)));
  const message = Buffer.concat([Buffer.from(prefix, 'ascii'), pack(bits(words.slice(0, -104)))]);
  const hash = new Uint8Array(createHash('sha256').update(message).digest());
  return { hash, signature: signature.slice(0, 64), recovery: signature[64] as 0 | 1 | 2 | 3 };
}

const EDGES: readonly bigint[] = [
  1n,
  9n,
  10n,
  99n,
  100n,
  101n,
  999n,
  1_000n,
  1_001n,
  99_999n,
  100_000n,
  100_001n,
  99_999_999n,
  100_000_000n,
  100_000_001n,
  99_999_999_999n,
  100_000_000_000n,
  100_000_000_001n,
  LARGEST_MSAT - 1n,
  LARGEST_MSAT,
];
const anAmount = fc.oneof(
  fc.constantFrom(...EDGES),
  fc.bigInt({ min: 1n, max: LARGEST_MSAT }),
  fc.tuple(fc.bigInt({ min: 1n, max: 21_000n }), fc.constantFrom(1n, 100n, 100_000n, 100_000_000n)).map(([count, unit]) => count * unit),
);

describe('an invoice of the embedded node', () => {
  const clock = createTestClock();

  test('is signed by the node key: an independent library recovers it', async () => {
    const node = createTestNode(clock);
    for (const amount of EDGES) {
      const { invoice } = await mint(node, { amountMsat: amount as Msat });
      const { hash, signature, recovery } = signedHash(invoice);
      expect(formatHex(recover(hash, signature, recovery, true)!)).toBe(node.publicKeyHex);
    }
  });

  test('reads back as what was ordered, for every amount, memo and end', async () => {
    const node = createTestNode(clock, { ledgerCapacity: 100_000 });
    const aMemo = fc.string({ unit: 'binary', maxLength: 200 }).filter((memo) => MintRequest.shape.memo.safeParse(memo).success);
    await fc.assert(
      fc.asyncProperty(anAmount, aMemo, fc.integer({ min: 60, max: 31_536_000 }), async (amount, memo, expirySeconds) => {
        const ordered = order({ amountMsat: msat(amount), memo, expirySeconds });
        const minted = await mint(node, ordered);
        const facts = parseInvoice(minted.invoice);
        if (!facts.ok) throw new Error(facts.refusal.code);
        expect(facts.value).toMatchObject({ network: 'regtest', amountMsat: amount, description: memo, createdAtSeconds: START_SECONDS });
        expect(facts.value.expiresAtSeconds).toBe(START_SECONDS + expirySeconds);
        expect(formatHex(facts.value.paymentHash)).toBe(minted.paymentHashHex);
        const expected = { order: ordered, network: 'regtest', nowSeconds: START_SECONDS, maxSkewSeconds: 60 } as const;
        expect(findMintedFlaw(minted, { ...expected, nodeKeyHex: node.publicKeyHex })).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  test('holds the longest memo that BOLT 11 can hold', async () => {
    const memo = 'ü'.repeat(319) + 'x';
    const facts = parseInvoice((await mint(createTestNode(clock), { memo })).invoice);
    expect(facts.ok && facts.value.description).toBe(memo);
    expect(MintRequest.shape.memo.safeParse(memo).success).toBe(true);
    expect(MintRequest.shape.memo.safeParse(`${memo}x`).success).toBe(false);
  });

  test('asks in the shortest unit and carries the fields and feature bits of LND', async () => {
    const node = createTestNode(clock);
    const prefixes: Record<string, string> = { '1': '10p', '100': '1n', '100000': '1u', '100000000': '1m', '200000000000': '2' };
    for (const [amount, text] of Object.entries(prefixes)) {
      const { invoice } = await mint(node, { amountMsat: msat(BigInt(amount)) });
      expect(invoice.slice(0, invoice.lastIndexOf('1'))).toBe(`lnbcrt${text}`);
      // cltv 80, expiry 600; bits 8, 14, 17 and 25: the same letters that end every LND invoice of today.
      expect(invoice).toMatch(/cqzzsxqzjcsp5[a-z0-9]{52}9qxpqysgq[a-z0-9]{104}[a-z0-9]{6}$/);
    }
  });

  test('M23 500 mints have 500 payment hashes', async () => {
    const node = createTestNode(clock);
    const hashes = new Set<string>();
    for (let count = 0; count < 500; count++) hashes.add((await mint(node)).paymentHashHex);
    expect(hashes.size).toBe(500);
  });
});

describe('minting at the embedded node', () => {
  test('M23 repeats the invoice for the same key and order, as long as it is open', async () => {
    const clock = createTestClock();
    const node = createTestNode(clock);
    const ordered = order();
    const first = await node.mint(ordered);
    clock.set(START_SECONDS + 599);
    expect(await node.mint(ordered)).toEqual(first);
    clock.set(START_SECONDS + 600);
    expect(await node.mint(ordered)).toMatchObject({ ok: false, refusal: { code: 'idempotency_key_used' } });
  });

  test('M23 refuses a key that was used for another order, or whose invoice is paid', async () => {
    const node = createTestNode(createTestClock());
    const ordered = order();
    const { invoice } = await mint(node, ordered);
    for (const other of [{ amountMsat: msat(1n) }, { memo: 'other' }, { expirySeconds: 601 }]) {
      expect(await node.mint({ ...ordered, ...other })).toMatchObject({ ok: false, refusal: { code: 'idempotency_key_used' } });
    }
    expect(node.pay(invoice).ok).toBe(true);
    expect(await node.mint(ordered)).toMatchObject({ ok: false, refusal: { code: 'idempotency_key_used' } });
  });

  test('a full ledger makes the node unavailable and overwrites nothing', async () => {
    const clock = createTestClock();
    const node = createTestNode(clock, { ledgerCapacity: 2 });
    const paid = await mint(node);
    const open = await mint(node);
    node.pay(paid.invoice);
    expect(await node.mint(order())).toMatchObject({ ok: false, refusal: { code: 'node_unavailable' } });
    expect(await node.lookUp(paid.paymentHashHex)).toMatchObject({ ok: true, value: { state: 'settled' } });
    expect(await node.lookUp(open.paymentHashHex)).toMatchObject({ ok: true, value: { state: 'open' } });
  });

  test('an unpaid invoice leaves the ledger 10 minutes after its end, a paid one 48 hours after payment', async () => {
    const clock = createTestClock();
    const node = createTestNode(clock, { ledgerCapacity: 2 });
    const paid = await mint(node);
    const open = await mint(node);
    node.pay(paid.invoice);
    clock.set(START_SECONDS + 1199);
    expect((await node.mint(order())).ok).toBe(false);
    expect(await node.lookUp(open.paymentHashHex)).toMatchObject({ ok: true, value: { state: 'expired' } });
    clock.set(START_SECONDS + 1200);
    expect((await node.mint(order({ expirySeconds: 31_536_000 }))).ok).toBe(true);
    expect(await node.lookUp(open.paymentHashHex)).toMatchObject({ ok: false, refusal: { code: 'invoice_unknown' } });
    clock.set(START_SECONDS + 48 * 3600 - 1);
    expect((await node.mint(order())).ok).toBe(false);
    clock.set(START_SECONDS + 48 * 3600);
    expect((await node.mint(order())).ok).toBe(true);
    expect((await node.lookUp(paid.paymentHashHex)).ok).toBe(false);
  });

  test('a look-up tells state, amount and time of payment, and no preimage', async () => {
    const node = createTestNode(createTestClock());
    const { invoice, paymentHashHex } = await mint(node);
    expect(await node.lookUp(paymentHashHex)).toEqual({ ok: true, value: { paymentHashHex, state: 'open' } });
    node.pay(invoice);
    const value = { paymentHashHex, state: 'settled', paidMsat: 10_000n, settledAtSeconds: START_SECONDS };
    expect(await node.lookUp(paymentHashHex)).toEqual({ ok: true, value });
  });
});

describe('an invoice from before a restart', () => {
  const restart = (secretKey = KEY) =>
    createEmbeddedNode({ secretKey, clock: createTestClock(), random: (length) => crypto.getRandomValues(new Uint8Array(length)) });
  const KEY = new Uint8Array(32).fill(0x42);

  test('M44: is paid by a node with the same key, once, with the preimage that it was made over', async () => {
    const { invoice, paymentHashHex } = await mint(restart());
    const after = restart();
    const paid = after.pay(invoice);
    if (!paid.ok) throw new Error(paid.refusal.code);
    expect(createHash('sha256').update(Buffer.from(paid.value.preimageHex, 'hex')).digest('hex')).toBe(paymentHashHex);
    expect(after.pay(invoice)).toEqual(paid);
    expect(await after.lookUp(paymentHashHex)).toMatchObject({ ok: true, value: { state: 'settled' } });
  });

  test('M44: is not paid by a node with another key, nor one that somebody else has signed over the same hash', async () => {
    const { invoice } = await mint(restart());
    const refused = { ok: false, refusal: { code: 'invoice_unknown' } };
    expect(restart(new Uint8Array(32).fill(0x43)).pay(invoice)).toMatchObject(refused);
    const facts = parseInvoice(invoice);
    if (!facts.ok) throw new Error(facts.refusal.code);
    const { paymentHash, createdAtSeconds, description = '' } = facts.value;
    const forged = encodeInvoice(
      { amountMsat: msat(1n), paymentHash, paymentSecret: readPaymentSecret(invoice)!, description, createdAtSeconds, expirySeconds: 600 },
      new Uint8Array(32).fill(0x44),
    );
    expect(restart().pay(forged)).toMatchObject(refused);
  });

  test('tells no secret of another invoice: each has a preimage and a payment secret of its own', async () => {
    const node = restart();
    const minted = await Promise.all(Array.from({ length: 50 }, () => mint(node)));
    expect(new Set(minted.map(({ paymentHashHex }) => paymentHashHex)).size).toBe(50);
    expect(new Set(minted.map(({ invoice }) => formatHex(readPaymentSecret(invoice)!))).size).toBe(50);
  });
});
