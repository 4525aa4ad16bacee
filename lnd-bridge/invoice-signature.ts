/*
 * The signature of a BOLT 11 invoice: what is signed, and whose signature it is. An invoice that another node signed
 * would send the payer's money there, so the bridge recovers the signer of every invoice it passes on (M23). No effects.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bech32 } from '@scure/base';
import { concatBytes, encodeAscii } from '#protocol/bytes.ts';

/** 65 bytes in groups of five bits: r, s and the recovery number. */
const SIGNATURE_WORDS = 104;

/** The bytes whose SHA-256 an invoice signs: the prefix as text, then the data packed into bytes with zero bits at the end. */
export function formatSignedBytes({ prefix, words }: { prefix: string; words: readonly number[] }): Uint8Array {
  const padded = [...words, ...Array.from({ length: (8 - (words.length % 8)) % 8 }, () => 0)];
  return concatBytes(encodeAscii(prefix), bech32.fromWords(padded).slice(0, Math.ceil((words.length * 5) / 8)));
}

/** The compressed public key that signed the invoice; `undefined` when there is no sound signature. */
export function recoverSigner(invoice: string): Uint8Array | undefined {
  try {
    const { prefix, words } = bech32.decode(invoice as `${string}1${string}`, false);
    const signature = bech32.fromWords(words.slice(-SIGNATURE_WORDS));
    const recovered = concatBytes(signature.slice(64), signature.slice(0, 64));
    return secp256k1.recoverPublicKey(recovered, formatSignedBytes({ prefix, words: words.slice(0, -SIGNATURE_WORDS) }));
  } catch {
    // Both libraries refuse by throwing. Whatever the reason, nobody is known to have signed this.
    return undefined;
  }
}
