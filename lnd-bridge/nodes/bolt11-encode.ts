/*
 * Writes and signs BOLT 11 invoices like LND 0.20: same fields in the same order, same feature bits, the shortest amount.
 * Only the embedded node signs, so this is for regtest only. Pure: hashes and secrets are passed in.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { bech32 } from '@scure/base';
import { concatBytes } from '#protocol/bytes.ts';
import { type Msat } from '#protocol/msat.ts';
import { formatSignedBytes } from '../invoice-signature.ts';

export interface InvoiceDraft {
  readonly amountMsat: Msat;
  readonly paymentHash: Uint8Array;
  readonly paymentSecret: Uint8Array;
  readonly description: string;
  readonly createdAtSeconds: number;
  readonly expirySeconds: number;
}

/** The longest description: a field holds at most 1023 groups of five bits. */
export const LONGEST_DESCRIPTION_BYTES = 639;

const PREFIX = 'lnbcrt';
const TIMESTAMP_WORDS = 7;
/** The five-bit code of each field's letter. */
const FIELD = { paymentHash: 1, description: 13, minFinalCltv: 24, expiry: 6, paymentSecret: 16, features: 5 } as const;
const MIN_FINAL_CLTV = 80;
/** Onion payload (8) and payment secret (14) required; parts (17) and blinded routes (25) supported. */
const FEATURE_BITS = [8, 14, 17, 25];

/** Encodes and signs a regtest invoice. */
export function encodeInvoice(draft: InvoiceDraft, secretKey: Uint8Array): string {
  if (draft.amountMsat <= 0n) throw new RangeError('amountMsat: an invoice asks for something');
  const description = utf8ToBytes(draft.description);
  if (description.length > LONGEST_DESCRIPTION_BYTES) throw new RangeError(`description: at most ${LONGEST_DESCRIPTION_BYTES} bytes`);
  const prefix = PREFIX + formatAmount(draft.amountMsat);
  const words = [
    ...padStart(integerWords(BigInt(draft.createdAtSeconds)), TIMESTAMP_WORDS),
    ...field(FIELD.paymentHash, bech32.toWords(draft.paymentHash)),
    ...field(FIELD.description, bech32.toWords(description)),
    ...field(FIELD.minFinalCltv, integerWords(BigInt(MIN_FINAL_CLTV))),
    ...field(FIELD.expiry, integerWords(BigInt(draft.expirySeconds))),
    ...field(FIELD.paymentSecret, bech32.toWords(draft.paymentSecret)),
    ...field(FIELD.features, integerWords(FEATURE_BITS.reduce((bits, bit) => bits | (1n << BigInt(bit)), 0n))),
  ];
  const signature = secp256k1.sign(formatSignedBytes({ prefix, words }), secretKey, { format: 'recovered' });
  // The library puts the recovery number first, BOLT 11 last.
  const signed = concatBytes(signature.slice(1), signature.slice(0, 1));
  return bech32.encode(prefix, [...words, ...bech32.toWords(signed)], false);
}

/** Reads the payment secret of a well-formed invoice; `undefined` if it has none. */
export function readPaymentSecret(invoice: string): Uint8Array | undefined {
  const words = bech32.decodeUnsafe(invoice, false)?.words ?? [];
  for (let at = TIMESTAMP_WORDS; at + 3 <= words.length;) {
    const length = (words[at + 1]! << 5) + words[at + 2]!;
    const value = words.slice(at + 3, at + 3 + length);
    if (words[at] === FIELD.paymentSecret) return bech32.fromWordsUnsafe(value) ?? undefined;
    at += 3 + length;
  }
  return undefined;
}

/** Largest unit first: the first that divides the amount gives the shortest text. One msat is ten of the smallest unit, `p`. */
const UNITS = [
  ['', 100_000_000_000n],
  ['m', 100_000_000n],
  ['u', 100_000n],
  ['n', 100n],
] as const;

function formatAmount(amountMsat: Msat): string {
  const unit = UNITS.find(([, unitMsat]) => amountMsat % unitMsat === 0n);
  return unit === undefined ? `${amountMsat * 10n}p` : `${amountMsat / unit[1]}${unit[0]}`;
}

function field(code: number, words: readonly number[]): number[] {
  return [code, words.length >> 5, words.length & 31, ...words];
}

/** Encodes a number in groups of five bits, big-endian, as few as possible. */
function integerWords(number: bigint): number[] {
  const words: number[] = [];
  for (let rest = number; rest > 0n || words.length === 0; rest >>= 5n) words.unshift(Number(rest & 31n));
  return words;
}

function padStart(words: readonly number[], length: number): number[] {
  return [...Array.from({ length: length - words.length }, () => 0), ...words];
}
