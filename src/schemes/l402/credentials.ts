/*
 * The credentials that a request presents, each text read once, and what one of them proves. Effects: memory, the HMAC it is
 * given.
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

/** Different credentials in one request (M6). */
export const MOST_TOKENS = 4;

export interface TokenReader {
  readonly keys: KeyRing;
  readonly hmac: Hmac;
  readonly verified: VerifiedTokens;
}

/** Credentials as they were written. */
export interface WrittenCredentials {
  readonly texts: readonly string[];
  /** One in the style of gRPC, from a field that may also mean something else. */
  readonly metadata: Credential | undefined;
}

/** What was written, read. */
export interface ReadCredentials {
  /**
   * In order, each once. What does not parse is passed over as long as something else does: clients send a stale token beside
   * a good one.
   */
  readonly credentials: Result<readonly Credential[], CredentialRefusal>;
  /** Whether nothing was passed over. */
  readonly isWhole: boolean;
  /** Also those that are more than may be tried. */
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
    // Comparing more would only cost time: they are refused.
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

/** The payment hashes of what was read, in hex; `undefined` when one of the credentials cannot be read. */
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
 * Whole, not by signature or payment: a copy with another preimage or location must not hide the good one. The Go client
 * sends the same token under both scheme names; that is one.
 */
function equalCredentials(left: Credential, right: Credential): boolean {
  return equalBytes(left.preimage, right.preimage) && equalBytes(encodeMacaroon(left.macaroon), encodeMacaroon(right.macaroon));
}

/** What a credential proves, whatever is asked for: that its token is ours and has been paid for. */
export async function proveCredential(
  credential: Credential,
  { keys, hmac, verified }: TokenReader,
): Promise<Result<ProvedToken, CredentialRefusal>> {
  const known = verified.tokenOf(credential);
  if (known !== undefined) {
    // A key that has been retired, or an epoch out of grace, ends the tokens that were proved with it.
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
