/*
 * A node that lies, seen from behind the bridge: whatever it says, no client pays for it or hears of it.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeInvoice } from '#lnd-bridge/nodes/bolt11-encode.ts';
import { msat } from '#protocol/msat.ts';
import { type InvoiceOrder, type Lightning } from '#src/ports.ts';
import { deadNode } from '#support/fakes.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, from, openGateway } from './front-door.ts';

const now = () => Math.floor(Date.now() / 1000);
// The invoice of the specification: mainnet, and long over.
const MAINNET =
  'lnbc20m1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqhp58yjmdan79s6qqdhdzgynm4zwqd5d7xmw5fk98klysy043l2ahrqs9qrsgq7ea976txfraylvgzuxs8kgcw23ezlrszfnh8r6qtfpr6cxga50aj6txm9rxrydzd06dfeawfk6swupvz4erwnyutnjq7x39ymw6j38gp7ynn44';

/** What an honest node would give, but for one thing. */
function bend({ amountMsat, memo, expirySeconds }: InvoiceOrder, changes: Partial<Parameters<typeof encodeInvoice>[0]> = {}): string {
  const paymentHash = sha256(crypto.getRandomValues(new Uint8Array(32)));
  const draft = { amountMsat, paymentHash, paymentSecret: paymentHash, description: memo, createdAtSeconds: now(), expirySeconds };
  return encodeInvoice({ ...draft, ...changes }, new Uint8Array(32).fill(5));
}

const LIES: readonly (readonly [what: string, logged: string, lie: (order: InvoiceOrder) => string])[] = [
  ['another amount', 'invoice_amount_wrong', (order) => bend(order, { amountMsat: msat(order.amountMsat + 1n) })],
  ['another description', 'invoice_description_wrong', (order) => bend(order, { description: 'something else' })],
  ['an invoice that is over', 'invoice_expired', (order) => bend(order, { createdAtSeconds: now() - order.expirySeconds - 1 })],
  ['an invoice that never ends', 'invoice_expiry_wrong', (order) => bend(order, { expirySeconds: 31_536_000 })],
  ['another network', 'invoice_network_wrong', () => MAINNET],
  ['no invoice', 'invoice_', () => 'lnbcrt'],
  ['a damaged invoice', 'invoice_', (order) => bend(order).slice(0, -9)],
];

beforeEach(() => reset());

describe('a node that lies', () => {
  it.each(LIES)(
    'M23: with %s is refused and logged by kind; its client gets no invoice, and no place for one is taken from it',
    async (_, logged, lie) => {
      let isLying = true;
      const honest = startEmbedded();
      const mint: Lightning['mint'] = (order) =>
        isLying ? Promise.resolve({ invoice: lie(order), settlement: 'preimage' }) : honest.mint(order);
      const door = openGateway(
        { routes: [{ match: 'GET /call', service: 'call', priceSats: 1 }], policy: { challenges: { perMinute: 30, open: 2 } } },
        { parts: { lightning: { ...deadNode, mint } } },
      );
      const ask = (headers = {}) => door.ask('/call', from('192.0.2.77', headers));
      for (let asked = 0; asked < 4; asked++) {
        const refused = await ask();
        expect([refused.status, await codeOf(refused.clone()), refused.headers.get('www-authenticate')]).toEqual([
          503,
          'node_unavailable',
          null,
        ]);
        expect(await refused.text()).not.toContain('lnbc');
      }
      const faults = door.logged.filter(([event]) => event === 'fault');
      expect(faults).toHaveLength(4);
      for (const [, fields] of faults) expect(fields).toEqual({ at: 'lightning.mint', message: expect.stringContaining(logged) as string });
      // Who has paid is not touched by it, and who has not still has all that a client may have.
      const { authorization } = await makeToken({ service: 'call' });
      expect((await ask({ authorization })).status).toBe(200);
      isLying = false;
      const offered = new Set<string | undefined>();
      for (let asked = 0; asked < 3; asked++)
        offered.add(/invoice="([^"]+)"/.exec((await ask()).headers.get('www-authenticate') ?? '')?.[1]);
      // Both places are free; the third time one of the two invoices is offered again.
      expect([offered.size, offered.has(undefined)]).toEqual([2, false]);
    },
  );
});
