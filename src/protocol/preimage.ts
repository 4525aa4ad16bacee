/*
 * The preimage of a payment: only its payer learns it, and its hash proves the payment. Pure.
 */
import { sha256 } from '@noble/hashes/sha2.js';

/** Returns the payment hash of a preimage: SHA-256 of its bytes, as in BOLT 11. */
export function hashPreimage(preimage: Uint8Array): Uint8Array {
  return sha256(preimage);
}
