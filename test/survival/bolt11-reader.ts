/*
 * A second reader of BOLT 11, written from the specification and from nothing of ours: own bech32, own fields, the signer
 * recovered by tiny-secp256k1. It reads what the gateway's reader reads, and refuses less.
 */
import { createHash } from 'node:crypto';
import { recover } from 'tiny-secp256k1';

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const NETWORKS: Readonly<Record<string, string>> = { bc: 'mainnet', tb: 'testnet', tbs: 'signet', bcrt: 'regtest', sb: 'simnet' };
/** Thousandths of a msat a unit, so that `p` stays whole. */
const UNITS: Readonly<Record<string, bigint>> = {
  '': 1_000_000_000_000n,
  m: 1_000_000_000n,
  u: 1_000_000n,
  n: 1000n,
  p: 1n,
};

export interface SecondReading {
  readonly network: string;
  /** In tenths of a msat. */
  readonly tenthsOfMsat: bigint | undefined;
  readonly createdAtSeconds: number;
  readonly expirySeconds: number;
  readonly paymentHashes: readonly string[];
  readonly descriptions: readonly string[];
  readonly payees: readonly string[];
  /** Of the node whose signature it is; nothing if it is none. */
  readonly signerHex: string | undefined;
}

function sumOf(prefix: string, words: readonly number[]): number {
  const expanded = [
    ...Array.from(prefix, (one) => one.charCodeAt(0) >> 5),
    0,
    ...Array.from(prefix, (one) => one.charCodeAt(0) & 31),
    ...words,
  ];
  let sum = 1;
  for (const word of expanded) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ word;
    for (let bit = 0; bit < 5; bit++) if ((top >> bit) & 1) sum ^= GENERATOR[bit]!;
  }
  return sum;
}

function toBytes(words: readonly number[]): Buffer {
  let bits = '';
  for (const word of words) bits += word.toString(2).padStart(5, '0');
  return Buffer.from(
    Array.from({ length: Math.floor(bits.length / 8) }, (_, index) => Number.parseInt(bits.slice(index * 8, index * 8 + 8), 2)),
  );
}

const toNumber = (words: readonly number[]) => words.reduce((value, word) => value * 32 + word, 0);

/** Reads an invoice; nothing when it is none. */
export function readInvoiceAgain(text: string, { withSigner = false } = {}): SecondReading | undefined {
  if (text !== text.toLowerCase() && text !== text.toUpperCase()) return undefined;
  const lower = text.toLowerCase();
  const border = lower.lastIndexOf('1');
  const prefix = lower.slice(0, Math.max(0, border));
  const words = Array.from(lower.slice(border + 1), (letter) => ALPHABET.indexOf(letter));
  const human = /^ln(bcrt|tbs|bc|tb|sb)(?:([0-9]+)([munp]?))?$/.exec(prefix);
  if (border < 1 || words.includes(-1) || sumOf(prefix, words) !== 1 || human === null) return undefined;
  const data = words.slice(0, -6);
  if (data.length < 7 + 104) return undefined;
  const fields = new Map<number, (readonly number[])[]>();
  for (let at = 7; at < data.length - 104;) {
    if (at + 3 > data.length - 104) return undefined;
    const length = data[at + 1]! * 32 + data[at + 2]!;
    if (at + 3 + length > data.length - 104) return undefined;
    const field = data.slice(at + 3, at + 3 + length);
    fields.set(data[at]!, [...(fields.get(data[at]!) ?? []), field]);
    at += 3 + length;
  }
  const all = (tag: number) => fields.get(tag) ?? [];
  const [, coin, digits, unit = ''] = human;
  return {
    network: NETWORKS[coin!]!,
    tenthsOfMsat: digits === undefined ? undefined : BigInt(digits) * UNITS[unit]!,
    createdAtSeconds: toNumber(data.slice(0, 7)),
    expirySeconds: all(6)[0] === undefined ? 3600 : toNumber(all(6)[0]!),
    paymentHashes: all(1)
      .filter(({ length }) => length === 52)
      .map((field) => toBytes(field).toString('hex')),
    descriptions: all(13).map((field) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(toBytes(field))),
    payees: all(19)
      .filter(({ length }) => length === 53)
      .map((field) => toBytes(field).toString('hex')),
    signerHex: withSigner ? signerOf(prefix, data) : undefined,
  };
}

function signerOf(prefix: string, data: readonly number[]): string | undefined {
  const signature = toBytes(data.slice(-104));
  const signed = data.slice(0, -104);
  // The last byte is filled with zero bits.
  const padded = [...signed, ...Array.from({ length: (8 - ((signed.length * 5) % 8)) % 8 }, () => 0)];
  const message = Buffer.concat([Buffer.from(prefix), toBytes(padded).subarray(0, Math.ceil((signed.length * 5) / 8))]);
  const recovery = signature[64]!;
  if (recovery > 3) return undefined;
  try {
    const hash = createHash('sha256').update(message).digest();
    const key = recover(hash, signature.subarray(0, 64), recovery as 0 | 1 | 2 | 3, true);
    return key === null ? undefined : Buffer.from(key).toString('hex');
  } catch {
    return undefined;
  }
}
