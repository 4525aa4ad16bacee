/*
 * A BOLT 11 invoice as facts. light-bolt11-decoder splits the string; only this file calls it, and it trusts nothing that a
 * hostile invoice could manipulate: it reads the amount itself and both readings must agree, important fields must occur
 * exactly once, and unknown forms are refused. Pure, never throws.
 */
import { decode } from 'light-bolt11-decoder';
import { equalBytes, parseHex } from './bytes.ts';
import { LARGEST_MSAT, type Msat } from './msat.ts';
import { type InvoiceRefusal, type InvoiceRefusalCode } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

export const NETWORKS = ['mainnet', 'testnet', 'signet', 'regtest', 'simnet'] as const;
export type Network = (typeof NETWORKS)[number];

/** How far a node's clock may run ahead of the gateway's. */
export const INVOICE_EXPIRY_SLACK_SECONDS = 300;

export interface InvoiceFacts {
  readonly invoice: string;
  readonly network: Network;
  readonly amountMsat: Msat;
  readonly paymentHash: Uint8Array;
  readonly createdAtSeconds: number;
  readonly expiresAtSeconds: number;
  readonly description: string | undefined;
  /** Only if the `n` field names it: the signature is not checked. */
  readonly payee: Uint8Array | undefined;
}

const PREFIXES: Readonly<Record<string, Network>> = { bc: 'mainnet', tb: 'testnet', tbs: 'signet', bcrt: 'regtest', sb: 'simnet' };
/** LND's own limit: the capacity of a QR code. It also bounds the time spent on a hostile string. */
const LONGEST_INVOICE = 7089;
const DEFAULT_EXPIRY_SECONDS = 3600;

/** Reads an invoice. Refuses missing, sub-millisatoshi and impossible amounts: an unknown price is never zero. */
export function parseInvoice(text: string): Result<InvoiceFacts, InvoiceRefusal> {
  if (text.length > LONGEST_INVOICE) return no('invoice_malformed', `an invoice has at most ${LONGEST_INVOICE} characters`);
  const invoice = text.toLowerCase();
  // The prefix of a bech32 string ends at the last "1": an earlier one belongs to the amount.
  const prefix = /^ln(bcrt|bc|tbs|tb|sb)([0-9]*)([a-z]?)$/.exec(invoice.slice(0, Math.max(0, invoice.lastIndexOf('1'))));
  if (prefix === null) return no('invoice_malformed', 'the text is not a BOLT 11 invoice of a known network');
  const [, coin, digits, multiplier] = prefix as unknown as readonly [string, string, string, string];
  const sections = split(text);
  if (sections === undefined) return no('invoice_malformed', 'the invoice does not decode');
  const amount = readAmount(digits, multiplier);
  if (!amount.ok) return amount;
  if (sections.get('amount')?.[0] !== String(amount.value)) return no('invoice_malformed', 'the amount of the invoice is ambiguous');
  const paymentHash = onlyBytes(sections.get('payment_hash'), 32);
  if (paymentHash === undefined) return no('invoice_malformed', 'the invoice has not exactly one payment hash');
  const createdAtSeconds = sections.get('timestamp')?.[0];
  const expiries = sections.get('expiry') ?? [DEFAULT_EXPIRY_SECONDS];
  const expiresAtSeconds = Number(createdAtSeconds) + Number(expiries[0]);
  if (expiries.length > 1 || typeof createdAtSeconds !== 'number' || !Number.isSafeInteger(expiresAtSeconds)) {
    return no('invoice_malformed', 'the invoice has no readable end');
  }
  const descriptions = sections.get('description') ?? [];
  if (descriptions.length > 1) return no('invoice_malformed', 'the invoice has more than one description');
  return accept({
    invoice,
    network: PREFIXES[coin]!,
    amountMsat: amount.value,
    paymentHash,
    createdAtSeconds,
    expiresAtSeconds,
    description: descriptions[0] === undefined ? undefined : String(descriptions[0]),
    payee: onlyBytes(sections.get('payee'), 33),
  });
}

/** Requirements that an invoice must meet; omitted fields are not checked. */
export interface InvoiceExpectation {
  readonly network: Network;
  readonly nowSeconds: number;
  readonly paymentHash?: Uint8Array;
  readonly amountMsat?: Msat;
  readonly description?: string;
  readonly latestExpirySeconds?: number;
}

