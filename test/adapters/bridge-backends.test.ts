/*
 * From the gateway's port through the bridge to every backend, over real sockets: an invoice is had, and its state is told.
 */
import { describe, expect, it } from 'vitest';
import { createBridgeLightning } from '#adapters/bridge-lightning.ts';
import { formatHex } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { msat } from '#protocol/msat.ts';
import { BACKENDS, startPortBackend } from '../lnd-bridge/backends.ts';
import { KEY, START_SECONDS, startTestBridge } from '../lnd-bridge/bridge-harness.ts';

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const order = () => ({ amountMsat: msat(21_000n), memo: 'a call', expirySeconds: 600, idempotencyKey: formatHex(random(16)) });

describe.each([...BACKENDS, 'embedded'] as const)('the gateway before a bridge with the %s backend', (kind) => {
  async function start() {
    const { node, clock, settle } = await startPortBackend(kind);
    const bridge = await startTestBridge({ node, clock });
    const lightning = createBridgeLightning({ url: bridge.url, key: KEY, clock: () => clock.nowSeconds() * 1000, random });
    return { lightning, clock, settle };
  }
  const factsOf = (invoice: string) => {
    const facts = parseInvoice(invoice);
    if (!facts.ok) throw new Error(facts.refusal.code);
    return facts.value;
  };

  it('F1 F5: gets an invoice as ordered, and learns when it is paid', async () => {
    const { lightning, settle } = await start();
    const { invoice, settlement } = await lightning.mint(order());
    const facts = factsOf(invoice);
    expect([facts.amountMsat, facts.description, facts.network, settlement]).toEqual([21_000n, 'a call', 'regtest', 'preimage']);
    expect(await lightning.lookUp(facts.paymentHash)).toBe('open');
    settle({ invoice, paymentHashHex: formatHex(facts.paymentHash), expiresAtSeconds: facts.expiresAtSeconds });
    expect(await lightning.lookUp(facts.paymentHash)).toBe('settled');
  });

  it('F1 M24: learns that an invoice has ended unpaid, and nothing of one that the node does not know', async () => {
    const { lightning, clock } = await start();
    const { paymentHash } = factsOf((await lightning.mint(order())).invoice);
    clock.set(START_SECONDS + 600);
    expect(await lightning.lookUp(paymentHash)).toBe('gone');
    await expect(lightning.lookUp(random(32))).rejects.toThrow('404');
  });
});
