/*
 * What the bridge needs from outside, as types only: the Lightning node, a clock, randomness, a log. The node's port is
 * designed to fit LND, Core Lightning, Eclair and phoenixd; each member states its requirements.
 */
import { type Network } from '#protocol/invoice.ts';
import { type Msat } from '#protocol/msat.ts';
import { type Result } from '#protocol/result.ts';

/** An order for one invoice. */
export interface InvoiceOrder {
  readonly amountMsat: Msat;
  readonly memo: string;
  readonly expirySeconds: number;
  /** 32 hex digits. Becomes the label (Core Lightning), the seed of the preimage (LND, Eclair) or a key of the adapter. */
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

/** A payment as a node counts it: each has a greater index than the previous one. */
export interface SettledPayment {
  readonly index: number;
  readonly paymentHashHex: string;
  readonly settledAtSeconds: number;
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Gets the payments that are available together, in sequence. More are read only when it is done; it never rejects. */
  readonly take: (settled: readonly SettledPayment[]) => Promise<void>;
}

/** The cause of a node failure, finer than the answer to the gateway: for the operator, in log, metrics and `check`. */
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
 * Why a node refuses. Any other failure in an adapter is thrown, and the bridge answers 503. The detail consists of fixed
 * words: the node's own text may hold a preimage or an address and is never passed on.
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
 * A Lightning node that accepts payments. A call ends by itself within the adapter's time limit. No backend can make several
 * invoices in one call, so a batch is several calls, and the bridge bounds how many run at once.
 */
export interface LightningNode {
  /** The name of the backend in health answers and logs. */
  readonly kind: string;
  readonly network: Network;
  /** `strict`: others may see a preimage before it was paid for (as with LNbits), so a credential needs a look-up (M24). */
  readonly settlement: 'strict' | 'preimage';
  /** Amounts must be whole multiples of this: 1, or 1000 for a node that knows only satoshis. The bridge never rounds. */
  readonly smallestMsat: Msat;
  /** Returns the key that signs this node's invoices, asked once and remembered. `undefined`: the backend cannot tell. */
  nodeKeyHex(): Promise<Result<string | undefined, NodeRefusal>>;
  /**
   * Makes an invoice. The same key with the same order gives the same invoice while it is open. With another order, or once
   * the invoice is paid or expired, the key is used up: backends that derive the preimage from it could only make the same
   * hash again.
   */
  mint(order: InvoiceOrder): Promise<Result<MintedInvoice, NodeRefusal>>;
  /** Looks up an invoice. The hash is 64 lower-case hex digits; adapters convert it to other encodings. */
  lookUp(paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>>;
  /** Resolves when the invoice is settled or no longer can be, or on the signal, then with the current state. */
  waitSettled(paymentHashHex: string, options: { readonly signal: AbortSignal }): Promise<Result<InvoiceState, NodeRefusal>>;
  /**
   * Reports each payment after this index until the signal comes or the node breaks off; then returns why, if known. Index 0:
   * all new payments, and those of the past that the node still reports. Omitted if payments have no number to continue from.
   */
  followSettled?(index: number, options: FollowOptions): Promise<NodeRefusal | undefined>;
  health(): Promise<'ok' | 'node_unavailable'>;
  /** Inspects the node: reachable, trusted, unlocked, in sync, right network, credential neither too weak nor too strong. */
  inspect(): Promise<readonly NodeFinding[]>;
  /** Closes the connections; no calls are allowed afterwards. */
  close(): void;
}

export interface Clock {
  nowSeconds(): number;
}

/** Returns this many bytes from a cryptographic source. */
export type Random = (length: number) => Uint8Array;

/** One line of the log. Contains names, numbers and payment hashes; never a body, a header or a secret. */
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
