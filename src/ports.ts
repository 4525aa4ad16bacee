/*
 * What the gateway needs of the world, as types only. Adapters implement these, tests fake them; nothing else of the
 * platform reaches the rooms inside.
 */
import { type BreakerSettings, type OriginOutcome, type OriginVote } from '#durable-objects/breaker-rules.ts';
import { type Draw, type Outcome, type ReserveAnswer, type Settlement } from '#durable-objects/claim-rules.ts';
import { type ControlAnswer, type Maintenance, type MaintenanceOrder, type Revocation } from '#durable-objects/control-rules.ts';
import { type IssuedChallenge } from '#durable-objects/issued-rules.ts';
import { type KnownNode, type PoolBounds, type ReadyChallenge } from '#durable-objects/pool-rules.ts';
import {
  type ClientKey,
  type PaidChallenge,
  type QuotaAnswer,
  type QuotaAsk,
  type QuotaBounds,
  type QuotaReading,
} from '#durable-objects/quota-rules.ts';
import { type RateAnswer, type RateBound, type RateCheck, type RateReading } from '#durable-objects/rate-rules.ts';
import { type Hmac } from '#protocol/hmac.ts';
import { type Msat } from '#protocol/msat.ts';
import { type Result } from '#protocol/result.ts';
import { type EpochKeys } from '#protocol/token.ts';
import { type AccessKind, type Epoch } from '#protocol/token-id.ts';

export type {
  BreakerSettings,
  ClientKey,
  Hmac,
  Maintenance,
  OriginOutcome,
  Outcome,
  PoolBounds,
  QuotaAnswer,
  QuotaBounds,
  QuotaReading,
  RateBound,
  RateCheck,
  RateReading,
  ReadyChallenge,
};

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

export interface MintedInvoice {
  readonly invoice: string;
  readonly settlement: 'strict' | 'preimage';
  /** Names the node that made it, where that is known (M44). */
  readonly node?: string | undefined;
}

/** The node that makes invoices now, as far as this isolate knows. */
export type { KnownNode };

/** The Lightning node, behind the bridge. Throws when it cannot be had. */
export interface Lightning {
  readonly mint: (order: InvoiceOrder) => Promise<MintedInvoice>;
  /** Several at once, which nobody waits for: in the sequence of the orders, with nothing where none was made. */
  readonly mintBatch: (orders: readonly InvoiceOrder[]) => Promise<readonly (MintedInvoice | undefined)[]>;
  /** What has become of an invoice: `gone` is surely not paid, and cannot be any more. Ends by itself within seconds. */
  readonly lookUp: (paymentHash: Uint8Array) => Promise<'open' | 'settled' | 'gone'>;
  /** The node that makes invoices now; asked for in the background. Left out where nobody can tell. */
  readonly currentNode?: (background: Background) => KnownNode | undefined;
}

/** What the bridge has signed and sent. */
export interface SignedPush {
  readonly method: string;
  readonly pathAndQuery: string;
  readonly body: string;
  readonly header: (name: string) => string | null;
}

/** Payments that nodes have seen, as the bridge pushes them (M24). Both throw when what is known cannot be reached. */
export interface Settlements {
  /** `false` says only that nobody has told of it. */
  readonly isSettled: (paymentHashHex: string) => Promise<boolean>;
  /** Gives the answer with the signature that belongs to it. */
  readonly takePush: (
    push: SignedPush,
  ) => Promise<
    Result<
      { readonly body: string; readonly headers: Readonly<Record<string, string>> },
      { readonly code: 'push_unauthorized' | 'push_invalid'; readonly detail: string }
    >
  >;
}

export interface ClaimOrder {
  readonly paymentHash: Uint8Array;
  /** Read from the token, never made from configuration (M3). */
  readonly objectName: string;
  readonly reservationId: string;
  readonly leaseMs: number;
  readonly endsAtSeconds: number;
  /** Units that the payment bought, and those that this call takes. */
  readonly limit: number;
  readonly cost: number;
  /** What the call takes from the counters that holders have put on the token (M7). */
  readonly draws: readonly (Draw & { readonly limit: number })[];
  /** Only of a payment that its preimage does not prove (M24). */
  readonly settlement?: Settlement | undefined;
  /** How often the payment may be used, counted in the same call. */
  readonly rate?: RateCheck | undefined;
}

/** A claim that is held: say once what became of it. */
export interface Lease {
  readonly finish: (outcome: Outcome) => Promise<void>;
}

type Granted = Extract<ReserveAnswer, { kind: 'granted' }>;
export type ClaimAnswer = Exclude<ReserveAnswer, Granted> | (Granted & { readonly lease: Lease });

/** Uses of payments. Throws when the claims cannot be reached. */
export interface Claims {
  readonly reserve: (order: ClaimOrder) => Promise<ClaimAnswer>;
}

/** Whether a pass, of which no uses are counted, is presented for the first time. Throws when the claims cannot be reached. */
export type NoteFirst = (claim: Pick<ClaimOrder, 'paymentHash' | 'objectName' | 'endsAtSeconds'>) => Promise<boolean>;

/** A payment that was presented for the first time: that is what was sold. */
export interface SoldPayment {
  /** Names the payment; opens nothing (M16). */
  readonly claim: string;
  readonly match: string;
  readonly service: string;
  /** The way to pay. */
  readonly scheme: string;
  readonly access: AccessKind;
  readonly amountMsat: Msat;
}

