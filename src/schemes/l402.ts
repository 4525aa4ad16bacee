/*
 * L402 as a way to pay: what a 402 offers, which credentials a request shows, and what a verified one is good for.
 * Pure but for the HMAC it is given: no network, no storage.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, encodeAscii, equalBytes, formatHex } from '#protocol/bytes.ts';
import { judgeCaveats, type Caveat } from '#protocol/caveat.ts';
import { formatL402Challenge } from '#protocol/challenge-header.ts';
import { isCounting, readCounters } from '#protocol/counters.ts';
import { parseCredential, type Credential } from '#protocol/credential-header.ts';
import { decodeIdentifier } from '#protocol/identifier.ts';
import { encodeMacaroon } from '#protocol/macaroon-codec.ts';
import { parseMsat } from '#protocol/msat.ts';
import { type CredentialRefusal } from '#protocol/refusal.ts';
import { needsRequestDigest } from '#protocol/request-digest.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { readTerms, type SoldTerms } from '#protocol/terms.ts';
import { verifyToken } from '#protocol/token.ts';
import { formatClaimObjectName } from '#protocol/token-id.ts';
import { chargeFor } from './charge.ts';
import { type VerifiedTokens } from './verified-tokens.ts';
import { type Grant, type GrantRefusal, type JudgeContext, type ProvedToken, type Quote, type VerifyContext } from './scheme.ts';

/** Different credentials in one request (M6). */
export const MOST_TOKENS = 4;
/** Kept after a token's end: the largest skew that can be configured, and an hour (M2). */
export const LARGEST_SKEW_SECONDS = 300;
const ROW_MARGIN_SECONDS = 3600;
const CHALLENGE_ID_BYTES = 8;

/** The `WWW-Authenticate` value of a challenge. */
export const offer = formatL402Challenge;

/**
 * The credentials of a request, in order, each once. What does not parse is passed over as long as something else does:
 * clients send a stale token beside a good one.
 */
export function readCredentials(
  texts: readonly string[],
  { metadata, verified }: { metadata: Credential | undefined; verified: VerifiedTokens },
): Result<readonly Credential[], CredentialRefusal> {
  const distinct: Credential[] = [];
  let firstRefusal: CredentialRefusal | undefined;
  for (const text of texts) {
    const known = verified.find(text);
    const parsed = known === undefined ? parseCredential(text) : accept([known]);
    if (!parsed.ok) {
      firstRefusal ??= parsed.refusal;
      continue;
    }
    const [first] = parsed.value;
    if (known === undefined && first !== undefined && parsed.value.length === 1) verified.name(first, text);
    for (const credential of parsed.value) {
      if (!distinct.some((other) => equalCredentials(other, credential))) distinct.push(credential);
    }
    if (distinct.length > MOST_TOKENS) return refuse({ code: 'too_many_tokens', detail: `more than ${MOST_TOKENS} tokens` });
  }
  if (metadata !== undefined) distinct.push(metadata);
  return distinct.length === 0 && firstRefusal !== undefined ? refuse(firstRefusal) : accept(distinct);
}

/** The payment hashes that a request shows, in hex; nothing when one of its credentials cannot be read. */
export function readShownHashes(
  texts: readonly string[],
  { metadata, verified }: { metadata: Credential | undefined; verified: VerifiedTokens },
): readonly string[] | undefined {
  const shown = new Set<string>();
  const credentials = metadata === undefined ? [] : [metadata];
  for (const text of texts) {
    const known = verified.find(text);
    const parsed = known === undefined ? parseCredential(text) : accept([known]);
    // Of several tokens before one preimage, those that do not parse are left out there.
    if (!parsed.ok || parsed.value.length < text.split(',').length) return undefined;
    credentials.push(...parsed.value);
  }
  for (const { macaroon } of credentials) {
    const identifier = decodeIdentifier(macaroon.identifier);
    if (!identifier.ok) return undefined;
    shown.add(formatHex(identifier.value.paymentHash));
  }
  return [...shown];
}

