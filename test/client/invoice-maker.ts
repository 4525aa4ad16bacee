/*
 * Makes signed BOLT 11 invoices for the client's tests, honest and hostile ones. The amount is given as it stands in the
 * prefix, so that every way of writing one can be tried. Only what the client reads is offered.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bech32 } from '@scure/base';

/** The instant at which all these tests play: no test depends on the real time. */
export const NOW_MS = 1_800_000_000_000;
export const NOW_SECONDS = NOW_MS / 1000;

const PAYEE_KEY = new Uint8Array(32).fill(7);
const TAGS = { paymentHash: 1, paymentSecret: 16, description: 13, expiry: 6, features: 5 } as const;

export interface InvoiceOptions {
  readonly paymentHash: Uint8Array;
  /** What stands between `ln` and the separator: coin and amount, such as `bcrt10n`. */
  readonly prefix: string;
  readonly description?: string;
  readonly createdAtSeconds?: number;
  readonly expirySeconds?: number;
}

/** A complete invoice with a good checksum and signature. */
export function makeInvoice(options: InvoiceOptions): string {
  const { paymentHash, prefix, description = 'a call', createdAtSeconds = NOW_SECONDS, expirySeconds = 600 } = options;
  const words = [
    ...toWords(createdAtSeconds, 7),
    ...tag(TAGS.paymentHash, bech32.toWords(paymentHash)),
    ...tag(TAGS.paymentSecret, bech32.toWords(new Uint8Array(32).fill(3))),
    ...tag(TAGS.description, bech32.toWords(new TextEncoder().encode(description))),
    ...tag(TAGS.expiry, toWords(expirySeconds, 4)),
    // var_onion_optin, payment_secret and basic_mpp, as real nodes set them.
    ...tag(TAGS.features, toWords((1 << 8) | (1 << 14) | (1 << 17), 4)),
  ];
  const hrp = `ln${prefix}`;
  const signed = sha256(Uint8Array.from([...new TextEncoder().encode(hrp), ...toBytes(words)]));
  const [recovery, ...compact] = secp256k1.sign(signed, PAYEE_KEY, { prehash: false, format: 'recovered' });
  const signature = bech32.toWords(Uint8Array.from([...compact, recovery!]));
  return bech32.encode(hrp, [...words, ...signature], 4096);
}

/** An amount as it stands in a prefix: pico-bitcoin, a tenth of a millisatoshi each. */
export function formatAmount(amountMsat: bigint): string {
  return `${amountMsat * 10n}p`;
}

function tag(type: number, words: readonly number[]): readonly number[] {
  return [type, words.length >> 5, words.length & 31, ...words];
}

function toWords(value: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => Math.floor(value / 32 ** (count - 1 - index)) % 32);
}

/** The data part as bytes, filled up with zero bits: what BOLT 11 signs. */
function toBytes(words: readonly number[]): readonly number[] {
  const bits = words.map((word) => word.toString(2).padStart(5, '0')).join('');
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0');
  return (padded.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));
}
