/*
 * What a proved token says to one service, read once: its terms, its counters, and the names derived from its payment.
 * Nothing here depends on the request or the clock, so a returning token is not read again. Effects: memory, freed with the
 * token.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, encodeAscii, formatHex } from '#protocol/bytes.ts';
import { type Caveat } from '#protocol/caveat.ts';
import { isCounting, readCounters, type Counter } from '#protocol/counters.ts';
import { parseMsat } from '#protocol/msat.ts';
import { type CredentialRefusal } from '#protocol/refusal.ts';
import { needsRequestDigest } from '#protocol/request-digest.ts';
import { type Result } from '#protocol/result.ts';
import { readTerms, type SoldTerms } from '#protocol/terms.ts';
import { formatClaimObjectName } from '#protocol/token-id.ts';
import { type ProvedToken } from './proved-token.ts';

export interface TokenReading {
  readonly terms: Result<SoldTerms, CredentialRefusal>;
  readonly counters: Result<readonly Counter[], CredentialRefusal>;
  /** The earliest end set by a holder; infinite if there is none, NaN if one does not parse. */
  readonly holdersEndSeconds: number;
  /** The smallest paid amount in any caveat of the token. */
  readonly leastPaidMsat: bigint | undefined;
  /** The end of a claim row does not wait for an extended token, so only a token without a row can be extended (M2). */
  readonly hasRow: boolean;
  readonly needsDigest: boolean;
  readonly needsClientAddress: boolean;
  readonly claimObjectName: string;
  readonly claimId: string;
  readonly secretId: string;
  readonly challengeId: string;
}

const CHALLENGE_ID_BYTES = 8;
const CLAIM_LABEL = encodeAscii('l402-edge claim ');
const CALL_LABEL = encodeAscii('l402-edge call ');

/** A token is usually presented to one service: only the latest reading is kept. */
const readings = new WeakMap<ProvedToken, { readonly service: string; readonly reading: TokenReading }>();

/** Reads a proved token for a service. */
export function readToken(token: ProvedToken, service: string): TokenReading {
  const known = readings.get(token);
  if (known?.service === service) return known.reading;
  const { caveats, id, paymentHash, signatures } = token;
  const reading: TokenReading = {
    terms: readTerms(caveats, { service, accessKind: id.access }),
    counters: readCounters(token),
    holdersEndSeconds: findHoldersEnd(caveats, service),
    leastPaidMsat: leastPaid(caveats),
    hasRow: id.access !== 'pass' || caveats.some(({ condition }) => isCounting(condition)),
    needsDigest: needsRequestDigest(caveats),
    needsClientAddress: caveats.some(({ condition }) => condition === 'client'),
    claimObjectName: formatClaimObjectName(id, paymentHash),
    claimId: nameClaim(paymentHash),
    // The same for every narrowed copy of the token, and useless to anyone who learns it.
    secretId: nameSecretly(signatures[0]!),
    challengeId: nameChallenge(id.random),
  };
  readings.set(token, { service, reading });
  return reading;
}

/** Returns the id of a challenge. The token made for it begins with the same bytes, so a payment shows which challenge it was for. */
export function nameChallenge(random: Uint8Array): string {
  return formatHex(random.slice(0, CHALLENGE_ID_BYTES));
}

/** Returns a name that cannot be computed from the payment hash alone. */
function nameSecretly(signature: Uint8Array): string {
  return formatHex(sha256(concatBytes(CALL_LABEL, signature)).slice(0, 16));
}

/** Returns a name for a payment. */
export function nameClaim(paymentHash: Uint8Array): string {
  return formatHex(sha256(concatBytes(CLAIM_LABEL, paymentHash)).slice(0, 16));
}

function findHoldersEnd(caveats: readonly Caveat[], service: string): number {
  const ends = caveats.filter(
    ({ author, condition }) => author === 'holder' && (condition === 'valid_until' || condition === `${service}_valid_until`),
  );
  return Math.min(...ends.map(({ value }) => Number(value)));
}

function leastPaid(caveats: readonly Caveat[]): bigint | undefined {
  let least: bigint | undefined;
  for (const { condition, value } of caveats) {
    if (condition !== 'paid_msat') continue;
    const amount = parseMsat(value) ?? 0n;
    if (least === undefined || amount < least) least = amount;
  }
  return least;
}
