/*
 * L402 as a way to pay: what a 402 offers, which credentials a request shows, and what a verified one is good for.
 * Pure but for the HMAC it is given: no network, no storage.
 */
import { equalBytes, formatHex } from '#protocol/bytes.ts';
import { judgeCaveats } from '#protocol/caveat.ts';
import { formatL402Challenge } from '#protocol/challenge-header.ts';
import { parseCredential, type Credential } from '#protocol/credential-header.ts';
import { decodeIdentifier } from '#protocol/identifier.ts';
import { encodeMacaroon } from '#protocol/macaroon-codec.ts';
import { type CredentialRefusal } from '#protocol/refusal.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { verifyToken } from '#protocol/token.ts';
import { type Hmac, type KeyRing } from '../ports.ts';
import { chargeFor } from './charge.ts';
import { readToken, type TokenReading } from './token-reading.ts';
import { type VerifiedTokens } from './verified-tokens.ts';
import { type Grant, type GrantRefusal, type JudgeContext, type Offer, type ProvedToken, type Quote } from './scheme.ts';

/** Different credentials in one request (M6). */
export const MOST_TOKENS = 4;
/** Kept after a token's end: the largest skew that can be configured, and an hour (M2). */
export const LARGEST_SKEW_SECONDS = 300;
const ROW_MARGIN_SECONDS = 3600;

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

/** What proves one. */
export interface VerifyContext {
  readonly keys: KeyRing;
  readonly hmac: Hmac;
  readonly verified: VerifiedTokens;
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

/** Whether the body has to be read before a token can be judged for a service. */
export function needsDigest(token: ProvedToken, service: string): boolean {
  return readToken(token, service).needsDigest;
}

/**
 * Why a proved token is good for nothing that is sold so, as far as can be told before the body is read and the price known;
 * nothing when it may be good.
 */
export function judgeStanding(token: ProvedToken, sold: Sold, context: JudgeContext): CredentialRefusal | undefined {
  const reading = readToken(token, sold.service);
  const caveats = reading.needsDigest ? token.caveats.filter(({ condition }) => condition !== 'request') : token.caveats;
  return judgeTerms({ ...token, caveats }, { sold, reading, context });
}

type Sold = Pick<Quote, 'service' | 'tier' | 'capabilities'> & { readonly sells: Pick<Offer, 'access' | 'seconds'> };

/**
 * By how much a pass ends later than its minter wrote (M38). A token does not say when it was sold: at the earliest when its
 * invoice was made, and of the wait for the payment no more is counted than the pass itself is long. What the route sells now
 * says how long that is; where it sells no pass any more, nothing is added.
 */
function extensionOf({ hasRow, terms }: TokenReading, { access, seconds }: Sold['sells'], context: JudgeContext): number {
  if (hasRow || !terms.ok || access.kind !== 'pass' || seconds === undefined) return 0;
  const { validUntilSeconds } = terms.value;
  const soldAtSeconds = validUntilSeconds - seconds - Math.min(seconds, context.invoiceExpirySeconds);
  return context.extensionOf?.({ soldAtSeconds, validUntilSeconds }) ?? 0;
}

function judgeTerms(
  { caveats, preimage }: ProvedToken,
  { sold, reading, context }: { sold: Sold; reading: TokenReading; context: JudgeContext },
): CredentialRefusal | undefined {
  const { service, tier, capabilities } = sold;
  const { nowSeconds, skewSeconds, request, requestDigest } = context;
  const { method, host, path } = request;
  const extendedBySeconds = extensionOf(reading, sold.sells, context);
  const clientAddress = reading.needsClientAddress ? context.clientAddress() : undefined;
  const asked = { method, host, path, clientAddress, requestDigest, extendedBySeconds };
  const refusal = judgeCaveats(caveats, { service, tier, capabilities, nowSeconds, skewSeconds, preimage, ...asked });
  if (refusal !== undefined) return refusal;
  const { terms, counters } = reading;
  if (!terms.ok) return terms.refusal;
  // A token that was sold without capabilities has none, whoever wrote what behind its terms (M46).
  if (capabilities.some((needed) => !terms.value.capabilities.has(needed))) {
    return { code: 'capability_missing', detail: 'the token was sold without a capability that is needed here' };
  }
  return counters.ok ? undefined : counters.refusal;
}

/** What a proved token is good for, judged against what is asked. */
export async function judgeToken(token: ProvedToken, quote: Quote, context: JudgeContext): Promise<Result<Grant, GrantRefusal>> {
  const { id } = token;
  const reading = readToken(token, quote.service);
  const refusal = judgeTerms(token, { sold: quote, reading, context });
  if (refusal !== undefined) return refuse(refusal);
  const { terms, counters } = reading;
  if (!terms.ok) return terms;
  const { access, quoteDigest, paidMsat, validUntilSeconds } = terms.value;
  const isAsSold = quoteDigest === quote.digest;
  // A credit is held against each price where it is drawn from.
  if (access.kind !== 'credit' && !isAsSold && (reading.leastPaidMsat ?? paidMsat) < quote.priceMsat) {
    return refuse({ code: 'payment_too_small', detail: 'the token was sold for less than this costs' });
  }
  if (!counters.ok) return counters;
  const charge = chargeFor(access, {
    counters: counters.value,
    priceMsat: isAsSold && access.kind !== 'credit' ? paidMsat : quote.priceMsat,
    nowSeconds: context.nowSeconds,
  });
  if (!charge.ok) return charge;
  return accept({
    paymentHash: token.paymentHash,
    claimObjectName: reading.claimObjectName,
    claimEndsAtSeconds: validUntilSeconds + LARGEST_SKEW_SECONDS + ROW_MARGIN_SECONDS,
    claimId: reading.claimId,
    charge: charge.value,
    maxPerMinute: access.kind === 'pass' ? access.maxPerMinute : undefined,
    needsSettlement: terms.value.settlement !== undefined,
    challengeId: reading.challengeId,
    passEndsAtSeconds:
      id.access === 'pass'
        ? Math.min(reading.holdersEndSeconds, validUntilSeconds + extensionOf(reading, quote.sells, context))
        : undefined,
  });
}
