/*
 * A fake Lightning node for development: its own key, real signed regtest invoices, a ledger in memory. No money moves: the
 * holder of the wallet's token "pays" by asking for the preimage (embedded-wallet-server.ts). Effects: memory. Clock and
 * randomness are passed in.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { formatHex } from '#protocol/bytes.ts';
import { type InvoiceFacts, parseInvoice } from '#protocol/invoice.ts';
import { type Msat, msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import {
  type Clock,
  type FollowOptions,
  type InvoiceOrder,
  type InvoiceState,
  type LightningNode,
  type MintedInvoice,
  type NodeRefusal,
  type Random,
  type SettledPayment,
} from '../ports.ts';
import { LONGEST_DESCRIPTION_BYTES } from './bolt11-encode.ts';
import { makeInvoice, type NodeKey, restoreInvoice } from './embedded-invoice.ts';
import { createLedger, DEFAULT_LEDGER_CAPACITY, type Ledger, type LedgerEntry } from './embedded-ledger.ts';

export interface Payment {
  readonly preimageHex: string;
  readonly amountMsat: Msat;
}

export interface PaymentRefusal {
  readonly code: 'invoice_malformed' | 'network_refused' | 'invoice_unknown' | 'invoice_expired';
  readonly detail: string;
}

/** The node as the bridge and a wallet see it; paying is not part of the bridge's port. */
export interface EmbeddedNode extends LightningNode {
  readonly publicKeyHex: string;
  /** Settles one of this node's own invoices. Paying again returns the first result, as Core Lightning does. */
  pay(invoice: string): Result<Payment, PaymentRefusal>;
}

export interface EmbeddedNodeOptions {
  readonly secretKey: Uint8Array;
  readonly clock: Clock;
  readonly random: Random;
  readonly ledgerCapacity?: number;
}

/** What the node's calls share. */
interface NodeState extends NodeKey {
  readonly clock: Clock;
  readonly random: Random;
  readonly ledger: Ledger;
  /** Those who wait for the payment of an invoice, by its hash. */
  readonly waiting: Map<string, readonly (() => void)[]>;
  /** Resolves with the next payment of any invoice. */
  nextPayment: PromiseWithResolvers<void>;
}

/** Creates an embedded node with an empty ledger. */
export function createEmbeddedNode({ secretKey, clock, random, ledgerCapacity }: EmbeddedNodeOptions): EmbeddedNode {
  const publicKeyHex = formatHex(secp256k1.getPublicKey(secretKey));
  // The ledger is lost with the process. Starting the index from the clock puts it beyond the indexes of earlier processes.
  const firstIndex = clock.nowSeconds() * 1000;
  const ledger = createLedger({ capacity: ledgerCapacity ?? DEFAULT_LEDGER_CAPACITY, firstIndex });
  const node: NodeState = { secretKey, publicKeyHex, clock, random, ledger, waiting: new Map(), nextPayment: Promise.withResolvers() };
  return {
    kind: 'embedded',
    network: 'regtest',
    settlement: 'preimage',
    smallestMsat: msat(1n),
    publicKeyHex,
    nodeKeyHex: async () => accept(publicKeyHex),
    health: async () => 'ok',
    inspect: async () => [],
    close: () => undefined,
    mint: async (order) => mint(node, order),
    lookUp: async (paymentHashHex) => lookUp(node, paymentHashHex),
    waitSettled: (paymentHashHex, { signal }) => waitSettled(node, { paymentHashHex, signal }),
    followSettled: (index, follow) => followSettled(node, { index, ...follow }),
    pay: (invoice) => pay(node, invoice),
  };
}

function mint({ secretKey, clock, random, ledger }: NodeState, order: InvoiceOrder): Result<MintedInvoice, NodeRefusal> {
  const nowSeconds = clock.nowSeconds();
  const earlier = ledger.findByKey(order.idempotencyKey);
  if (earlier !== undefined) return repeat(earlier, { order, nowSeconds });
  if (utf8ToBytes(order.memo).length > LONGEST_DESCRIPTION_BYTES) return no('order_refused', 'the memo does not fit into an invoice');
  const entry = makeInvoice(order, { secretKey, paymentSecret: random(32), nowSeconds });
  if (ledger.add(entry, nowSeconds) === 'full') return no('node_unavailable', 'the ledger of the embedded node is full');
  return accept(pickMinted(entry));
}

function lookUp({ ledger, clock }: NodeState, paymentHashHex: string): Result<InvoiceState, NodeRefusal> {
  const entry = ledger.findByHash(paymentHashHex);
  return entry === undefined
    ? no('invoice_unknown', 'the node has no invoice with this payment hash')
    : accept(pickState(entry, clock.nowSeconds()));
}

