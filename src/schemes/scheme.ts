/*
 * The interface of payment schemes. A scheme reads its credentials from a request, proves one, judges it for a quote, and
 * writes its part of a challenge; the gateway knows nothing else about it. Types, and how long a claim is kept.
 */
import { type Access } from '#protocol/access.ts';
import { type CaveatFacts } from '#protocol/caveat-kinds.ts';
import { type Msat } from '#protocol/msat.ts';
import { type CredentialRefusal, type Refusal } from '#protocol/refusal.ts';
import { type Result } from '#protocol/result.ts';
import { type AccessKind } from '#protocol/token-id.ts';
import { type ClaimOrder, type ReadyChallenge, type RevocableToken } from '../ports.ts';

/** A way to pay. Its functions never throw on client input. */
export interface PaymentScheme {
  readonly name: string;
  /** Takes its credentials out of the fields of a request. `authorization`: what the previous schemes left of that field. */
  readonly present: (fields: Headers, authorization: string) => Result<Presentation, Refusal<'header_too_large'>>;
  /** Whether a field with a possible other use holds a credential, which must not reach the origin. */
  readonly holdsCredential: (value: string) => boolean;
  /** Formats the challenge in `WWW-Authenticate`. */
  readonly formatChallenge: (challenge: ReadyChallenge, quote: Quote) => string;
  /** Opens the issuer of the token that goes with an invoice. `undefined`: the scheme needs only the invoice, or none. */
  readonly issuer?: () => Promise<ChallengeIssuer>;
  /** Finds the payment that an operator wants to revoke. */
  readonly findRevocable?: (named: NamedToken) => Revocable | undefined;
}

/** What one request presents. Read on first access; each text is read once. */
export interface Presentation {
  /** The part of `Authorization` for the origin. */
  readonly authorizationRest: string;
  /** In the order in which they are tried. */
  readonly credentials: () => Result<readonly PresentedCredential[], CredentialRefusal>;
  /** Payment hashes in hex; `undefined` if one of the credentials cannot be read. */
  readonly paymentHashes: () => readonly string[] | undefined;
}

export interface PresentedCredential {
  /** Proves the credential, independently of the request. */
  readonly prove: () => Promise<Result<ProvedPayment, CredentialRefusal>>;
}

/** A payment that a credential proves to be one of this gateway. */
export interface ProvedPayment {
  readonly paymentHash: Uint8Array;
  /** What can be revoked of it (M30). */
  readonly revocable: RevocableToken;
  readonly access: AccessKind;
  /** Whether the credential proves that the payment was made; false if others may have seen the preimage before (M24). */
  readonly isProof: boolean;
  /** Whether the body has to be read before the credential can be judged for a service. */
  readonly needsDigest: (service: string) => boolean;
  /** Returns why it is good for nothing with these terms, as far as is known without price and body; `undefined` if it may be good. */
  readonly judgeStanding: (sold: SoldTerms, context: JudgeContext) => CredentialRefusal | undefined;
  /** Judges what it is good for, against the quote and the request. */
  readonly judge: (quote: Quote, context: JudgeContext) => Promise<Result<Grant, GrantRefusal>>;
  /** Returns why the key that signed it is no longer valid; `undefined` if it is valid. */
  readonly checkKey: () => Promise<CredentialRefusal | undefined>;
}

/** Makes the token of an invoice. An invoice never gets a second token (M3). */
export interface ChallengeIssuer {
  /** Names the signing key. */
  readonly signing: string;
  readonly issue: (order: IssueOrder) => Promise<string>;
}

export interface IssueOrder {
  readonly paymentHash: Uint8Array;
  readonly quote: Quote;
  /** Sixteen hex digits that identify the challenge in quotas. Its payment must lead back to it. */
  readonly challengeId: string;
  /** Where the claim lives (M45). */
  readonly region: number;
  readonly shardBits: number;
  readonly validUntilSeconds: number;
  readonly settlement: 'strict' | undefined;
}

/** A token as an operator names it. */
export interface NamedToken {
  readonly token: unknown;
  readonly identifier: unknown;
}

export interface Revocable {
  readonly paymentHash: Uint8Array;
  readonly claimObjectName: string;
  readonly identifierHex: string;
  /** Hours since 1970. No token of its key is valid for longer, except for the grace period of keys. */
  readonly lastHours: number;
}

