/*
 * What every way to pay has in common: it is asked for a quote and answers with a grant, or says why not. Types only.
 */
import { type Access } from '#protocol/access.ts';
import { type CaveatFacts } from '#protocol/caveat-kinds.ts';
import { type Msat } from '#protocol/msat.ts';
import { type CredentialRefusal, type Refusal } from '#protocol/refusal.ts';
import { type VerifiedToken } from '#protocol/token.ts';
import { type ClaimOrder } from '../ports.ts';

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
  /** Nothing for a pass: it is good until it ends, and no object is asked. */
  readonly charge: Charge | undefined;
  readonly maxPerMinute: number | undefined;
  /** The preimage does not prove the payment: that the invoice is settled must be known before the first use (M24). */
  readonly needsSettlement: boolean;
  /** The challenge that was paid, as the quota of those who have not paid knows it. */
  readonly challengeId: string;
  /** When a pass ends, for whoever has set the earliest end; nothing for what is counted, which its end does not break off (M14). */
  readonly passEndsAtSeconds: number | undefined;
}

/** Why a credential is not good for a quote. */
export type GrantRefusal = CredentialRefusal | Refusal<'payment_too_small'>;

/** A token that is ours and has been paid for; the whole of what it signs tells whether it has been revoked (M30). */
export type ProvedToken = VerifiedToken & { readonly identifier: Uint8Array };

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
