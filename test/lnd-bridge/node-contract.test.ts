/*
 * What every backend must hold, whatever its wire looks like. The real ones talk to servers that speak as the nodes do,
 * traps included; none of these servers is the real thing, and docs/bridge.md says so.
 */
import { describe, expect, test } from 'vitest';
import { recoverSigner } from '#lnd-bridge/invoice-signature.ts';
import { formatHex } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { msat } from '#protocol/msat.ts';
import { BACKENDS, check, mint, order, startPortBackend } from './backends.ts';
import { START_SECONDS } from './bridge-harness.ts';

const UNKNOWN_HASH = '12'.repeat(32);
const used = { ok: false, refusal: { code: 'idempotency_key_used' } };

describe.each([...BACKENDS, 'embedded'] as const)('F1 F5 the port on the %s backend', (kind) => {
  test('rule 1: mints what was ordered, for the hash it states, signed by its own key', async () => {
    const backend = await startPortBackend(kind);
    const minted = await mint(check(backend));
    const facts = parseInvoice(minted.invoice);
    if (!facts.ok) throw new Error(facts.refusal.code);
    expect(facts.value).toMatchObject({ amountMsat: 10_000n, description: 'weather in Zürich', network: 'regtest' });
    expect(formatHex(facts.value.paymentHash)).toBe(minted.paymentHashHex);
    expect(minted.expiresAtSeconds).toBe(START_SECONDS + 600);
    const signer = await backend.node.nodeKeyHex();
    expect(signer.ok && signer.value).toBe(formatHex(recoverSigner(minted.invoice)!));
  });

  test('rule 2: an amount that the node cannot hold exactly is refused, never rounded', async () => {
    const backend = await startPortBackend(kind);
    const { node } = backend;
    const odd = await node.mint(order({ amountMsat: msat(1_500n) }));
    if (node.smallestMsat === 1n) {
      expect(odd.ok && parseInvoice(odd.value.invoice)).toMatchObject({ value: { amountMsat: 1_500n } });
    } else {
      expect(odd).toMatchObject({ ok: false, refusal: { code: 'order_refused' } });
    }
    const large = msat(2_099_999_999_999_999_000n);
    const minted = await node.mint(order({ amountMsat: large }));
    expect(minted.ok && parseInvoice(minted.value.invoice)).toMatchObject({ value: { amountMsat: large } });
  });

  test('rule 6: takes and gives payment hashes as hex, whatever the wire holds', async () => {
    const backend = await startPortBackend(kind);
    const { paymentHashHex } = await mint(backend.node);
    expect(paymentHashHex).toMatch(/^[0-9a-f]{64}$/);
    expect(await check(backend).lookUp(paymentHashHex)).toEqual({ ok: true, value: { paymentHashHex, state: 'open' } });
  });

  test('rule 7: a key is used up by another order and by payment', async () => {
    const { node, settle } = await startPortBackend(kind);
    const ordered = order();
    const minted = await node.mint(ordered);
    for (const other of [{ amountMsat: msat(11_000n) }, { memo: 'other' }, { expirySeconds: 601 }]) {
      expect(await node.mint({ ...ordered, ...other })).toMatchObject(used);
    }
    if (minted.ok) settle(minted.value);
    expect(await node.mint(ordered)).toMatchObject(used);
  });

  test('tells settled with amount and time, expired, and unknown', async () => {
    const { node, settle, clock } = await startPortBackend(kind);
    const paid = await mint(node);
    const late = await mint(node);
    clock.set(START_SECONDS + 30);
    settle(paid);
    const settled = { paymentHashHex: paid.paymentHashHex, state: 'settled', paidMsat: 10_000n, settledAtSeconds: START_SECONDS + 30 };
    expect(await node.lookUp(paid.paymentHashHex)).toEqual({ ok: true, value: settled });
    clock.set(START_SECONDS + 600);
    expect(await node.lookUp(late.paymentHashHex)).toEqual({ ok: true, value: { paymentHashHex: late.paymentHashHex, state: 'expired' } });
    expect(await node.lookUp(UNKNOWN_HASH)).toMatchObject({ ok: false, refusal: { code: 'invoice_unknown' } });
  });

  test('waits until the invoice is settled, or until it is told to stop', async () => {
    const { node, settle } = await startPortBackend(kind);
    const minted = await mint(node);
    const waiting = node.waitSettled(minted.paymentHashHex, { signal: new AbortController().signal });
    setImmediate(() => settle(minted));
    expect(await waiting).toMatchObject({ ok: true, value: { state: 'settled', paidMsat: 10_000n } });
    const open = await mint(node);
    const stop = new AbortController();
    const stopped = node.waitSettled(open.paymentHashHex, { signal: stop.signal });
    setImmediate(() => stop.abort());
    expect(await stopped).toEqual({ ok: true, value: { paymentHashHex: open.paymentHashHex, state: 'open' } });
    const never = node.waitSettled(UNKNOWN_HASH, { signal: new AbortController().signal });
    expect(await never).toMatchObject({ ok: false, refusal: { code: 'invoice_unknown' } });
  });

  test('M24 says whether a preimage proves payment', async () => {
    expect((await startPortBackend(kind)).node.settlement).toBe('preimage');
  });
});
