/*
 * The 66 bytes that a token signs: version 0, payment hash, token id. The layout is Aperture's, so Go clients find the
 * payment hash; the token id inside is this gateway's own (token-id.ts). Pure.
 */
import { concatBytes } from './bytes.ts';
import { type CredentialRefusal } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

export interface Identifier {
  readonly paymentHash: Uint8Array;
  readonly tokenId: Uint8Array;
}

export const IDENTIFIER_BYTES = 66;

/** Encodes `0000 | payment hash | token id`. */
export function encodeIdentifier({ paymentHash, tokenId }: Identifier): Uint8Array {
  if (paymentHash.length !== 32) throw new RangeError('paymentHash: 32 bytes');
  if (tokenId.length !== 32) throw new RangeError('tokenId: 32 bytes');
  return concatBytes(Uint8Array.of(0, 0), paymentHash, tokenId);
}

/** Decodes exactly 66 bytes of version 0. Some deployed decoders accept other lengths; this one does not. */
export function decodeIdentifier(bytes: Uint8Array): Result<Identifier, CredentialRefusal> {
  if (bytes.length !== IDENTIFIER_BYTES) {
    return refuse({ code: 'identifier_malformed', detail: `the identifier has ${bytes.length} bytes instead of 66` });
  }
  if (bytes[0] !== 0 || bytes[1] !== 0) {
    return refuse({ code: 'identifier_malformed', detail: 'the identifier is not of version 0' });
  }
  return accept({ paymentHash: bytes.slice(2, 34), tokenId: bytes.slice(34) });
}
