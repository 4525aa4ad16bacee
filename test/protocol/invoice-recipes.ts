/*
 * What test/vectors/invoices.json holds, as recipes: each invoice is written from here, so that a reader in any language
 * can be checked against the JSON and the JSON against this. Fixed times, hashes and texts; no randomness.
 */
import { bytesOf, type Refused, type Vector } from './vector.ts';
import { bytesField, FIELD, numberField, textField, writeInvoice, type InvoiceField, type InvoiceText } from './invoice-writer.ts';

export interface InvoiceInput {
  readonly invoice: string;
  /** What the reader holds the invoice against, when it does. */
  readonly check?: {
    readonly network: string;
    readonly now_seconds: number;
    readonly amount_msat?: string;
    readonly payment_hash_hex?: string;
  };
}

export interface InvoiceExpected {
  readonly network: string;
  readonly amount_msat: string;
  readonly payment_hash_hex: string;
  readonly created_at_seconds: number;
  readonly expires_at_seconds: number;
  readonly description: string | null;
  readonly payee_hex: string | null;
}

export type InvoiceVector = Vector<InvoiceInput, InvoiceExpected | Refused>;

const HASH_HEX = '00e988677eecf94c0bb9233371c7c0d6f4db8ebdcdecb7c5ebaa666f17249227';
const OTHER_HASH_HEX = '0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20';
const NODE_HEX = '03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad';
const CREATED = 1_700_000_000;

const hash = bytesField(FIELD.paymentHash, bytesOf(HASH_HEX));
const otherHash = bytesField(FIELD.paymentHash, bytesOf(OTHER_HASH_HEX));
const secret = bytesField(FIELD.secret, new Uint8Array(32).fill(0x11));
const coffee = textField(FIELD.description, 'one coffee');
const FIELDS = [hash, secret, coffee, numberField(FIELD.expiry, 600)];
const FACTS: InvoiceExpected = {
  network: 'regtest',
  amount_msat: '1000',
  payment_hash_hex: HASH_HEX,
  created_at_seconds: CREATED,
  expires_at_seconds: CREATED + 600,
  description: 'one coffee',
  payee_hex: null,
};

const write = (prefix: string, parts: Partial<InvoiceText> = {}) => writeInvoice({ prefix, timestamp: CREATED, fields: FIELDS, ...parts });
const withField = (field: InvoiceField) => write('lnbcrt10n', { fields: [...FIELDS, field] });
const good = (name: string, invoice: string, { why, ...facts }: Partial<InvoiceExpected> & { why: string }): InvoiceVector => ({
  name,
  input: { invoice },
  expected: { ...FACTS, ...facts },
  why,
});
const bad = (name: string, invoice: string, { refusal, why }: Refused & { why: string }): InvoiceVector => ({
  name,
  input: { invoice },
  expected: { refusal },
  why,
});
const malformed = (name: string, invoice: string, why: string) => bad(name, invoice, { refusal: 'invoice_malformed', why });
const priced = (prefix: string, network: string, amountMsat: string) =>
  good(`${prefix}: ${amountMsat} msat on ${network}`, write(prefix), {
    network,
    amount_msat: amountMsat,
    why: 'a price is read to the millisatoshi',
  });
const held = (name: string, check: NonNullable<InvoiceInput['check']>, { refusal, why }: Refused & { why: string }): InvoiceVector => ({
  name,
  input: { invoice: write('lnbcrt10n'), check },
  expected: { refusal },
  why,
});

