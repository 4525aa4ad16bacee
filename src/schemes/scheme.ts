/*
 * What every way to pay has in common: it is asked for a quote and answers with a grant, or says why not. Types only.
 */
import { type CaveatFacts } from '#protocol/caveat-kinds.ts';
import { type Msat } from '#protocol/msat.ts';
import { type CredentialRefusal, type Refusal } from '#protocol/refusal.ts';
import { type Hmac, type KeyRing } from '../ports.ts';

/** What one request costs, and for what. */
export interface Quote {
  /** The route as the seller wrote it. */
  readonly match: string;
  readonly service: string;
  readonly tier: number;
  readonly capabilities: readonly string[];
  readonly priceMsat: Msat;
  /** 32 hex digits over the inputs of the price: the route and its parameters, never the price itself (M5). */
  readonly digest: string;
  readonly description: string;
}

/** A payment that is good for a request, unless it has been used. */
export interface Grant {
  readonly paymentHash: Uint8Array;
  readonly claimObjectName: string;
  readonly claimEndsAtSeconds: number;
  /** Names the use of the payment in logs and towards the origin; the same on a retry, opens nothing (M16). */
  readonly claimId: string;
}

/** Why a credential is not good for a quote. */
export type GrantRefusal = CredentialRefusal | Refusal<'payment_too_small'>;

export interface VerifyContext {
  readonly keys: KeyRing;
  readonly hmac: Hmac;
  readonly nowSeconds: number;
  readonly skewSeconds: number;
  /** What the caveats of a token may ask about the request itself. */
  readonly request: Pick<CaveatFacts, 'method' | 'host' | 'path' | 'clientAddress'>;
  /** The digest of the request; nothing when it cannot be had. Called only for a proved token that is narrowed to one. */
  readonly digestRequest: () => Promise<string | undefined>;
}