/** A use of a payment, and what became of it. */
export interface SoldUse extends Pick<SoldPayment, 'match' | 'service'> {
  /** Begins with the name of the payment. */
  readonly claim: string;
  readonly outcome: 'counted' | 'released' | 'in_doubt';
  /** The status of the origin, or why there is none. */
  readonly origin: number | string;
}

/** What was sold, told once for each payment and once for each use that is counted. */
export interface Sales {
  readonly payment: (payment: SoldPayment) => void;
  readonly use: (use: SoldUse) => void;
}

/** Marks a payment as used up, at once and for every isolate (M30). Throws when the claims cannot be reached. */
export type RevokeClaim = (claim: Pick<ClaimOrder, 'paymentHash' | 'objectName' | 'endsAtSeconds'>) => Promise<void>;

/** What a pricing service is asked: all that it is told, so that the question is the key of a cache (M26). */
export interface PriceQuestion {
  /** An address, or the name of a service binding. */
  readonly service: string;
  /** JSON. */
  readonly body: string;
  readonly timeoutMs: number;
  /** How long an answer may be used again; 0 is never. */
  readonly cacheSeconds: number;
}

/** Asks a seller's pricing service. Throws when it cannot be asked or its answer is none. */
export type Pricing = (question: PriceQuestion) => Promise<Msat>;

/** Work that goes on when the answer has been sent; the platform's own promise. */
export type Background = (work: Promise<unknown>) => void;

/** Those who have not paid, and those who show a payment that is used up: for them a client is that payment (M19). */
export type QuotaClass = 'unpaid' | 'paid';

/** An offer whose challenges are made beforehand, in one of the places where clients are counted. */
export interface PooledOffer {
  readonly shard: number;
  readonly key: string;
  /** Of all places together. */
  readonly bounds: PoolBounds;
  /** Whose invoices can be paid now. */
  readonly node?: KnownNode | undefined;
}

export interface QuotaOrder {
  readonly client: ClientKey;
  readonly trafficClass: QuotaClass;
  readonly ask: QuotaAsk;
  /** What one client gets. */
  readonly bounds: QuotaBounds;
  /** What all clients get together. */
  readonly totals: QuotaBounds;
  /** Where the place is made, if this is the first that is asked of it (M45). */
  readonly region: number;
}

/** What one who has not paid may have. One object call each; throws when it cannot be reached. */
export interface Quota {
  /** Where a client is counted, from 0 to 255; the name of a challenge begins with this byte. */
  readonly shardOf: (client: ClientKey) => number;
  readonly ask: (order: QuotaOrder) => Promise<QuotaAnswer>;
  /** The challenge has been paid and used: it counts no longer. Costs a call of its own at most once a second and place. */
  readonly giveBack: (paid: PaidChallenge, background: Background) => void;
  /** Remembers a challenge that was made for an ask, so that the client can be given it again (M18). Costs no call of its own. */
  readonly keep: (challenge: IssuedChallenge & Pick<QuotaOrder, 'client' | 'trafficClass'>) => void;
  /** Brings challenges of an offer into the pool. */
  readonly stock: (offer: PooledOffer, items: readonly ReadyChallenge[]) => Promise<void>;
  /** How many challenges of each offer one who asks is to bring to a place; nobody else is told to meanwhile. */
  readonly want: (shard: number, offers: readonly Omit<PooledOffer, 'shard'>[]) => Promise<readonly number[]>;
}

/** `exact`: one count for all, an object call. `isolate`: each isolate counts a share. `platform`: the platform's own limiter. */
export type RateCount = 'exact' | 'isolate' | 'platform';

export interface RateOrder {
  readonly count: RateCount;
  /** Checks that may meet in one order name the same object. */
  readonly objectName: string;
  /** All pass or none. */
  readonly checks: readonly RateCheck[];
}

/** Rate limits that are not a client's. Throws when an exact one cannot be reached. */
export interface RateLimits {
  readonly take: (order: RateOrder) => Promise<RateAnswer>;
}

/** A token by what can be revoked of it. */
export interface RevocableToken {
  readonly identifier: Uint8Array;
  readonly keyId: number;
  readonly epochStartHours: number;
}

/** The control snapshot as it is asked. */
export interface ControlIndex {
  /** Origins whose breaker is not closed, by when it may be tried again. */
  readonly openUntilMs: ReadonlyMap<string, number>;
  readonly maintenances: readonly Maintenance[];
  readonly isRevoked: (token: RevocableToken) => boolean;
}

/** What an isolate knows: nothing when no snapshot could be had yet; stale when it is older than is allowed (M30). */
export interface ControlView {
  readonly index: ControlIndex | undefined;
  readonly isStale: boolean;
}

/** Breakers, revocations and maintenance. Reading never throws, and is a promise only where there is nothing to read yet. */
export interface Control {
  readonly read: (background: Background) => ControlView | Promise<ControlView>;
  /** Says what became of a call to an origin. */
  readonly report: (vote: OriginVote & { readonly origin: string }, background: Background) => void;
  readonly revoke: (revocation: Revocation) => Promise<ControlAnswer>;
  readonly setMaintenance: (order: MaintenanceOrder) => Promise<ControlAnswer>;
  /** Says that a place of the quota is asked for what can be made beforehand. */
  readonly noteStocked: (shard: number, background: Background) => void;
  /** Places of which somebody has said so lately. Throws when nobody can tell. */
  readonly stockedShards: () => Promise<readonly number[]>;
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
