/*
 * BOLT 11 invoices as facts, hostile ones among them: an unknown price is never zero, and what two readers could read in
 * two ways is refused. Real invoices come from the specification and from deployed servers.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkInvoice, NETWORKS, parseInvoice, type InvoiceExpectation, type InvoiceFacts, type Network } from '#protocol/invoice.ts';
import { LARGEST_MSAT, msat, type Msat } from '#protocol/msat.ts';
import invoiceJson from '../vectors/invoices.json' with { type: 'json' };
import realJson from '../vectors/real-invoices.json' with { type: 'json' };
import { bytes32 } from './arbitraries.ts';
import { INVOICE_VECTORS, type InvoiceExpected, type InvoiceInput, type InvoiceVector } from './invoice-recipes.ts';
import { bytesField, FIELD, textField, writeInvoice } from './invoice-writer.ts';
import { asExpected, bytesOf, hexOf, readVectors, type Refused } from './vector.ts';

const VECTORS: readonly InvoiceVector[] = readVectors<InvoiceInput, InvoiceExpected | Refused>(invoiceJson);
const REAL: readonly InvoiceVector[] = readVectors<InvoiceInput, InvoiceExpected | Refused>(realJson);

function stated(facts: InvoiceFacts): InvoiceExpected {
  return {
    network: facts.network,
    amount_msat: String(facts.amountMsat),
    payment_hash_hex: hexOf(facts.paymentHash),
    created_at_seconds: facts.createdAtSeconds,
    expires_at_seconds: facts.expiresAtSeconds,
    description: facts.description ?? null,
    payee_hex: facts.payee === undefined ? null : hexOf(facts.payee),
  };
}

function expectation({ network, now_seconds, amount_msat, payment_hash_hex }: NonNullable<InvoiceInput['check']>): InvoiceExpectation {
  return {
    network: network as Network,
    nowSeconds: now_seconds,
    ...(amount_msat === undefined ? {} : { amountMsat: msat(BigInt(amount_msat)) }),
    ...(payment_hash_hex === undefined ? {} : { paymentHash: bytesOf(payment_hash_hex) }),
  };
}

describe('an invoice is read to its facts or refused with its reason', () => {
  it('the vectors are what the recipes write', () => {
    expect(INVOICE_VECTORS).toEqual(invoiceJson);
  });

  it.each([...VECTORS, ...REAL])('$name: $why', ({ input, expected }) => {
    const read = parseInvoice(input.invoice);
    const refusal = read.ok && input.check !== undefined ? checkInvoice(read.value, expectation(input.check)) : undefined;
    expect(refusal === undefined ? asExpected(read, stated) : { refusal: refusal.code }).toEqual(expected);
  });

  it.each([...VECTORS, ...REAL])('$name: says nothing of the invoice in a refusal', ({ input }) => {
    const read = parseInvoice(input.invoice);
    if (!read.ok) expect(read.refusal.detail).not.toContain(input.invoice.slice(0, 12) || 'ln');
  });

  it('V5: the invoice of a challenge has the payment hash of its token', () => {
    const read = parseInvoice(REAL[0]!.input.invoice);
    expect(read.ok && hexOf(read.value.paymentHash)).toBe('30a47a6e9b0b3ab9f4280f08932cd7207b440f508580d3eb5563eb4a3d8009ff');
  });
});

const PREFIX: Readonly<Record<Network, string>> = { mainnet: 'lnbc', testnet: 'lntb', signet: 'lntbs', regtest: 'lnbcrt', simnet: 'lnsb' };

describe('what is written is what is read', () => {
  const amounts = fc.oneof(fc.bigInt({ min: 1n, max: 100_000n }), fc.bigInt({ min: 1n, max: LARGEST_MSAT })) as fc.Arbitrary<Msat>;

  it('any amount of millisatoshi, on any network, hash and text', () => {
    fc.assert(
      fc.property(
        fc.record({ network: fc.constantFrom(...NETWORKS), amount: amounts }),
        bytes32,
        fc.string({ maxLength: 40 }),
        ({ network, amount }, paymentHash, description) => {
          const fields = [bytesField(FIELD.paymentHash, paymentHash), textField(FIELD.description, description)];
          const read = parseInvoice(writeInvoice({ prefix: `${PREFIX[network]}${amount * 10n}p`, timestamp: 1_700_000_000, fields }));
          expect(read).toMatchObject({ ok: true, value: { network, amountMsat: amount, paymentHash, createdAtSeconds: 1_700_000_000 } });
        },
      ),
      { numRuns: 300 },
    );
  });

  it('the same amount by every multiplier that can say it', () => {
    for (const prefix of ['lnbc1', 'lnbc1000m', 'lnbc1000000u', 'lnbc1000000000n', 'lnbc1000000000000p']) {
      const read = parseInvoice(writeInvoice({ prefix, timestamp: 1, fields: [bytesField(FIELD.paymentHash, new Uint8Array(32))] }));
      expect(read.ok && read.value.amountMsat).toBe(100_000_000_000n);
    }
  });

  it('one letter changed anywhere is refused', () => {
    const { invoice } = VECTORS[0]!.input;
    const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l1';
    fc.assert(
      fc.property(fc.nat(invoice.length - 1), fc.constantFrom(...letters), (at, letter) => {
        fc.pre(invoice[at] !== letter);
        expect(parseInvoice(invoice.slice(0, at) + letter + invoice.slice(at + 1)).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('cut short anywhere it is refused', () => {
    const { invoice } = VECTORS[0]!.input;
    for (let length = 0; length < invoice.length; length++) expect(parseInvoice(invoice.slice(0, length)).ok).toBe(false);
  });
});

describe('an invoice is held against the order', () => {
  const read = parseInvoice(VECTORS.find(({ name }) => name === 'as expected')!.input.invoice);
  if (!read.ok) throw new Error(read.refusal.code);
  const facts = read.value;
  const order = { network: 'regtest', nowSeconds: facts.createdAtSeconds } as const;

  it('a description of another order is refused', () => {
    expect(checkInvoice(facts, { ...order, description: 'one coffee' })).toBeUndefined();
    expect(checkInvoice(facts, { ...order, description: 'two coffees' })?.code).toBe('invoice_description_wrong');
    expect(checkInvoice({ ...facts, description: undefined }, { ...order, description: '' })?.code).toBe('invoice_description_wrong');
  });

  it('M2 an invoice that lives longer than ordered is refused, or the token would too', () => {
    expect(checkInvoice(facts, { ...order, latestExpirySeconds: facts.expiresAtSeconds })).toBeUndefined();
    expect(checkInvoice(facts, { ...order, latestExpirySeconds: facts.expiresAtSeconds - 1 })?.code).toBe('invoice_expiry_wrong');
  });
});