/** What one request costs, and for what. */
export interface Quote {
  /** The route as written in the configuration. */
  readonly match: string;
  readonly service: string;
  readonly tier: number;
  readonly capabilities: readonly string[];
  /** The cost of the call: the whole amount for a call, a number of calls or a pass; for a credit, what the call draws. */
  readonly priceMsat: Msat;
  readonly sells: Offer;
  /** 32 hex digits over the inputs of the price: the route and its parameters, never the price itself (M5). */
  readonly digest: string;
  readonly description: string;
}

/** What is sold to a client that has not paid yet. */
export interface Offer {
  readonly access: Access;
  /** The amount of the invoice. */
  readonly amountMsat: Msat;
  /** How long it is valid after its invoice has expired; `undefined`: the gateway's own redemption time. */
  readonly seconds?: number | undefined;
}

/** What a route sells, before its price is known. */
export type SoldTerms = Pick<Quote, 'service' | 'tier' | 'capabilities'> & { readonly sells: Pick<Offer, 'access' | 'seconds'> };

/** What one request takes from a counted payment, in its unit. */
export interface Charge extends Pick<ClaimOrder, 'limit' | 'cost'> {
  readonly unit: 'calls' | 'msat';
  readonly draws: readonly (ClaimOrder['draws'][number] & { readonly unit: 'calls' | 'msat' })[];
}

/** A payment that is good for a request, unless it has been used. */
export interface Grant {
  readonly paymentHash: Uint8Array;
  readonly claimObjectName: string;
  readonly claimEndsAtSeconds: number;
  /** Names the payment in logs and to the origin; grants no access (M16). */
  readonly claimId: string;
  /** Names the payment to the origin, which does its work once per name. Only the holder of the credential can know it. */
  readonly secretId: string;
  /** `undefined` for a pass: it is valid until it ends, and no object is asked. */
  readonly charge: Charge | undefined;
  readonly maxPerMinute: number | undefined;
  /** The preimage does not prove the payment: the invoice must be known as settled before the first use (M24). */
  readonly needsSettlement: boolean;
  /** What was paid and for what, whatever the route sells now. */
  readonly sold: { readonly scheme: string; readonly access: AccessKind; readonly paidMsat: Msat };
  /** The paid challenge, by its id in the quota of unpaid clients. */
  readonly challengeId: string;
  /**
   * The end of a pass: the earliest end set by the minter or a holder. `undefined` for counted access, whose running
   * responses are not cut off at the end (M14).
   */
  readonly passEndsAtSeconds: number | undefined;
}

/** Why a credential is not good for a quote. */
export type GrantRefusal = CredentialRefusal | Refusal<'payment_too_small'>;

export interface JudgeContext {
  readonly nowSeconds: number;
  readonly skewSeconds: number;
  /** The facts about the request that caveats may test. */
  readonly request: Pick<CaveatFacts, 'method' | 'host' | 'path'>;
  /** Returns the client's address; `undefined` if unknown. Called only for a token that is narrowed to networks. */
  readonly clientAddress: () => string | undefined;
  /** The digest of the request; `undefined` if not computed. Only a token narrowed to one request is checked against it. */
  readonly requestDigest?: string | undefined;
  /** How long an invoice can be paid. */
  readonly invoiceExpirySeconds: number;
  /** Returns how much later a pass ends than its minter wrote. `undefined`: no pass is extended. */
  readonly extensionOf?: ((life: PassLife) => number) | undefined;
}

/** The time for which a pass was sold. */
export interface PassLife {
  readonly soldAtSeconds: number;
  /** As its minter wrote it. */
  readonly validUntilSeconds: number;
}

/** The largest clock skew that can be configured. */
export const LARGEST_SKEW_SECONDS = 300;
const ROW_MARGIN_SECONDS = 3600;

/** Returns the instant until which a claim is kept: the end of its token, plus the largest skew and an hour (M2). */
export function endOfClaim(tokenEndsAtSeconds: number): number {
  return tokenEndsAtSeconds + LARGEST_SKEW_SECONDS + ROW_MARGIN_SECONDS;
}