/** Checks an invoice against the order. */
export function checkInvoice(facts: InvoiceFacts, expected: InvoiceExpectation): InvoiceRefusal | undefined {
  if (facts.network !== expected.network) {
    return { code: 'invoice_network_wrong', detail: `the invoice is for ${facts.network}, not ${expected.network}` };
  }
  if (facts.expiresAtSeconds <= expected.nowSeconds) return { code: 'invoice_expired', detail: 'the invoice has expired' };
  if (expected.latestExpirySeconds !== undefined && facts.expiresAtSeconds > expected.latestExpirySeconds) {
    return { code: 'invoice_expiry_wrong', detail: 'the invoice lives longer than ordered' };
  }
  if (expected.paymentHash !== undefined && !equalBytes(facts.paymentHash, expected.paymentHash)) {
    return { code: 'invoice_hash_wrong', detail: 'the invoice has another payment hash than stated' };
  }
  if (expected.amountMsat !== undefined && facts.amountMsat !== expected.amountMsat) {
    return { code: 'invoice_amount_wrong', detail: 'the invoice is over another amount than ordered' };
  }
  if (expected.description !== undefined && facts.description !== expected.description) {
    return { code: 'invoice_description_wrong', detail: 'the invoice was not made for this order' };
  }
  return undefined;
}

const MSAT_PER_BITCOIN = 100_000_000_000n;
const DIVISORS: Readonly<Record<string, bigint>> = { '': 1n, m: 1_000n, u: 1_000_000n, n: 1_000_000_000n, p: 1_000_000_000_000n };

function readAmount(digits: string, multiplier: string): Result<Msat, InvoiceRefusal> {
  if (digits === '' || /^0+$/.test(digits)) return no('invoice_amount_missing', 'the invoice names no amount');
  const divisor = DIVISORS[multiplier];
  if (divisor === undefined || digits.startsWith('0')) return no('invoice_malformed', 'the amount of the invoice does not parse');
  const scaled = BigInt(digits) * MSAT_PER_BITCOIN;
  if (scaled > LARGEST_MSAT * divisor) return no('invoice_amount_too_large', 'the invoice asks for more than 21 million bitcoin');
  if (scaled % divisor !== 0n) return no('invoice_amount_sub_msat', 'the invoice asks for a part of a millisatoshi');
  return accept((scaled / divisor) as Msat);
}

const TIMESTAMP_LETTERS = 7;
const SIGNATURE_LETTERS = 104;
const CHECKSUM_LETTERS = 6;

/** Groups the sections by name. */
function split(text: string): ReadonlyMap<string, readonly unknown[]> | undefined {
  const sections = new Map<string, unknown[]>();
  let letters = TIMESTAMP_LETTERS + SIGNATURE_LETTERS + CHECKSUM_LETTERS;
  try {
    for (const section of decode(text).sections as readonly { name: string; tag?: string; letters: string; value?: unknown }[]) {
      if (section.tag !== undefined) letters += 3 + declaredLength(section.letters);
      const values = sections.get(section.name);
      if (values === undefined) sections.set(section.name, [section.value]);
      else values.push(section.value);
    }
  } catch (error) {
    // The decoder throws on some amounts. They get their own reason, so continue without sections.
    return error instanceof Error && error.message.startsWith('Amount is outside') ? new Map() : undefined;
  }
  // A field that declares more length than remains before the signature would be read as a shorter field.
  return letters === text.length - text.lastIndexOf('1') - 1 ? sections : undefined;
}

const BECH32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';

function declaredLength(letters: string): number {
  return BECH32.indexOf(letters[1] ?? '') * 32 + BECH32.indexOf(letters[2] ?? '');
}

function onlyBytes(values: readonly unknown[] | undefined, length: number): Uint8Array | undefined {
  const [value, ...others] = values ?? [];
  if (typeof value !== 'string' || others.length > 0) return undefined;
  const bytes = parseHex(value);
  return bytes?.length === length ? bytes : undefined;
}

function no(code: InvoiceRefusalCode, detail: string): Result<never, InvoiceRefusal> {
  return refuse({ code, detail });
}
