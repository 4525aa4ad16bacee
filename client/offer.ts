/*
 * What a server asks for with its 402, as facts, and whether it may be paid (M31). The price is read only from the invoice:
 * that is what a wallet pays, whatever else the response says. Pure; nothing here throws.
 */
import { formatHex } from '#protocol/bytes.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { decodeIdentifier } from '#protocol/identifier.ts';
import { checkInvoice, parseInvoice, type InvoiceFacts, type Network } from '#protocol/invoice.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { formatSats, type Msat } from '#protocol/msat.ts';
import { type ChallengeRefusalCode, type InvoiceRefusalCode, type Refusal } from '#protocol/refusal.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';

/** One offer: pay the invoice, and the token with the preimage is the credential. */
export interface Offer {
  readonly scheme: 'L402' | 'LSAT';
  readonly token: string;
  readonly invoice: string;
  readonly network: Network;
  readonly priceMsat: bigint;
  /** The same price for people: satoshis with all necessary decimals. */
  readonly priceSats: string;
  readonly paymentHashHex: string;
  readonly expiresAtSeconds: number;
  readonly description: string | undefined;
}

/** Why an offer cannot be read. */
export type UnreadableCode = ChallengeRefusalCode | InvoiceRefusalCode;
/** Why an offer must not be paid. */
export type UnacceptableCode = InvoiceRefusalCode | 'token_unreadable' | 'price_above_limit';

/** Reads the offer of a response. Accepts any response; most have none (`challenge_missing`). */
export function readOffer(response: Response): Result<Offer, Refusal<UnreadableCode>> {
  const asked = readAsked(response);
  return asked.ok ? accept(asked.value.offer) : asked;
}

/** An offer with the invoice that it was read from. */
export interface Asked {
  readonly offer: Offer;
  readonly facts: InvoiceFacts;
}

/** Reads an offer like `readOffer`, with the facts needed to check it. */
export function readAsked(response: Response): Result<Asked, Refusal<UnreadableCode>> {
  // The gateway marks an origin's own responses: their payment requests are left to the caller.
  if (response.status !== 402 || response.headers.get('l402-answered-by') === 'origin') {
    return refuse({ code: 'challenge_missing', detail: 'the response is not a 402 from an L402 gateway' });
  }
  const challenge = parseL402Offer(response.headers.get('www-authenticate') ?? '');
  if (!challenge.ok) return challenge;
  const facts = parseInvoice(challenge.value.invoice);
  if (!facts.ok) return facts;
  const { invoice, network, amountMsat, paymentHash, expiresAtSeconds, description } = facts.value;
  const { scheme, token } = challenge.value;
  const price = { priceMsat: amountMsat, priceSats: formatSats(amountMsat) };
  const offer = { scheme, token, invoice, network, ...price, paymentHashHex: formatHex(paymentHash), expiresAtSeconds, description };
  return accept({ offer, facts: facts.value });
}

/** What an offer is checked against. */
export interface Policy {
  readonly maxPriceMsat: Msat;
  readonly network: Network;
  readonly nowSeconds: number;
}

/** Returns why an offer must not be paid; `undefined` if it may be. */
export function checkAsked({ offer, facts }: Asked, { maxPriceMsat, network, nowSeconds }: Policy): Refusal<UnacceptableCode> | undefined {
  const paymentHash = readTokenHash(offer.token);
  // The specification leaves a token's format open. In another format nothing ties the invoice to its token, so it is not
  // paid.
  if (paymentHash === undefined) return { code: 'token_unreadable', detail: 'the token does not say which payment it belongs to' };
  const wrong = checkInvoice(facts, { network, nowSeconds, paymentHash });
  if (wrong !== undefined) return wrong;
  if (facts.amountMsat <= maxPriceMsat) return undefined;
  return { code: 'price_above_limit', detail: `the price is ${offer.priceSats} sats, the limit ${formatSats(maxPriceMsat)}` };
}

function readTokenHash(token: string): Uint8Array | undefined {
  const macaroon = parseToken(token);
  if (!macaroon.ok) return undefined;
  const identifier = decodeIdentifier(macaroon.value.identifier);
  return identifier.ok ? identifier.value.paymentHash : undefined;
}