/** Amounts, and what hides in a prefix. */
const amounts: readonly InvoiceVector[] = [
  priced('lnbcrt10n', 'regtest', '1000'),
  priced('lnbc2500u', 'mainnet', '250000000'),
  priced('lntb20m', 'testnet', '2000000000'),
  priced('lntbs1n', 'signet', '100'),
  priced('lnsb10p', 'simnet', '1'),
  priced('lnbc1', 'mainnet', '100000000000'),
  priced('lnbc21', 'mainnet', '2100000000000'),
  priced('lnbc21000000', 'mainnet', '2100000000000000000'),
  good('digits around the first 1', write('lnbc11111n'), {
    network: 'mainnet',
    amount_msat: '1111100',
    why: 'the amount ends at the LAST 1: whoever cuts at the first one reads no amount at all',
  }),
  good('upper case', write('lnbcrt10n').toUpperCase(), { why: 'QR codes have it; the facts are in lower case' }),
  good('whole bitcoin without a multiplier', write('lnbc10'), {
    network: 'mainnet',
    amount_msat: '1000000000000',
    why: '10 bitcoin; a reader that wants a letter reads nothing and lets it through',
  }),
  bad('amountless', write('lnbcrt'), { refusal: 'invoice_amount_missing', why: 'an unknown price is not zero' }),
  bad('zero', write('lnbcrt0n'), { refusal: 'invoice_amount_missing', why: 'a price of nothing is none' }),
  bad('zero whole bitcoin', write('lnbc0'), { refusal: 'invoice_amount_missing', why: 'a price of nothing is none' }),
  bad('many zeros', write('lnbc0000u'), { refusal: 'invoice_amount_missing', why: 'a price of nothing is none' }),
  bad('sub-millisatoshi', write('lnbc11p'), { refusal: 'invoice_amount_sub_msat', why: 'rounded down it would be 1 msat' }),
  bad('a tenth of a millisatoshi', write('lnbc1p'), { refusal: 'invoice_amount_sub_msat', why: 'rounded down it would be nothing' }),
  bad('over 21 million bitcoin', write('lnbc21000001'), { refusal: 'invoice_amount_too_large', why: 'there is no such amount' }),
  bad('far over 21 million bitcoin', write(`lnbc${'9'.repeat(60)}`), {
    refusal: 'invoice_amount_too_large',
    why: 'beyond every fixed width',
  }),
  malformed('leading zero', write('lnbc010u'), 'two spellings of one amount'),
  malformed('unknown multiplier', write('lnbc10x'), 'there is no x'),
  malformed('multiplier without digits', write('lnbcu'), 'no number'),
  malformed('sign before the amount', write('lnbc-1'), 'no number'),
];

/** Networks and texts that are no invoice. */
const texts: readonly InvoiceVector[] = [
  malformed('unknown network', write('lnltc10n'), 'another coin'),
  malformed('no network', write('ln10n'), 'nothing between ln and the amount'),
  malformed('not Lightning', write('bc10n'), 'an invoice starts with ln'),
  malformed('mixed case', `LNBCRT10N${write('lnbcrt10n').slice(9)}`, 'bech32 has one case at a time'),
  malformed('bad checksum', `${write('lnbcrt10n').slice(0, -1)}q`, 'a letter was changed'),
  malformed(
    'another amount under the old checksum',
    write('lnbcrt10n').replace('lnbcrt10n', 'lnbcrt90n'),
    'the checksum covers the prefix',
  ),
  malformed('truncated', write('lnbcrt10n').slice(0, -40), 'the end is missing'),
  malformed('no separator', write('lnbcrt10n').replaceAll('1', ''), 'no 1'),
  malformed('empty', '', 'nothing'),
  malformed('only a prefix', 'lnbcrt10n1', 'no data'),
  malformed('with lightning: before it', `lightning:${write('lnbcrt10n')}`, 'a URI is not an invoice'),
  malformed('blank after it', `${write('lnbcrt10n')} `, 'nothing is trimmed'),
  malformed(
    'over-long',
    write('lnbcrt10n', { fields: [...FIELDS, ...Array.from({ length: 10 }, () => textField(2, 'x'.repeat(500)))] }),
    'longer than what any node writes',
  ),
];

