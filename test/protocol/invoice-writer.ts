/*
 * Writes BOLT 11 invoices, well-formed or hostile, for tests. The signature is 65 zero bytes: the reader does not check
 * it. Real bech32 with a real checksum, so that a reader gets as far as what is wrong on purpose.
 */
import { bech32, utf8 } from '@scure/base';

export interface InvoiceField {
  /** The letter of the field as a number: p 1, s 16, d 13, n 19, h 23, x 6, c 24. */
  readonly tag: number;
  readonly words: readonly number[];
  /** What the field says of its own length, when that is a lie. */
  readonly declared?: number;
}

export interface InvoiceText {
  /** `lnbcrt` with the amount behind it: `lnbcrt10n`. */
  readonly prefix: string;
  readonly timestamp: number;
  readonly fields: readonly InvoiceField[];
  /** Words between the fields and the signature that belong to no field. */
  readonly stray?: readonly number[];
}

export const FIELD = { paymentHash: 1, expiry: 6, description: 13, secret: 16, payee: 19, descriptionHash: 23 } as const;

/** A field of bytes: a hash, a key, a secret. */
export function bytesField(tag: number, bytes: Uint8Array): InvoiceField {
  return { tag, words: bech32.toWords(bytes) };
}

/** A field of text. */
export function textField(tag: number, text: string): InvoiceField {
  return { tag, words: bech32.toWords(utf8.decode(text)) };
}

/** A field of a number, without leading zeros. */
export function numberField(tag: number, value: number): InvoiceField {
  const words: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 32)) words.unshift(rest % 32);
  return { tag, words };
}

/** The whole invoice as text. */
export function writeInvoice({ prefix, timestamp, fields, stray = [] }: InvoiceText): string {
  const time = Array.from({ length: 7 }, (_, index) => Math.floor(timestamp / 32 ** (6 - index)) % 32);
  const data = fields.flatMap(({ tag, words, declared = words.length }) => [tag, declared >> 5, declared & 31, ...words]);
  const signature = bech32.toWords(new Uint8Array(65));
  return bech32.encode(prefix, [...time, ...data, ...stray, ...signature], false);
}
