/*
 * What the gateway needs of the world, as types only. Adapters implement these, tests fake them; nothing else of the
 * platform reaches the rooms inside.
 */
import { type Outcome, type ReserveAnswer } from '#durable-objects/claim-rules.ts';
import { type Hmac } from '#protocol/hmac.ts';
import { type Msat } from '#protocol/msat.ts';
import { type EpochKeys } from '#protocol/token.ts';
import { type Epoch } from '#protocol/token-id.ts';

export type { Hmac };

/** Milliseconds since 1970. */
export type Clock = () => number;

/** Unpredictable bytes. */
export type Random = (length: number) => Uint8Array;

/** Resolves after so many milliseconds; never once the signal, if there is one, has been aborted. */
export type Wait = (ms: number, signal?: AbortSignal) => Promise<void>;

export interface InvoiceOrder {
  readonly amountMsat: Msat;
  readonly memo: string;
  readonly expirySeconds: number;
  /** 32 hex digits. A repeated order with the same key gives the same invoice. */
  readonly idempotencyKey: string;
}

/** The Lightning node, behind the bridge. Throws when it cannot be had. */
export interface Lightning {
  readonly mint: (order: InvoiceOrder) => Promise<{ readonly invoice: string }>;
}

export interface ClaimOrder {
  readonly paymentHash: Uint8Array;
  /** Read from the token, never made from configuration (M3). */
  readonly objectName: string;
  readonly reservationId: string;
  readonly leaseMs: number;
  readonly endsAtSeconds: number;
}

/** A claim that is held: say once what became of it. Both settle when that is on disk. */
export interface Lease {
  readonly finish: (outcome: Outcome) => Promise<void>;
}

export type ClaimAnswer = Exclude<ReserveAnswer, { kind: 'granted' }> | { readonly kind: 'granted'; readonly lease: Lease };

/** Uses of payments. Throws when the claims cannot be reached. */
export interface Claims {
  readonly reserve: (order: ClaimOrder) => Promise<ClaimAnswer>;
}

/** Sends a request to the origin, or to the service of that binding; rejects when no answer comes. */
export type Origin = (request: Request, binding?: string) => Promise<Response>;

/** The keys that sign tokens. */
export interface KeyRing {
  /** The key that signs now. */
  readonly current: () => Promise<{ readonly keyId: number; readonly epoch: Epoch; readonly epochKey: Uint8Array }>;
  readonly epochKeys: EpochKeys;
}

export type LogValue = string | number | boolean | null | undefined;

/** One structured line. Never a secret: no credential, preimage, token, key, query or body. */
export type Log = (event: string, fields: Readonly<Record<string, LogValue>>) => void;
