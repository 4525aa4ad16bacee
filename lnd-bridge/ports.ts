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

/** Why a node says no. Whatever else goes wrong inside an adapter is thrown, and the bridge answers for it with 503. */
export interface NodeRefusal {
  readonly code: 'node_unavailable' | 'idempotency_key_used' | 'invoice_unknown' | 'order_refused';
  readonly detail: string;
}

/** A Lightning node that takes payments. A call ends by itself within a time-out of the adapter's own. */
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
  health(): Promise<'ok' | 'node_unavailable'>;
}

export interface Clock {
  nowSeconds(): number;
}

/** As many bytes as asked for, from a cryptographic source. */
export type Random = (length: number) => Uint8Array;

/** One line of the log. Built from names, numbers and payment hashes; never from a body, a header or a secret. */
export interface LogEntry {
  readonly event: 'invoice_minted' | 'request_refused' | 'fault';
  readonly [field: string]: string | number;
}

export type Log = (entry: LogEntry) => void;
