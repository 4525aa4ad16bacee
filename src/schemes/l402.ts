/*
 * L402 as a way to pay: what a 402 offers, which credentials a request shows, and what a verified one is good for.
 * Pure but for the HMAC it is given: no network, no storage.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, encodeAscii, formatHex } from '#protocol/bytes.ts';
import { judgeCaveats } from '#protocol/caveat.ts';
import { formatL402Challenge } from '#protocol/challenge-header.ts';
import { readCounters } from '#protocol/counters.ts';
import { parseCredential, type Credential } from '#protocol/credential-header.ts';
import { parseMsat } from '#protocol/msat.ts';
import { type CredentialRefusal } from '#protocol/refusal.ts';
import { needsRequestDigest } from '#protocol/request-digest.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { readTerms } from '#protocol/terms.ts';
import { verifyToken, type VerifiedToken } from '#protocol/token.ts';
import { formatClaimObjectName } from '#protocol/token-id.ts';
import { type Grant, type GrantRefusal, type Quote, type VerifyContext } from './scheme.ts';

/** Different tokens in one request (M6). */
export const MOST_TOKENS = 4;
/** Kept after a token's end: the largest skew that can be configured, and an hour (M2). */
export const LARGEST_SKEW_SECONDS = 300;
const ROW_MARGIN_SECONDS = 3600;

/** The `WWW-Authenticate` value of a challenge. */
export const offer = formatL402Challenge;

/**
 * The credentials of a request, in order, each token once. What does not parse is passed over as long as something
 * else does: clients send a stale token beside a good one.
 */
export function readCredentials(
  texts: readonly string[],
  metadata: Credential | undefined,
): Result<readonly Credential[], CredentialRefusal> {
  const distinct = new Map<string, Credential>();
  let firstRefusal: CredentialRefusal | undefined;
  for (const text of texts) {
    const parsed = parseCredential(text);
    if (!parsed.ok) {
      firstRefusal ??= parsed.refusal;
      continue;
    }
    for (const credential of parsed.value) {
      // By token, not by payment: a forged token must not hide the good one of the same payment behind it. The Go client
      // sends the same token under both scheme names; that is one.
      distinct.set(formatHex(credential.macaroon.signature), credential);
    }
    if (distinct.size > MOST_TOKENS) return refuse({ code: 'too_many_tokens', detail: `more than ${MOST_TOKENS} tokens` });
  }
  if (metadata !== undefined) distinct.set('', metadata);
  return distinct.size === 0 && firstRefusal !== undefined ? refuse(firstRefusal) : accept([...distinct.values()]);
}

/** What a credential is good for, judged against what is asked. */
export async function verifyCredential(
  { macaroon, preimage }: Credential,
  quote: Quote,
  context: VerifyContext,
): Promise<Result<Grant, GrantRefusal>> {
  const { keys, hmac, nowSeconds, skewSeconds, request } = context;
  const token = await verifyToken(macaroon, { preimage, epochKeys: keys.epochKeys, hmac });
  if (!token.ok) return token;
  const { caveats } = token.value;
  const { service, tier, capabilities } = quote;
  const { method, host, path, clientAddress } = request;
  const requestDigest = needsRequestDigest(caveats) ? await context.digestRequest() : undefined;
  const asked = { method, host, path, clientAddress, requestDigest };
  const refusal = judgeCaveats(caveats, { service, tier, capabilities, nowSeconds, skewSeconds, preimage, ...asked });
  if (refusal !== undefined) return refuse(refusal);
  const terms = readTerms(caveats, { service, accessKind: token.value.id.access });
  if (!terms.ok) return terms;
  const isAsSold = terms.value.quoteDigest === quote.digest;
  if (!isAsSold && leastPaid(token.value) < quote.priceMsat) {
    return refuse({ code: 'payment_too_small', detail: 'the token was sold for less than this costs' });
  }
  const counters = readCounters(token.value);
  if (!counters.ok) return counters;
  // One call can only be too dear for an untouched counter; what is sold by number or amount needs the counts themselves.
  const costMsat = isAsSold ? terms.value.paidMsat : quote.priceMsat;
  if (terms.value.access.kind === 'call' && counters.value.some(({ unit, limit }) => unit === 'msat' && limit < costMsat)) {
    return refuse({ code: 'caveat_exhausted', detail: 'the token was narrowed to less than this costs' });
  }
  const { paymentHash, id } = token.value;
  return accept({
    paymentHash,
    claimObjectName: formatClaimObjectName(id, paymentHash),
    claimEndsAtSeconds: terms.value.validUntilSeconds + LARGEST_SKEW_SECONDS + ROW_MARGIN_SECONDS,
    claimId: nameClaim(paymentHash),
  });
}

/** Every paid_msat in the chain has been judged to narrow the one before it: the last is the least. */
function leastPaid({ caveats }: VerifiedToken): bigint {
  return parseMsat(caveats.findLast(({ condition }) => condition === 'paid_msat')?.value ?? '') ?? 0n;
}

const CLAIM_LABEL = encodeAscii('l402-edge claim ');

/** A name for the one call that a payment buys. */
export function nameClaim(paymentHash: Uint8Array): string {
  return formatHex(sha256(concatBytes(CLAIM_LABEL, paymentHash)).slice(0, 16));
}
