/*
 * What a proved token says to one service, read once: its terms, its counters, the names that follow from its payment.
 * Nothing here depends on the request or the clock, so a token that comes again is not read again. Effects: memory, which
 * goes with the token.
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
  /** The earliest end that a holder has set; infinite if none has. Not a number where one does not parse. */
  readonly holdersEndSeconds: number;
  /** The least that anybody who wrote on the token has said was paid. */
  readonly leastPaidMsat: bigint | undefined;
  /** A claim row does not wait for its token: only what has none can end later than it says (M2). */
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

/** A token is shown to one service, as a rule: the reading for the latest is kept. */
const readings = new WeakMap<ProvedToken, { readonly service: string; readonly reading: TokenReading }>();

/** Reads a proved token as a service does. */
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
    // The same through every narrowed token, and of no use to whoever is told it.
    secretId: nameSecretly(signatures[0]!),
    challengeId: nameChallenge(id.random),
  };
  readings.set(token, { service, reading });
  return reading;
}

/** The names of a challenge and of the token that is made for it begin alike: so a payment tells which challenge it was for. */
export function nameChallenge(random: Uint8Array): string {
  return formatHex(random.slice(0, CHALLENGE_ID_BYTES));
}

/** A name that nobody can work out who knows no more than the payment hash. */
function nameSecretly(signature: Uint8Array): string {
  return formatHex(sha256(concatBytes(CALL_LABEL, signature)).slice(0, 16));
}

/** A name for a payment. */
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
