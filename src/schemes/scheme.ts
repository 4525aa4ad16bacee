/*
 * The seam for ways to pay. A scheme reads its credentials out of a request, proves one, judges it for a quote, and writes its
 * part of a challenge; this is all that the gateway knows of it. Types, and how long a claim is kept.
 */
import { type Access } from '#protocol/access.ts';
import { type CaveatFacts } from '#protocol/caveat-kinds.ts';
import { type Msat } from '#protocol/msat.ts';
import { type CredentialRefusal, type Refusal } from '#protocol/refusal.ts';
import { type Result } from '#protocol/result.ts';
import { type AccessKind } from '#protocol/token-id.ts';
import { type ClaimOrder, type ReadyChallenge, type RevocableToken } from '../ports.ts';

/** A way to pay. Its functions never throw for what a client has sent. */
export interface PaymentScheme {
  readonly name: string;
  /** Takes its credentials out of the fields of a request. `authorization`: what the schemes before it left of that field. */
  readonly present: (fields: Headers, authorization: string) => Result<Presentation, Refusal<'header_too_large'>>;
  /** Whether the value of a field that may have another use holds a credential: it must not reach the origin then. */
  readonly holdsCredential: (value: string) => boolean;
  /** The challenge in `WWW-Authenticate`. */
  readonly formatChallenge: (challenge: ReadyChallenge, quote: Quote) => string;
  /** Makes what goes with an invoice. Left out by schemes that need no more than the invoice, or none. */
  readonly issuer?: () => Promise<ChallengeIssuer>;
  /** What an operator names when one payment is to be revoked. */
  readonly findRevocable?: (named: NamedToken) => Revocable | undefined;
}

/** What one request presents. Read when it is first asked for; each text is read once. */
export interface Presentation {
  /** What `Authorization` holds for the origin. */
  readonly authorizationRest: string;
  /** In the order in which they are tried. */
  readonly credentials: () => Result<readonly PresentedCredential[], CredentialRefusal>;
  /** Payment hashes in hex; `undefined` when one of the credentials cannot be read. */
  readonly paymentHashes: () => readonly string[] | undefined;
}

export interface PresentedCredential {
  /** What it proves, whatever is asked for. */
  readonly prove: () => Promise<Result<ProvedPayment, CredentialRefusal>>;
}

/** A payment that a credential proves to be ours. */
export interface ProvedPayment {
  readonly paymentHash: Uint8Array;
  /** What can be revoked of it (M30). */
  readonly revocable: RevocableToken;
  readonly access: AccessKind;
  /** Whether the credential proves that the payment was made: not where others may have seen the preimage before (M24). */
  readonly isProof: boolean;
  /** Whether the body has to be read before the credential can be judged for a service. */
  readonly needsDigest: (service: string) => boolean;
  /** Why it is good for nothing that is sold so, as far as can be told without price and body; `undefined` when it may be good. */
  readonly judgeStanding: (sold: SoldTerms, context: JudgeContext) => CredentialRefusal | undefined;
  /** What it is good for, judged against what is asked. */
  readonly judge: (quote: Quote, context: JudgeContext) => Promise<Result<Grant, GrantRefusal>>;
  /** Why the key that signed it is no longer good; `undefined` when it is. */
  readonly checkKey: () => Promise<CredentialRefusal | undefined>;
}

/** What makes the token of an invoice. One for ever: an invoice never gets a second one (M3). */
export interface ChallengeIssuer {
  /** Names the key that signs. */
  readonly signing: string;
  readonly issue: (order: IssueOrder) => Promise<string>;
}

export interface IssueOrder {
  readonly paymentHash: Uint8Array;
  readonly quote: Quote;
  /** Sixteen hex digits, by which quotas know the challenge. Its payment must lead back to it. */
  readonly challengeId: string;
  /** Where the claim lives (M45). */
  readonly region: number;
  readonly shardBits: number;
  readonly validUntilSeconds: number;
  readonly settlement: 'strict' | undefined;
}

/** A token as an operator has it. */
export interface NamedToken {
  readonly token: unknown;
  readonly identifier: unknown;
}