/** Whether the preimage of a proved token proves that it was paid: not where others may have seen it before (M24). */
export function provesPayment({ caveats }: ProvedToken): boolean {
  return !caveats.some(({ author, condition }) => author === 'minter' && condition === 'settlement');
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
  { keys, hmac, verified }: VerifyContext,
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

/** What a proved token is good for, judged against what is asked. */
export async function judgeToken(token: ProvedToken, quote: Quote, context: JudgeContext): Promise<Result<Grant, GrantRefusal>> {
  const { nowSeconds, skewSeconds, request } = context;
  const { caveats, preimage } = token;
  const { service, tier, capabilities } = quote;
  const { method, host, path, clientAddress } = request;
  const requestDigest = needsRequestDigest(caveats) ? await context.digestRequest() : undefined;
  // A claim row does not wait for its token: only what has none can end later than it says (M2).
  const hasRow = token.id.access !== 'pass' || caveats.some(({ condition }) => isCounting(condition));
  const extendedBySeconds = hasRow ? 0 : (context.extensionOf?.(earliestEnd(caveats, service)) ?? 0);
  const asked = { method, host, path, clientAddress, requestDigest, extendedBySeconds };
  const refusal = judgeCaveats(caveats, { service, tier, capabilities, nowSeconds, skewSeconds, preimage, ...asked });
  if (refusal !== undefined) return refuse(refusal);
  const terms = readTerms(caveats, { service, accessKind: token.id.access });
  if (!terms.ok) return terms;
  const { access, quoteDigest, validUntilSeconds } = terms.value;
  const isAsSold = quoteDigest === quote.digest;
  // A credit is held against each price where it is drawn from.
  if (access.kind !== 'credit' && !isAsSold && leastPaid(caveats, terms.value) < quote.priceMsat) {
    return refuse({ code: 'payment_too_small', detail: 'the token was sold for less than this costs' });
  }
  const counters = readCounters(token);
  if (!counters.ok) return counters;
  const charge = chargeFor(access, {
    counters: counters.value,
    priceMsat: isAsSold && access.kind !== 'credit' ? terms.value.paidMsat : quote.priceMsat,
    nowSeconds,
  });
  if (!charge.ok) return charge;
  const { paymentHash, id } = token;
  return accept({
    paymentHash,
    claimObjectName: formatClaimObjectName(id, paymentHash),
    claimEndsAtSeconds: validUntilSeconds + LARGEST_SKEW_SECONDS + ROW_MARGIN_SECONDS,
    claimId: nameClaim(paymentHash),
    charge: charge.value,
    maxPerMinute: access.kind === 'pass' ? access.maxPerMinute : undefined,
    needsSettlement: terms.value.settlement !== undefined,
    challengeId: nameChallenge(id.random),
    passEndsAtSeconds: access.kind === 'pass' ? earliestEnd(caveats, service) + extendedBySeconds : undefined,
  });
}

/** The names of a challenge and of the token that is made for it begin alike: so a payment tells which challenge it was for. */
export function nameChallenge(random: Uint8Array): string {
  return formatHex(random.slice(0, CHALLENGE_ID_BYTES));
}

/** Of all ends, of the minter and of holders: what has ended for one of them is over. */
function earliestEnd(caveats: readonly Caveat[], service: string): number {
  const ends = caveats.filter(({ condition }) => condition === 'valid_until' || condition === `${service}_valid_until`);
  return Math.min(...ends.map(({ value }) => Number(value)));
}

/** What was paid for the token, or less if someone who held it has said so. */
function leastPaid(caveats: readonly Caveat[], { paidMsat }: SoldTerms): bigint {
  const amounts = caveats.flatMap(({ condition, value }) => (condition === 'paid_msat' ? [parseMsat(value) ?? 0n] : []));
  return amounts.reduce((least, amount) => (amount < least ? amount : least), paidMsat);
}

const CLAIM_LABEL = encodeAscii('l402-edge claim ');

/** A name for a payment. */
export function nameClaim(paymentHash: Uint8Array): string {
  return formatHex(sha256(concatBytes(CLAIM_LABEL, paymentHash)).slice(0, 16));
}
