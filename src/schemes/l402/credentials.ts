/*
 * The credentials that a request presents, each text read once, and what each of them proves. Effects: memory, the given
 * HMAC.
 */
import { equalBytes, formatHex } from '#protocol/bytes.ts';
import { parseCredential, type Credential } from '#protocol/credential-header.ts';
import { decodeIdentifier } from '#protocol/identifier.ts';
import { encodeMacaroon } from '#protocol/macaroon-codec.ts';
import { type CredentialRefusal } from '#protocol/refusal.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { verifyToken } from '#protocol/token.ts';
import { type Hmac, type KeyRing } from '../../ports.ts';
import { type ProvedToken } from './proved-token.ts';
import { type VerifiedTokens } from './verified-tokens.ts';

/** Most different credentials in one request (M6). */
export const MOST_TOKENS = 4;

export interface TokenReader {
  readonly keys: KeyRing;
  readonly hmac: Hmac;
  readonly verified: VerifiedTokens;
}

/** Credentials as written in the request. */
export interface WrittenCredentials {
  readonly texts: readonly string[];
  /** A credential in the gRPC style, from a field that may also have another meaning. */
  readonly metadata: Credential | undefined;
}

/** The credentials after reading. */
export interface ReadCredentials {
  /**
   * In order, without duplicates. Texts that do not parse are skipped as long as another does: clients send a stale token
   * next to a good one.
   */
  readonly credentials: Result<readonly Credential[], CredentialRefusal>;
  /** Whether nothing was skipped. */
  readonly isWhole: boolean;
  /** Includes the credentials beyond the limit. */
  readonly all: readonly Credential[];
}

/** Reads credentials. */
export function readCredentials({ texts, metadata }: WrittenCredentials, { verified }: Pick<TokenReader, 'verified'>): ReadCredentials {
  const all: Credential[] = [];
  const distinct: Credential[] = [];
  let isWhole = true;
  let firstRefusal: CredentialRefusal | undefined;
  for (const text of texts) {
    const known = verified.find(text);
    if (known === undefined) {
      const parsed = parseCredential(text);
      // Of several tokens before one preimage, those that do not parse are left out.
      isWhole &&= parsed.ok && parsed.value.length >= text.split(',').length;
      if (!parsed.ok) {
        firstRefusal ??= parsed.refusal;
        continue;
      }
      const [first] = parsed.value;
      if (first !== undefined && parsed.value.length === 1) verified.name(first, text);
      all.push(...parsed.value);
    } else all.push(known);
  }
  if (metadata !== undefined) all.push(metadata);
  for (const credential of all) {
    // Comparing more would only cost time: the request is refused.
    if (distinct.length > MOST_TOKENS) break;
    if (!distinct.some((other) => equalCredentials(other, credential))) distinct.push(credential);
  }
  return { credentials: chooseCredentials(distinct, firstRefusal), isWhole, all };
}

function chooseCredentials(
  distinct: readonly Credential[],
  firstRefusal: CredentialRefusal | undefined,
): Result<readonly Credential[], CredentialRefusal> {
  if (distinct.length > MOST_TOKENS) return refuse({ code: 'too_many_tokens', detail: `more than ${MOST_TOKENS} tokens` });
  return distinct.length === 0 && firstRefusal !== undefined ? refuse(firstRefusal) : accept(distinct);
}

/** Returns the payment hashes of all credentials, in hex; `undefined` if one of them cannot be read. */
export function findPaymentHashes({ all, isWhole }: ReadCredentials): readonly string[] | undefined {
  if (!isWhole) return undefined;
  const hashes = new Set<string>();
  for (const { macaroon } of all) {
    const identifier = decodeIdentifier(macaroon.identifier);
    if (!identifier.ok) return undefined;
    hashes.add(formatHex(identifier.value.paymentHash));
  }
  return [...hashes];
}

/**
 * Compares whole credentials, not signatures or payments: a copy with another preimage or location must not hide the good
 * one. The Go client sends the same token under both scheme names; these count as one.
 */
function equalCredentials(left: Credential, right: Credential): boolean {
  return equalBytes(left.preimage, right.preimage) && equalBytes(encodeMacaroon(left.macaroon), encodeMacaroon(right.macaroon));
}

/** Proves, independently of the request, that a token is from this gateway and paid. */
export async function proveCredential(
  credential: Credential,
  { keys, hmac, verified }: TokenReader,
): Promise<Result<ProvedToken, CredentialRefusal>> {
  const known = verified.tokenOf(credential);
  if (known !== undefined) {
    // Retiring a key, or the end of an epoch's grace period, ends the tokens proved with it.
    const epochKey = await keys.epochKeys(known.id.keyId, known.id.epoch);
    return epochKey.ok ? accept(known) : epochKey;
  }
  const { macaroon, preimage } = credential;
  const token = await verifyToken(macaroon, { preimage, epochKeys: keys.epochKeys, hmac });
  if (!token.ok) return token;
  const proved = { ...token.value, identifier: macaroon.identifier };
  verified.remember(credential, proved);
  return accept(proved);
}
