/*
 * The invoices of the embedded node. A preimage is derived from the node's key and the invoice's payment secret, so a node
 * with the same key can settle invoices made before a restart. Pure: key, secrets and time are passed in.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, encodeAscii, equalBytes, formatHex } from '#protocol/bytes.ts';
import { type InvoiceFacts } from '#protocol/invoice.ts';
import { recoverSigner } from '../invoice-signature.ts';
import { type InvoiceOrder } from '../ports.ts';
import { encodeInvoice, readPaymentSecret } from './bolt11-encode.ts';
import { type LedgerEntry } from './embedded-ledger.ts';

const PREIMAGE_LABEL = encodeAscii('l402-edge embedded preimage');

/** The node's key. */
export interface NodeKey {
  readonly secretKey: Uint8Array;
  readonly publicKeyHex: string;
}

/** Makes and signs the invoice for an order. */
export function makeInvoice(
  order: InvoiceOrder,
  { secretKey, paymentSecret, nowSeconds }: { secretKey: Uint8Array; paymentSecret: Uint8Array; nowSeconds: number },
): LedgerEntry {
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
 * after it (M44). `undefined`: the key did not sign it.
 */
export function restoreInvoice(
  { invoice, paymentHash, amountMsat, description = '', createdAtSeconds, expiresAtSeconds }: InvoiceFacts,
  { secretKey, publicKeyHex }: NodeKey,
): LedgerEntry | undefined {
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
  return { order, invoice, paymentHashHex, preimageHex: formatHex(preimage), expiresAtSeconds, settled: undefined };
}

/** Derives a preimage: only a holder of both the node's key and the payment secret can pay the invoice. */
function derivePreimage(secretKey: Uint8Array, paymentSecret: Uint8Array): Uint8Array {
  return hmac(sha256, secretKey, concatBytes(PREIMAGE_LABEL, paymentSecret));
}
