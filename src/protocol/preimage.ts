/*
 * The preimage of a payment: what its payer alone gets, and what proves the payment by its hash. No effects.
 */
import { sha256 } from '@noble/hashes/sha2.js';

/** The payment hash of a preimage: SHA-256 of its bytes, as BOLT 11 has it. */
export function hashPreimage(preimage: Uint8Array): Uint8Array {
  return sha256(preimage);
}