export interface Revocable {
  readonly paymentHash: Uint8Array;
  readonly claimObjectName: string;
  readonly identifierHex: string;
  /** Since 1970: no token of its key is good for longer, but for the grace of keys. */
  readonly lastHours: number;
}

/** What one request costs, and for what. */
export interface Quote {
  /** The route as the seller wrote it. */
  readonly match: string;
  readonly service: string;
  readonly tier: number;
  readonly capabilities: readonly string[];
  /** What the call costs: for a call, a number of calls or a pass that is the whole of it, for a credit what it draws. */
  readonly priceMsat: Msat;
  readonly sells: Offer;
  /** 32 hex digits over the inputs of the price: the route and its parameters, never the price itself (M5). */
  readonly digest: string;
  readonly description: string;
}

/** What is sold to whoever has not paid yet. */
export interface Offer {
  readonly access: Access;
  /** Of the invoice. */
  readonly amountMsat: Msat;
  /** How long it is good for after its invoice has expired; the gateway's own time to redeem if left out. */
  readonly seconds?: number | undefined;
}

/** What a route sells, before its price is known. */
export type SoldTerms = Pick<Quote, 'service' | 'tier' | 'capabilities'> & { readonly sells: Pick<Offer, 'access' | 'seconds'> };

/** What one request takes from a payment that is counted, in its unit. */
export interface Charge extends Pick<ClaimOrder, 'limit' | 'cost'> {
  readonly unit: 'calls' | 'msat';
  readonly draws: readonly (ClaimOrder['draws'][number] & { readonly unit: 'calls' | 'msat' })[];
}

/** A payment that is good for a request, unless it has been used. */
export interface Grant {
  readonly paymentHash: Uint8Array;
  readonly claimObjectName: string;
  readonly claimEndsAtSeconds: number;
  /** Names the payment in logs and towards the origin; opens nothing (M16). */
  readonly claimId: string;
  /** Names the payment towards the origin, which does its work once for a name. Nobody but the holder of the credential could know it. */
  readonly secretId: string;
  /** Nothing for a pass: it is good until it ends, and no object is asked. */
  readonly charge: Charge | undefined;
  readonly maxPerMinute: number | undefined;
  /** The preimage does not prove the payment: that the invoice is settled must be known before the first use (M24). */
  readonly needsSettlement: boolean;
  /** What was paid, and for what, whatever the route sells now. */
  readonly sold: { readonly scheme: string; readonly access: AccessKind; readonly paidMsat: Msat };
  /** The challenge that was paid, as the quota of those who have not paid knows it. */
  readonly challengeId: string;
  /** When a pass ends, for whoever has set the earliest end; nothing for what is counted, which its end does not break off (M14). */
  readonly passEndsAtSeconds: number | undefined;
}

/** Why a credential is not good for a quote. */
export type GrantRefusal = CredentialRefusal | Refusal<'payment_too_small'>;

export interface JudgeContext {
  readonly nowSeconds: number;
  readonly skewSeconds: number;
  /** What the caveats of a token may ask about the request itself. */
  readonly request: Pick<CaveatFacts, 'method' | 'host' | 'path'>;
  /** Where the request comes from; nothing when that is not known. Called only for a token that is narrowed to networks. */
  readonly clientAddress: () => string | undefined;
  /** The digest of the request; `undefined` when it was not worked out. Only a token that is narrowed to one is held to it. */
  readonly requestDigest?: string | undefined;
  /** How long an invoice can be paid. */
  readonly invoiceExpirySeconds: number;
  /** By how much a pass ends later than its minter wrote. `undefined`: no pass is extended. */
  readonly extensionOf?: ((life: PassLife) => number) | undefined;
}

/** The time for which a pass was sold. */
export interface PassLife {
  readonly soldAtSeconds: number;
  /** As its minter wrote it. */
  readonly validUntilSeconds: number;
}

/** The largest skew of clocks that can be configured. */
export const LARGEST_SKEW_SECONDS = 300;
const ROW_MARGIN_SECONDS = 3600;

/** Until when a claim is kept: past the end of its token by the largest skew and an hour (M2). */
export function endOfClaim(tokenEndsAtSeconds: number): number {
  return tokenEndsAtSeconds + LARGEST_SKEW_SECONDS + ROW_MARGIN_SECONDS;
}
