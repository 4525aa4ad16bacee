/*
 * Checks that a minted invoice is the ordered one: decoded here, whatever the node says about it. A node that is faulty,
 * misconfigured or compromised must not sell for another amount, on another network or into another wallet. Pure.
 */
import { formatHex, parseHex } from '#protocol/bytes.ts';
import { checkInvoice, type Network, parseInvoice } from '#protocol/invoice.ts';
import { recoverSigner } from './invoice-signature.ts';
import { type InvoiceOrder, type MintedInvoice } from './ports.ts';

export interface MintedExpectation {
  readonly order: InvoiceOrder;
  readonly network: Network;
  /** `undefined`: the backend cannot tell its key, so the signer is not compared. */
  readonly nodeKeyHex: string | undefined;
  readonly nowSeconds: number;
  /** How far the node's clock may be ahead of the bridge's. */
  readonly maxSkewSeconds: number;
}

/** Returns what is wrong with a minted invoice, as a detail without its values; `undefined` if nothing is. */
export function findMintedFlaw(minted: MintedInvoice, expected: MintedExpectation): string | undefined {
  const { order, network, nodeKeyHex, nowSeconds, maxSkewSeconds } = expected;
  const parsed = parseInvoice(minted.invoice);
  if (!parsed.ok) return parsed.refusal.detail;
  const facts = parsed.value;
  const paymentHash = parseHex(minted.paymentHashHex);
  if (paymentHash === undefined) return 'the payment hash is not hex';
  const flaw = checkInvoice(facts, { network, nowSeconds, paymentHash, amountMsat: order.amountMsat, description: order.memo });
  if (flaw !== undefined) return flaw.detail;
  if (facts.expiresAtSeconds !== minted.expiresAtSeconds) return 'the invoice ends at another time than stated';
  if (facts.expiresAtSeconds - facts.createdAtSeconds !== order.expirySeconds) return 'the invoice is good for another time than ordered';
  if (facts.createdAtSeconds > nowSeconds + maxSkewSeconds) return 'the invoice was made in the future';
  const signer = recoverSigner(minted.invoice);
  if (signer === undefined) return 'the invoice has no sound signature';
  // Even without a known key, the `n` field must name the signer.
  const names = [nodeKeyHex, facts.payee && formatHex(facts.payee)].filter((name) => name !== undefined);
  return names.every((name) => name === formatHex(signer)) ? undefined : 'the invoice was signed by another node';
}
