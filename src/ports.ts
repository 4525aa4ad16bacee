/*
 * The ports: what the gateway needs from the outside, as types only. Adapters implement them, tests fake them; no other part
 * of the platform reaches the inner layers.
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

/** Resolves after this many milliseconds; never once the optional signal has been aborted. */
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
  /** Names the node that made it, if known (M44). */
  readonly node?: string | undefined;
}

/** The node that makes invoices now, as far as this isolate knows. */
export type { KnownNode };

/** The Lightning node behind the bridge. Throws if it is unreachable. */
export interface Lightning {
  readonly mint: (order: InvoiceOrder) => Promise<MintedInvoice>;
  /** Makes several invoices, while no client waits: in the order of the orders, `undefined` where none was made. */
  readonly mintBatch: (orders: readonly InvoiceOrder[]) => Promise<readonly (MintedInvoice | undefined)[]>;
  /** Returns the state of an invoice. `gone`: certainly not paid, and no longer payable. Ends by itself within seconds. */
  readonly lookUp: (paymentHash: Uint8Array) => Promise<'open' | 'settled' | 'gone'>;
  /** Returns the node that makes invoices now; refreshed in the background. Omitted if it cannot be determined. */
  readonly currentNode?: (background: Background) => KnownNode | undefined;
}

/** What the bridge has signed and sent. */
export interface SignedPush {
  readonly method: string;
  readonly pathAndQuery: string;
  readonly body: string;
  readonly header: (name: string) => string | null;
}

/** Payments that nodes have seen, as the bridge pushes them (M24). Both throw if the store is unreachable. */
export interface Settlements {
  /** `false`: no push has reported it. */
  readonly isSettled: (paymentHashHex: string) => Promise<boolean>;
  /** Returns the answer with its signature. */
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
  /** Read from the token, never derived from the configuration (M3). */
  readonly objectName: string;
  readonly reservationId: string;
  readonly leaseMs: number;
  readonly endsAtSeconds: number;
  /** The units that the payment bought, and the units that this call takes. */
  readonly limit: number;
  readonly cost: number;
  /** What the call takes from the counters that holders have put on the token (M7). */
  readonly draws: readonly (Draw & { readonly limit: number })[];
  /** Only for a payment that its preimage does not prove (M24). */
  readonly settlement?: Settlement | undefined;
  /** How often the payment may be used, counted in the same call. */
  readonly rate?: RateCheck | undefined;
}

/** A claim that is held. Report its outcome once. */
export interface Lease {
  readonly finish: (outcome: Outcome) => Promise<void>;
}

type Granted = Extract<ReserveAnswer, { kind: 'granted' }>;
export type ClaimAnswer = Exclude<ReserveAnswer, Granted> | (Granted & { readonly lease: Lease });

/** Uses of payments. Throws if the claims are unreachable. */
export interface Claims {
  readonly reserve: (order: ClaimOrder) => Promise<ClaimAnswer>;
}

/** Whether a pass, whose uses are not counted, is presented for the first time. Throws if the claims are unreachable. */
export type NoteFirst = (claim: Pick<ClaimOrder, 'paymentHash' | 'objectName' | 'endsAtSeconds'>) => Promise<boolean>;

/** A payment that was presented for the first time: this is when it counts as sold. */
export interface SoldPayment {
  /** Names the payment; grants no access (M16). */
  readonly claim: string;
  readonly match: string;
  readonly service: string;
  /** The payment scheme. */
  readonly scheme: string;
  readonly access: AccessKind;
  readonly amountMsat: Msat;
}

/** A use of a payment, and its outcome. */
export interface SoldUse extends Pick<SoldPayment, 'match' | 'service'> {
  /** Begins with the name of the payment. */
  readonly claim: string;
  readonly outcome: 'counted' | 'released' | 'in_doubt';
  /** The status of the origin, or why there is none. */
  readonly origin: number | string;
}

/** What was sold, reported once per payment and once per counted use. */
export interface Sales {
  readonly payment: (payment: SoldPayment) => void;
  readonly use: (use: SoldUse) => void;
}

/** Marks a payment as used up, at once and for every isolate (M30). Throws if the claims are unreachable. */
export type RevokeClaim = (claim: Pick<ClaimOrder, 'paymentHash' | 'objectName' | 'endsAtSeconds'>) => Promise<void>;

/** The question to a pricing service: everything that it is told, so that the question can be the cache key (M26). */
export interface PriceQuestion {
  /** A URL, or the name of a service binding. */
  readonly service: string;
  /** JSON. */
  readonly body: string;
  readonly timeoutMs: number;
  /** How long an answer may be reused; 0: never. */
  readonly cacheSeconds: number;
}

/** Asks a seller's pricing service. Throws if it is unreachable or its answer is invalid. */
export type Pricing = (question: PriceQuestion) => Promise<Msat>;

