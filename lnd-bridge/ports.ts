/*
 * What the bridge needs from outside, as types only: the Lightning node, a clock, randomness, a log.
 * The node's port is cut so that LND, Core Lightning, Eclair and phoenixd fit it; what it must hold is said at each member.
 */
import { type Network } from '#protocol/invoice.ts';
import { type Msat } from '#protocol/msat.ts';
import { type Result } from '#protocol/result.ts';

/** One invoice to be made. */
export interface InvoiceOrder {
  readonly amountMsat: Msat;
  readonly memo: string;
  readonly expirySeconds: number;
  /** 32 hex digits. Becomes the label (Core Lightning), the seed of the preimage (LND, Eclair) or a key of the adapter's own. */
  readonly idempotencyKey: string;
}

export interface MintedInvoice {
  readonly invoice: string;
  readonly paymentHashHex: string;
  readonly expiresAtSeconds: number;
}

export interface InvoiceState {
  readonly paymentHashHex: string;
  readonly state: 'open' | 'settled' | 'expired' | 'canceled';
  readonly paidMsat?: Msat;
  readonly settledAtSeconds?: number;
}

/** A payment as a node counts it: each has a greater index than the one before. */
export interface SettledPayment {
  readonly index: number;
  readonly paymentHashHex: string;
  readonly settledAtSeconds: number;
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Those that lay ready together, in their sequence. More are read only when it is done; it never rejects. */
  readonly take: (settled: readonly SettledPayment[]) => Promise<void>;
}

/** What is the matter with a node, finer than the answer to the gateway: for the operator, in log, metrics and `check`. */
export type NodeFault =
  | 'unreachable'
  | 'timeout'
  | 'tls_untrusted'
  | 'wallet_locked'
  | 'starting'
  | 'credential_refused'
  | 'permission_missing'
  | 'network_wrong'
  | 'identity_wrong'
  | 'answer_malformed'
  | 'node_error';

/**
 * Why a node says no. Whatever else goes wrong inside an adapter is thrown, and the bridge answers for it with 503.
 * The detail is made of fixed words: what a node says may hold a preimage or an address and goes nowhere.
 */
export interface NodeRefusal {
  readonly code: 'node_unavailable' | 'idempotency_key_used' | 'invoice_unknown' | 'order_refused' | 'node_answer_wrong';
  readonly detail: string;
  readonly fault?: NodeFault;
}

/** Something that an operator should know about a node; a `problem` means that it cannot sell. */
export interface NodeFinding {
  readonly severity: 'problem' | 'warning' | 'note';
  readonly code: NodeFault | 'syncing' | 'no_inbound' | 'credential_too_strong' | 'credential_too_weak' | 'not_visible' | 'mint_failed';
  readonly detail: string;
}

/**
 * A Lightning node that takes payments. A call ends by itself within a time-out of the adapter's own. No backend has a
 * call that makes several invoices, so a batch is several calls, and the bridge bounds how many run at once.
 */
export interface LightningNode {
  /** The name of the backend in health answers and logs. */
  readonly kind: string;
  readonly network: Network;
  /** `strict`: others may see a preimage before it was paid for (LNbits does that), so a credential needs a look-up (M24). */
  readonly settlement: 'strict' | 'preimage';
  /** Amounts must be whole multiples of this: 1, or 1000 for a node that knows satoshi only. The bridge never rounds. */
  readonly smallestMsat: Msat;
  /** The key that signs this node's invoices, asked once and remembered. `undefined` where the backend cannot tell. */
  nodeKeyHex(): Promise<Result<string | undefined, NodeRefusal>>;
  /**
   * The same key with the same order gives the same invoice while it is open. With another order, or once the invoice is
   * paid or over, the key is used up: backends that derive the preimage from it could only make the same hash again.
   */
  mint(order: InvoiceOrder): Promise<Result<MintedInvoice, NodeRefusal>>;
  /** The hash is 64 lower-case hex digits; adapters turn other encodings into that inside. */
  lookUp(paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>>;
  /** Ends when the invoice is settled or can no longer be, or with the signal: then the state as it is. */
  waitSettled(paymentHashHex: string, options: { readonly signal: AbortSignal }): Promise<Result<InvoiceState, NodeRefusal>>;
  /**
   * Tells of each payment after this index until the signal comes or the node breaks off, and then why, if it says so. From 0
   * on: of those that come from now on, and of as many of those before as the node still tells. Left out where payments have
   * no number to go on from.
   */
  followSettled?(index: number, options: FollowOptions): Promise<NodeRefusal | undefined>;
  health(): Promise<'ok' | 'node_unavailable'>;
  /** Looks the node over: reached, trusted, unlocked, in sync, right network, credential neither too weak nor too strong. */
  inspect(): Promise<readonly NodeFinding[]>;
  /** Gives the connections back; no call after it. */
  close(): void;
}

export interface Clock {
  nowSeconds(): number;
}

/** As many bytes as asked for, from a cryptographic source. */
export type Random = (length: number) => Uint8Array;

/** One line of the log. Built from names, numbers and payment hashes; never from a body, a header or a secret. */
export interface LogEntry {
  readonly event:
    | 'invoice_minted'
    | 'answer_lost'
    | 'request_refused'
    | 'node_failed'
    | 'node_finding'
    | 'node_held_back'
    | 'breaker_opened'
    | 'feed_failed'
    | 'fault';
  readonly [field: string]: string | number;
}

export type Log = (entry: LogEntry) => void;
