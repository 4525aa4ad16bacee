/*
 * Invoices made beforehand, over real sockets: raw workerd, the bridge in front of its embedded node, and no bridge.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { formatHex } from '#protocol/bytes.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';

let system: TestSystem;

beforeAll(async () => {
  // The second one has the same objects, and nobody to ask for an invoice.
  system = await startTestSystem([
    { name: 'gateway' },
    { name: 'bridgeless', claimsOf: 'gateway', variables: { BRIDGE_URL: 'http://127.0.0.1:1' } },
  ]);
});
afterAll(() => system.close());

/** Payment hashes of every invoice that the bridge has made until now. */
const minted = () =>
  new Set(
    system.lines
      .filter((line) => line.includes('"invoice_minted"'))
      .map((line) => (JSON.parse(line) as { paymentHashHex: string }).paymentHashHex),
  );

/** Asks for an invoice, and tells whether it was there before. */
async function ask(gateway = 'gateway') {
  const before = minted();
  const response = await fetch(`${system.urlOf(gateway)}/call/x`);
  await response.arrayBuffer();
  const offer = parseL402Offer(response.headers.get('www-authenticate') ?? '');
  if (!offer.ok) throw new Error(`${response.status}: ${offer.refusal.code}`);
  const facts = parseInvoice(offer.value.invoice);
  if (!facts.ok) throw new Error(facts.refusal.code);
  return { ...offer.value, wasReady: before.has(formatHex(facts.value.paymentHash)) };
}

/** More asks than any pool takes to be filled. */
const MOST_ASKS = 500;

async function askReady() {
  for (let asks = 0; asks < MOST_ASKS; asks++) {
    const challenge = await ask();
    if (challenge.wasReady) return challenge;
  }
  throw new Error('no invoice was ever ready');
}

it('M23: a warm offer has invoices ready, which buy, and are handed out when the bridge cannot be reached', async () => {
  const { token, invoice } = await askReady();
  const authorization = `L402 ${token}:${await system.pay(invoice)}`;
  expect((await fetch(`${system.urlOf('gateway')}/call/x`, { headers: { authorization } })).status).toBe(200);
  const another = await askReady();
  const last = await ask('bridgeless');
  expect([last.wasReady, new Set([invoice, another.invoice, last.invoice]).size]).toEqual([true, 3]);
});
