/*
 * A fake Lightning node for development: its own key, real signed regtest invoices, a ledger in memory. Preimages are derived
 * from its key, so a node with the same key can settle invoices made before a restart. No money moves: the holder of the
 * wallet's token "pays" by asking for the preimage (embedded-wallet-server.ts). Effects: memory. Clock and randomness are
 * passed in.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { concatBytes, encodeAscii, equalBytes, formatHex } from '#protocol/bytes.ts';
import { parseInvoice, type InvoiceFacts } from '#protocol/invoice.ts';
import { type Msat, msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import {
  type Clock,
  type InvoiceOrder,
  type InvoiceState,
  type LightningNode,
  type NodeRefusal,
  type Random,
  type SettledPayment,
} from '../ports.ts';
import { recoverSigner } from '../invoice-signature.ts';
import { encodeInvoice, LONGEST_DESCRIPTION_BYTES, readPaymentSecret } from './bolt11-encode.ts';
import { createLedger, DEFAULT_LEDGER_CAPACITY, type LedgerEntry } from './embedded-ledger.ts';

const PREIMAGE_LABEL = encodeAscii('l402-edge embedded preimage');

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

/** Creates an embedded node with an empty ledger. */
export function createEmbeddedNode({ secretKey, clock, random, ledgerCapacity }: EmbeddedNodeOptions): EmbeddedNode {
  const publicKeyHex = formatHex(secp256k1.getPublicKey(secretKey));
  // The ledger is lost with the process. Starting the index from the clock puts it beyond the indexes of earlier processes.
  const firstIndex = clock.nowSeconds() * 1000;
  const ledger = createLedger({ capacity: ledgerCapacity ?? DEFAULT_LEDGER_CAPACITY, firstIndex });
  const waiting = new Map<string, readonly (() => void)[]>();
  let nextPayment = Promise.withResolvers<void>();

  function make(order: InvoiceOrder, nowSeconds: number): LedgerEntry {
    const paymentSecret = random(32);
    const preimage = derivePreimage(secretKey, paymentSecret);
    const paymentHash = sha256(preimage);
    const draft = {
      amountMsat: order.amountMsat,
      paymentHash,
      paymentSecret,
      description: order.memo,
      createdAtSeconds: nowSeconds,
      expirySeconds: order.expirySeconds,
    };
    return {
      order,
      invoice: encodeInvoice(draft, secretKey),
      paymentHashHex: formatHex(paymentHash),
      preimageHex: formatHex(preimage),
      expiresAtSeconds: nowSeconds + order.expirySeconds,
      settled: undefined,
    };
  }

  /**
   * Restores an invoice that this key signed before the process was started: a challenge outlives a restart, and can be paid
   * after it (M44).
   */
  function recall({ invoice, paymentHash, amountMsat, description = '', createdAtSeconds, expiresAtSeconds }: InvoiceFacts) {
    const paymentSecret = readPaymentSecret(invoice);
    const signer = recoverSigner(invoice);
    if (paymentSecret === undefined || signer === undefined || formatHex(signer) !== publicKeyHex) return undefined;
    const preimage = derivePreimage(secretKey, paymentSecret);
    if (!equalBytes(sha256(preimage), paymentHash)) return undefined;
    const paymentHashHex = formatHex(paymentHash);
    // Its idempotency key is lost; no order has this one.
    const order = {
      amountMsat,
      memo: description,
      expirySeconds: expiresAtSeconds - createdAtSeconds,
      idempotencyKey: `recalled ${paymentHashHex}`,
    };
    const entry: LedgerEntry = { order, invoice, paymentHashHex, preimageHex: formatHex(preimage), expiresAtSeconds, settled: undefined };
    return ledger.add(entry, clock.nowSeconds()) === 'full' ? undefined : entry;
  }

  function lookUp(paymentHashHex: string): Result<InvoiceState, NodeRefusal> {
    const entry = ledger.findByHash(paymentHashHex);
    return entry === undefined
      ? no('invoice_unknown', 'the node has no invoice with this payment hash')
      : accept(pickState(entry, clock.nowSeconds()));
  }

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

    async mint(order) {
      const nowSeconds = clock.nowSeconds();
      const earlier = ledger.findByKey(order.idempotencyKey);
      if (earlier !== undefined) return repeat(earlier, { order, nowSeconds });
      if (utf8ToBytes(order.memo).length > LONGEST_DESCRIPTION_BYTES) return no('order_refused', 'the memo does not fit into an invoice');
      const entry = make(order, nowSeconds);
      if (ledger.add(entry, nowSeconds) === 'full') return no('node_unavailable', 'the ledger of the embedded node is full');
      return accept(pickMinted(entry));
    },

    lookUp: async (paymentHashHex) => lookUp(paymentHashHex),

    async waitSettled(paymentHashHex, { signal }) {
      const looked = lookUp(paymentHashHex);
      if (!looked.ok || looked.value.state !== 'open' || signal.aborted) return looked;
      const settled = Promise.withResolvers<void>();
      waiting.set(paymentHashHex, [...(waiting.get(paymentHashHex) ?? []), settled.resolve]);
      signal.addEventListener('abort', () => settled.resolve(), { once: true });
      await settled.promise;
      return lookUp(paymentHashHex);
    },

    async followSettled(index, { signal, take }) {
      const stopped = Promise.withResolvers<void>();
      signal.addEventListener('abort', () => stopped.resolve(), { once: true });
      for (let last = index; !signal.aborted;) {
        const { promise } = nextPayment;
        const settled = ledger.settledAfter(last).map(pickSettled);
        if (settled.length > 0) await take(settled);
        else await Promise.race([promise, stopped.promise]);
        last = settled.at(-1)?.index ?? last;
      }
      return undefined;
    },

    pay(invoice) {
      const parsed = parseInvoice(invoice);
      if (!parsed.ok) return noPayment('invoice_malformed', parsed.refusal.detail);
      const facts = parsed.value;
      if (facts.network !== 'regtest')
        return noPayment('network_refused', `the embedded node pays regtest invoices only, not ${facts.network}`);
      const entry = ledger.findByHash(formatHex(facts.paymentHash)) ?? recall(facts);
      // The text must match too: an invoice made by someone else with one of these hashes is not the node's own.
      if (entry?.invoice !== facts.invoice) return noPayment('invoice_unknown', 'the embedded node did not make this invoice');
      const nowSeconds = clock.nowSeconds();
      if (entry.settled === undefined) {
        if (entry.expiresAtSeconds <= nowSeconds) return noPayment('invoice_expired', 'the invoice has expired');
        ledger.settle(entry, nowSeconds);
        for (const tell of waiting.get(entry.paymentHashHex) ?? []) tell();
        waiting.delete(entry.paymentHashHex);
        nextPayment.resolve();
        nextPayment = Promise.withResolvers();
      }
      return accept({ preimageHex: entry.preimageHex, amountMsat: entry.order.amountMsat });
    },
  };
}

/** Derives a preimage from the node's key and the invoice's payment secret: only a holder of both can pay it. */
function derivePreimage(secretKey: Uint8Array, paymentSecret: Uint8Array): Uint8Array {
  return hmac(sha256, secretKey, concatBytes(PREIMAGE_LABEL, paymentSecret));
}

/** Answers a repeated key: the same invoice while it is open, and never a second one. */
function repeat(
  entry: LedgerEntry,
  { order, nowSeconds }: { order: InvoiceOrder; nowSeconds: number },
): Result<ReturnType<typeof pickMinted>, NodeRefusal> {
  const { amountMsat, memo, expirySeconds } = entry.order;
  if (amountMsat !== order.amountMsat || memo !== order.memo || expirySeconds !== order.expirySeconds) {
    return no('idempotency_key_used', 'the idempotency key was used for another order');
  }
  return pickState(entry, nowSeconds).state === 'open'
    ? accept(pickMinted(entry))
    : no('idempotency_key_used', 'the invoice made for this idempotency key is no longer open');
}

function pickMinted({ invoice, paymentHashHex, expiresAtSeconds }: LedgerEntry): {
  invoice: string;
  paymentHashHex: string;
  expiresAtSeconds: number;
} {
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