async function waitSettled(
  node: NodeState,
  { paymentHashHex, signal }: { paymentHashHex: string; signal: AbortSignal },
): Promise<Result<InvoiceState, NodeRefusal>> {
  const looked = lookUp(node, paymentHashHex);
  if (!looked.ok || looked.value.state !== 'open' || signal.aborted) return looked;
  const settled = Promise.withResolvers<void>();
  node.waiting.set(paymentHashHex, [...(node.waiting.get(paymentHashHex) ?? []), settled.resolve]);
  signal.addEventListener('abort', () => settled.resolve(), { once: true });
  await settled.promise;
  return lookUp(node, paymentHashHex);
}

async function followSettled(node: NodeState, { index, signal, take }: { index: number } & FollowOptions): Promise<undefined> {
  const stopped = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => stopped.resolve(), { once: true });
  for (let last = index; !signal.aborted;) {
    const { promise } = node.nextPayment;
    const settled = node.ledger.settledAfter(last).map(pickSettled);
    if (settled.length > 0) await take(settled);
    else await Promise.race([promise, stopped.promise]);
    last = settled.at(-1)?.index ?? last;
  }
}

function pay(node: NodeState, invoice: string): Result<Payment, PaymentRefusal> {
  const parsed = parseInvoice(invoice);
  if (!parsed.ok) return noPayment('invoice_malformed', parsed.refusal.detail);
  const facts = parsed.value;
  if (facts.network !== 'regtest')
    return noPayment('network_refused', `the embedded node pays regtest invoices only, not ${facts.network}`);
  const entry = node.ledger.findByHash(formatHex(facts.paymentHash)) ?? recall(node, facts);
  // The text must match too: an invoice made by someone else with one of these hashes is not the node's own.
  if (entry?.invoice !== facts.invoice) return noPayment('invoice_unknown', 'the embedded node did not make this invoice');
  if (entry.settled === undefined) {
    if (entry.expiresAtSeconds <= node.clock.nowSeconds()) return noPayment('invoice_expired', 'the invoice has expired');
    settle(node, entry);
  }
  return accept({ preimageHex: entry.preimageHex, amountMsat: entry.order.amountMsat });
}

/** Adds an invoice of an earlier process to the ledger; `undefined` if it is not this node's or the ledger is full. */
function recall(node: NodeState, facts: InvoiceFacts): LedgerEntry | undefined {
  const entry = restoreInvoice(facts, node);
  return entry === undefined || node.ledger.add(entry, node.clock.nowSeconds()) === 'full' ? undefined : entry;
}

/** Marks the invoice as paid, and tells everyone who waits for it. */
function settle(node: NodeState, entry: LedgerEntry): void {
  node.ledger.settle(entry, node.clock.nowSeconds());
  for (const tell of node.waiting.get(entry.paymentHashHex) ?? []) tell();
  node.waiting.delete(entry.paymentHashHex);
  node.nextPayment.resolve();
  node.nextPayment = Promise.withResolvers();
}

/** Answers a repeated key: the same invoice while it is open, and never a second one. */
function repeat(
  entry: LedgerEntry,
  { order, nowSeconds }: { order: InvoiceOrder; nowSeconds: number },
): Result<MintedInvoice, NodeRefusal> {
  const { amountMsat, memo, expirySeconds } = entry.order;
  if (amountMsat !== order.amountMsat || memo !== order.memo || expirySeconds !== order.expirySeconds) {
    return no('idempotency_key_used', 'the idempotency key was used for another order');
  }
  return pickState(entry, nowSeconds).state === 'open'
    ? accept(pickMinted(entry))
    : no('idempotency_key_used', 'the invoice made for this idempotency key is no longer open');
}

function pickMinted({ invoice, paymentHashHex, expiresAtSeconds }: LedgerEntry): MintedInvoice {
  return { invoice, paymentHashHex, expiresAtSeconds };
}

function pickSettled({ paymentHashHex, settled }: LedgerEntry): SettledPayment {
  return { index: settled!.index, paymentHashHex, settledAtSeconds: settled!.atSeconds };
}

function pickState({ paymentHashHex, settled, expiresAtSeconds }: LedgerEntry, nowSeconds: number): InvoiceState {
  if (settled !== undefined) return { paymentHashHex, state: 'settled', paidMsat: settled.paidMsat, settledAtSeconds: settled.atSeconds };
  return { paymentHashHex, state: expiresAtSeconds <= nowSeconds ? 'expired' : 'open' };
}

function no(code: NodeRefusal['code'], detail: string): Result<never, NodeRefusal> {
  return refuse({ code, detail });
}

function noPayment(code: PaymentRefusal['code'], detail: string): Result<never, PaymentRefusal> {
  return refuse({ code, detail });
}