/** Continues work after the response has been sent; the platform's own function. */
export type Background = (work: Promise<unknown>) => void;

/** Unpaid clients, and those that present a used-up payment: for the latter the payment counts as the client (M19). */
export type QuotaClass = 'unpaid' | 'paid';

/** An offer whose challenges are made in advance, in one of the quota shards. */
export interface PooledOffer {
  readonly shard: number;
  readonly key: string;
  /** For all shards together. */
  readonly bounds: PoolBounds;
  /** The node whose invoices can be paid now. */
  readonly node?: KnownNode | undefined;
}

export interface QuotaOrder {
  readonly client: ClientKey;
  readonly trafficClass: QuotaClass;
  readonly ask: QuotaAsk;
  /** The limits of one client. */
  readonly bounds: QuotaBounds;
  /** The limits of all clients together. */
  readonly totals: QuotaBounds;
  /** Where the shard is created, if this is its first ask (M45). */
  readonly region: number;
}

/** What a client without a payment may have. One object call each; throws if the object is unreachable. */
export interface Quota {
  /** Returns the shard of a client, from 0 to 255; the id of a challenge begins with this byte. */
  readonly shardOf: (client: ClientKey) => number;
  readonly ask: (order: QuotaOrder) => Promise<QuotaAnswer>;
  /** Stops counting a challenge that was paid and used. Costs at most one extra call per second and shard. */
  readonly giveBack: (paid: PaidChallenge, background: Background) => void;
  /** Remembers a challenge that was made for an ask, so that it can be issued to the client again (M18). Costs no extra call. */
  readonly keep: (challenge: IssuedChallenge & Pick<QuotaOrder, 'client' | 'trafficClass'>) => void;
  /** Adds challenges of an offer to the pool. */
  readonly stock: (offer: PooledOffer, items: readonly ReadyChallenge[]) => Promise<void>;
  /** Returns how many challenges of each offer the caller should deliver to a shard; no other caller is told so meanwhile. */
  readonly want: (shard: number, offers: readonly Omit<PooledOffer, 'shard'>[]) => Promise<readonly number[]>;
}

/** `exact`: one count for all, by an object call. `isolate`: each isolate counts a share. `platform`: the platform's own limiter. */
export type RateCount = 'exact' | 'isolate' | 'platform';

export interface RateOrder {
  readonly count: RateCount;
  /** Checks that can occur in the same order name the same object. */
  readonly objectName: string;
  /** All pass or none. */
  readonly checks: readonly RateCheck[];
}

/** Rate limits that do not belong to a client. Throws if an exact count is unreachable. */
export interface RateLimits {
  readonly take: (order: RateOrder) => Promise<RateAnswer>;
}

/** A token by what can be revoked of it. */
export interface RevocableToken {
  readonly identifier: Uint8Array;
  readonly keyId: number;
  readonly epochStartHours: number;
}

/** The control snapshot, indexed for queries. */
export interface ControlIndex {
  /** Origins whose breaker is not closed, with the instant from which they may be tried again. */
  readonly openUntilMs: ReadonlyMap<string, number>;
  readonly maintenances: readonly Maintenance[];
  readonly isRevoked: (token: RevocableToken) => boolean;
}

/** What an isolate knows. `index: undefined`: no snapshot was available yet. `isStale`: older than allowed (M30). */
export interface ControlView {
  readonly index: ControlIndex | undefined;
  readonly isStale: boolean;
}

/** Breakers, revocations and maintenance. Reading never throws, and returns a promise only if there is no snapshot yet. */
export interface Control {
  readonly read: (background: Background) => ControlView | Promise<ControlView>;
  /** Reports the outcome of a call to an origin. */
  readonly report: (vote: OriginVote & { readonly origin: string }, background: Background) => void;
  readonly revoke: (revocation: Revocation) => Promise<ControlAnswer>;
  readonly setMaintenance: (order: MaintenanceOrder) => Promise<ControlAnswer>;
  /** Reports that a quota shard is asked for pooled offers. */
  readonly noteStocked: (shard: number, background: Background) => void;
  /** Returns the shards recently reported so. Throws if they cannot be determined. */
  readonly stockedShards: () => Promise<readonly number[]>;
}

/** Sends a request to the origin, or to the service of that binding; rejects if there is no response. */
export type Origin = (request: Request, binding?: string) => Promise<Response>;

/** The keys that sign tokens. */
export interface KeyRing {
  /** Returns the key that signs now. */
  readonly current: () => Promise<{ readonly keyId: number; readonly epoch: Epoch; readonly epochKey: Uint8Array }>;
  readonly epochKeys: EpochKeys;
}

export type LogValue = string | number | boolean | null | undefined;

/** Writes one structured line. Never a secret: no credential, preimage, token, key, query or body. */
export type Log = (event: string, fields: Readonly<Record<string, LogValue>>) => void;
