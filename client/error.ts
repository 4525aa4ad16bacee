/*
 * Everything that can go wrong between a 402 and the paid response, by stable codes. An error says whether money has moved
 * and what to do next. Credential and offer are accessible only by name: they do not appear when the error is printed, logged
 * or converted to JSON, and no message or stack holds a secret. Pure.
 */
import { INVOICE_REFUSALS } from '#protocol/refusal.ts';
import { type Offer } from './offer.ts';

/** The client's own codes, and what the caller (a person or an agent) can do about each. */
const HINTS = {
  challenge_malformed: 'The server asks for a payment, but not in a way that can be paid. Nothing was paid; tell the seller.',
  token_unreadable: 'The token cannot be matched to the invoice, so paying might buy nothing. Nothing was paid; tell the seller.',
  price_above_limit: 'Nothing was paid. Raise maxPriceSats if the call is worth that price to you.',
  cross_origin_challenge: 'Nothing was paid. The call was redirected to another origin; call that URL directly if you want to pay there.',
  redirected_challenge: 'Nothing was paid. Call the URL that the redirect leads to, or leave your own Authorization header out.',
  own_credential_refused: 'Nothing was paid in this call. To buy a new one, remove your own credential from the headers.',
  body_too_large: 'Nothing was sent. Raise maxBodyBytes, or give the body as a string, bytes or a Blob.',
  store_failed: 'The credential store does not work. If `error.credential` is set, keep it: it is paid for.',
  payment_refused: 'The wallet reports that nothing was paid. See error.cause.',
  payment_failed: 'The wallet failed, but the payment may have gone through. Look up the payment hash of the offer before you call again.',
  payment_interrupted:
    'The call was aborted, but the wallet is still paying. Call again: that waits for the payment and uses it. In another process, look up the payment hash of the offer first.',
  preimage_wrong: 'The wallet must return the preimage of this invoice, 64 hex digits. Look up the payment hash of the offer.',
  credential_refused:
    'You have paid, but the server still asks for payment. Do not pay again: send the credential later, or show it to the seller.',
  retry_failed: 'You have paid, but the request failed afterwards. Call again: the credential is kept and sent first. Or send it yourself.',
} as const;

const INVOICE_HINTS: Readonly<Partial<Record<L402ErrorCode, string>>> = {
  invoice_network_wrong: 'Nothing was paid. Set network to the one that this server sells on, if you mean to pay there.',
  invoice_expired: 'Nothing was paid. Call again for a fresh invoice; if it recurs, check the clock of this machine.',
  invoice_hash_wrong: 'Nothing was paid. The invoice does not pay for the token beside it: do not trust this server.',
};
const INVOICE_HINT = 'Nothing was paid. The invoice is invalid or does not fit the offer; tell the seller.';

export type L402ErrorCode = keyof typeof HINTS | (typeof INVOICE_REFUSALS)[number];

/** Every code that an error of this client can have. Codes are never renamed. */
export const L402_ERROR_CODES: readonly L402ErrorCode[] = [...(Object.keys(HINTS) as (keyof typeof HINTS)[]), ...INVOICE_REFUSALS];

/** Whether money has moved. Only proof counts: after a wallet failure it is unknown. */
export type Paid = 'no' | 'yes' | 'unknown';

export interface L402ErrorFacts {
  readonly paid: Paid;
  /** Fixed words and amounts only: it becomes part of the message. */
  readonly detail: string;
  readonly credential?: string | undefined;
  readonly offer?: Offer | undefined;
  readonly cause?: unknown;
}

/** Thrown instead of paying, and after money has moved or may have moved. */
export class L402Error extends Error {
  override readonly name = 'L402Error';
  readonly code: L402ErrorCode;
  readonly hint: string;
  readonly paid: Paid;
  readonly #credential: string | undefined;
  readonly #offer: Offer | undefined;

  constructor(code: L402ErrorCode, { paid, detail, credential, offer, cause }: L402ErrorFacts) {
    super(`${code}: ${detail}`, cause === undefined ? {} : { cause });
    this.code = code;
    this.hint = (HINTS as Readonly<Partial<Record<L402ErrorCode, string>>>)[code] ?? INVOICE_HINTS[code] ?? INVOICE_HINT;
    this.paid = paid;
    this.#credential = credential;
    this.#offer = offer;
  }

  /** The paid credential, ready to be sent as the value of `Authorization`. It is worth the money: keep it secret. */
  get credential(): string | undefined {
    return this.#credential;
  }

  /** The offer: token, invoice, payment hash, price. `createCredential` combines it with the preimage. */
  get offer(): Offer | undefined {
    return this.#offer;
  }
}

/**
 * Thrown by a wallet that knows for certain that nothing was sent and nothing will be: no route, no funds, its own limit. Any
 * other error of a wallet leaves the payment unknown.
 */
export class PaymentRefused extends Error {
  override readonly name = 'PaymentRefused';
}
