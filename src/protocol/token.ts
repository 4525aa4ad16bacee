/*
 * Minting and verifying tokens. Minting writes the terms of the sale as the minter's caveats. Verifying proves the author of
 * each caveat and leaves the judgement to others (terms.ts, caveat.ts). Stateless: only keys are looked up. Effects: the
 * given HMAC and key look-up.
 */
import { ONE_CALL } from './access.ts';
import { encodeAscii, equalBytes } from './bytes.ts';
import { decodeCaveat, type Caveat } from './caveat.ts';
import { type Hmac } from './hmac.ts';
import { decodeIdentifier, encodeIdentifier } from './identifier.ts';
import { signMacaroon, verifyChain } from './macaroon.ts';
import { encodeMacaroon, formatToken, LARGEST_TOKEN_BYTES, type Macaroon } from './macaroon-codec.ts';
import { hashPreimage } from './preimage.ts';
import { type CredentialRefusal, type CredentialRefusalCode } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';
import { deriveRootKey } from './root-key.ts';
import { formatTerms, type Terms } from './terms.ts';
import { decodeTokenId, encodeTokenId, type Epoch, type TokenId } from './token-id.ts';

/** The value that every L402 client since Loop expects. It is not signed, so it is compared when a token comes back. */
const LOCATION = encodeAscii('lsat');
/** Space for what lnget appends to a paid token: a preimage caveat with its field bytes. */
const HEADROOM_BYTES = 128;

export interface MintOptions {
  readonly paymentHash: Uint8Array;
  /** Key, epoch, location and randomness; the access kind and the number of minter caveats follow from the terms. */
  readonly id: Omit<TokenId, 'access' | 'minterCaveats'>;
  readonly terms: Terms;
  readonly epochKey: Uint8Array;
  readonly hmac: Hmac;
}

/** Mints the one token of an invoice, as text. */
export async function mintToken({ paymentHash, id, terms, epochKey, hmac }: MintOptions): Promise<string> {
  const caveats = formatTerms(terms).map(encodeAscii);
  const { kind } = terms.access ?? ONE_CALL;
  const tokenId = encodeTokenId({ ...id, access: kind, minterCaveats: caveats.length });
  const identifier = encodeIdentifier({ paymentHash, tokenId });
  const rootKey = await deriveRootKey(epochKey, { identifier, hmac });
  const macaroon = await signMacaroon({ location: LOCATION, identifier, caveats }, { rootKey, hmac });
  if (encodeMacaroon(macaroon).length > LARGEST_TOKEN_BYTES - HEADROOM_BYTES) {
    throw new RangeError(`terms: the token would be larger than the ${LARGEST_TOKEN_BYTES} bytes that are read`);
  }
  return formatToken(macaroon);
}

/** Returns the key of an epoch, or the reason for having none: the key is unknown, or the epoch is over or has not begun. */
export type EpochKeys = (keyId: number, epoch: Epoch) => Promise<Result<Uint8Array, CredentialRefusal>>;

/** A token whose signature and payment are proved; what it allows has not been judged yet. */
export interface VerifiedToken {
  readonly paymentHash: Uint8Array;
  readonly preimage: Uint8Array;
  readonly id: TokenId;
  readonly caveats: readonly Caveat[];
  /** The signature of the chain at each caveat, used as counter key (counters.ts). Secret. */
  readonly signatures: readonly Uint8Array[];
}

export interface VerifyOptions {
  readonly preimage: Uint8Array;
  readonly epochKeys: EpochKeys;
  readonly hmac: Hmac;
}

/** Proves a token: first the payment (one hash), then the key, then the signature. */
export async function verifyToken(
  macaroon: Macaroon,
  { preimage, epochKeys, hmac }: VerifyOptions,
): Promise<Result<VerifiedToken, CredentialRefusal>> {
  // The location is the only unsigned part: without this check a changed token could pass.
  if (macaroon.location === undefined || !equalBytes(macaroon.location, LOCATION)) {
    return no('signature_wrong', 'the token names another location than this gateway writes');
  }
  const identifier = decodeIdentifier(macaroon.identifier);
  if (!identifier.ok) return identifier;
  const { paymentHash, tokenId } = identifier.value;
  const id = decodeTokenId(tokenId);
  if (!id.ok) return id;
  if (!equalBytes(hashPreimage(preimage), paymentHash)) {
    return no('preimage_wrong', 'the preimage does not belong to the payment hash of the token');
  }
  const epochKey = await epochKeys(id.value.keyId, id.value.epoch);
  if (!epochKey.ok) return epochKey;
  const rootKey = await deriveRootKey(epochKey.value, { identifier: macaroon.identifier, hmac });
  const signatures = await verifyChain(macaroon, { rootKey, hmac });
  if (signatures === undefined) {
    return no('signature_wrong', 'the token was not made by this gateway, or was changed');
  }
  const { minterCaveats } = id.value;
  if (macaroon.caveats.length < minterCaveats) {
    return no('minter_caveats_missing', 'the token has fewer caveats than it was sold with');
  }
  const caveats = macaroon.caveats.map((caveat, index) => decodeCaveat(caveat, index < minterCaveats ? 'minter' : 'holder'));
  return accept({ paymentHash, preimage, id: id.value, caveats, signatures });
}

function no(code: CredentialRefusalCode, detail: string): Result<never, CredentialRefusal> {
  return refuse({ code, detail });
}