/** Fields. */
const fields: readonly InvoiceVector[] = [
  good('default expiry', write('lnbcrt10n', { fields: [hash, coffee] }), {
    expires_at_seconds: CREATED + 3600,
    why: 'an hour when nothing is said',
  }),
  good('no description', write('lnbcrt10n', { fields: [hash] }), {
    description: null,
    expires_at_seconds: CREATED + 3600,
    why: 'it may be left out',
  }),
  good('description hash', write('lnbcrt10n', { fields: [hash, bytesField(FIELD.descriptionHash, new Uint8Array(32))] }), {
    description: null,
    expires_at_seconds: CREATED + 3600,
    why: 'a hash of a text is not the text',
  }),
  good('description beyond ASCII', write('lnbcrt10n', { fields: [hash, textField(FIELD.description, 'ナンセンス 1杯')] }), {
    description: 'ナンセンス 1杯',
    expires_at_seconds: CREATED + 3600,
    why: 'UTF-8',
  }),
  good('payee', withField(bytesField(FIELD.payee, bytesOf(NODE_HEX))), { payee_hex: NODE_HEX, why: 'named by the n field' }),
  good(
    'two payees',
    write('lnbcrt10n', { fields: [...FIELDS, bytesField(FIELD.payee, bytesOf(NODE_HEX)), bytesField(FIELD.payee, new Uint8Array(33))] }),
    {
      why: 'which of them is paid is unknown, so none is named',
    },
  ),
  good('unknown field', withField(textField(2, 'something new')), { why: 'fields of tomorrow are passed over' }),
  malformed('no payment hash', write('lnbcrt10n', { fields: [coffee] }), 'nothing to prove a payment with'),
  malformed('two payment hashes', write('lnbcrt10n', { fields: [...FIELDS, otherHash] }), 'one reader takes the first, another the last'),
  malformed('the same payment hash twice', write('lnbcrt10n', { fields: [...FIELDS, hash] }), 'a field that matters stands once'),
  malformed('payment hash of 31 bytes', write('lnbcrt10n', { fields: [bytesField(FIELD.paymentHash, new Uint8Array(31))] }), 'no SHA-256'),
  malformed(
    'payment hash with bits left over',
    write('lnbcrt10n', { fields: [{ tag: FIELD.paymentHash, words: [...hash.words.slice(0, -1), 31] }] }),
    'two texts for one hash',
  ),
  malformed(
    'a short payment hash before the real one',
    write('lnbcrt10n', { fields: [bytesField(FIELD.paymentHash, new Uint8Array(20)), ...FIELDS] }),
    'some readers skip it; it is not worth the doubt',
  ),
  malformed('two expiries', withField(numberField(FIELD.expiry, 60_000)), 'one reader takes the first, another the last'),
  malformed(
    'endless expiry',
    write('lnbcrt10n', { fields: [hash, { tag: FIELD.expiry, words: Array.from({ length: 40 }, () => 31) }] }),
    'beyond every clock',
  ),
  malformed('two descriptions', withField(coffee), 'one reader takes the first, another the last'),
  malformed(
    'a field that runs into the signature',
    write('lnbcrt10n', { fields: [hash, { ...coffee, declared: coffee.words.length + 5 }] }),
    'it says it is longer than what is left',
  ),
  malformed(
    'a payment hash that runs into the signature',
    write('lnbcrt10n', { fields: [coffee, { tag: FIELD.paymentHash, words: hash.words.slice(0, 26), declared: 52 }] }),
    'half of a hash',
  ),
  malformed('a word that belongs to no field', write('lnbcrt10n', { stray: [5] }), 'the data ends with a field'),
  malformed('a field without its length', write('lnbcrt10n', { stray: [13, 0] }), 'the data ends with a field'),
  malformed('no fields', write('lnbcrt10n', { fields: [] }), 'nothing to prove a payment with'),
];

const CHECK = { network: 'regtest', now_seconds: CREATED + 10 };

/** Held against what was expected. */
const checks: readonly InvoiceVector[] = [
  {
    ...good('as expected', write('lnbcrt10n'), { why: 'network, amount, hash and time agree' }),
    input: { invoice: write('lnbcrt10n'), check: { ...CHECK, amount_msat: '1000', payment_hash_hex: HASH_HEX } },
  },
  {
    ...good('in its last second', write('lnbcrt10n'), { why: 'it has not expired' }),
    input: { invoice: write('lnbcrt10n'), check: { ...CHECK, now_seconds: CREATED + 599 } },
  },
  held('expired', { ...CHECK, now_seconds: CREATED + 600 }, { refusal: 'invoice_expired', why: 'created + expiry has come' }),
  held(
    'wrong network',
    { ...CHECK, network: 'mainnet' },
    { refusal: 'invoice_network_wrong', why: 'a mainnet payer pays no regtest invoice' },
  ),
  held(
    'another hash than the token',
    { ...CHECK, payment_hash_hex: OTHER_HASH_HEX },
    { refusal: 'invoice_hash_wrong', why: 'the payment would prove nothing for the token' },
  ),
  held(
    'dearer than declared',
    { ...CHECK, amount_msat: '999' },
    { refusal: 'invoice_amount_wrong', why: 'the invoice says what is paid, not the page around it' },
  ),
  held(
    'cheaper than ordered',
    { ...CHECK, amount_msat: '1001' },
    { refusal: 'invoice_amount_wrong', why: 'the node did not make what was ordered' },
  ),
];

export const INVOICE_VECTORS: readonly InvoiceVector[] = [...amounts, ...texts, ...fields, ...checks];
