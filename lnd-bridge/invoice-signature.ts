/*
 * The signature of a BOLT 11 invoice: what is signed, and by whom. An invoice signed by another node would send the payer's
 * money there, so the bridge recovers the signer of every invoice that it passes on (M23). Pure.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bech32 } from '@scure/base';
import { concatBytes, encodeAscii } from '#protocol/bytes.ts';

/** 65 bytes in groups of five bits: r, s and the recovery number. */
const SIGNATURE_WORDS = 104;

/** Returns the bytes whose SHA-256 an invoice signs: the prefix as text, then the data packed into bytes, padded with zero bits. */
export function formatSignedBytes({ prefix, words }: { prefix: string; words: readonly number[] }): Uint8Array {
  const padded = [...words, ...Array.from({ length: (8 - (words.length % 8)) % 8 }, () => 0)];
  return concatBytes(encodeAscii(prefix), bech32.fromWords(padded).slice(0, Math.ceil((words.length * 5) / 8)));
}

/** Returns the compressed public key that signed the invoice; `undefined` without a valid signature. */
export function recoverSigner(invoice: string): Uint8Array | undefined {
  try {
    const { prefix, words } = bech32.decode(invoice as `${string}1${string}`, false);
    const signature = bech32.fromWords(words.slice(-SIGNATURE_WORDS));
    const recovered = concatBytes(signature.slice(64), signature.slice(0, 64));
    return secp256k1.recoverPublicKey(recovered, formatSignedBytes({ prefix, words: words.slice(0, -SIGNATURE_WORDS) }));
  } catch {
    // Both libraries throw on invalid input: there is no known signer.
    return undefined;
  }
}
