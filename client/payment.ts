/*
 * Pays an offer with a wallet, and forms the credential. The preimage is checked against the payment hash before it is used.
 * Once the wallet has been called, only proof shows whether money has moved. Effects: the wallet, the store.
 */
import { equalBytes, parseHex } from '#protocol/bytes.ts';
import { formatCredential, parsePreimage } from '#protocol/credential-header.ts';
import { hashPreimage } from '#protocol/preimage.ts';
import { type Call } from './call.ts';
import { type CredentialStore } from './credential-store.ts';
import { L402Error, PaymentRefused } from './error.ts';
import { keep, keyFor } from './kept-credentials.ts';
import { type Offer } from './offer.ts';

/**
 * Pays a BOLT 11 invoice and returns its preimage in hex. Throws if it cannot: `PaymentRefused` if certainly nothing was
 * paid. It must finish: until then, calls with the same intent wait for it, even if the call that started it was aborted.
 */
export type Wallet = (invoice: string) => Promise<string>;

export interface PaymentOptions {
  readonly wallet: Wallet;
  readonly clock: () => number;
  readonly store: CredentialStore;
  readonly call: Pick<Call, 'method' | 'url' | 'signal'>;
  /** Credentials that the new one replaces. */
  readonly worthless: readonly string[];
  /** Holds the new credential until the call that bought it has used it. */
  readonly busy: Set<string>;
  /** Called at once with a promise that resolves when the wallet is done and the credential is kept, whatever the caller does. */
  readonly onPaying: (paying: Promise<unknown>) => void;
}

/** A paid credential, and the error from keeping it, if any. */
export interface Purchase {
  readonly credential: string;
  readonly storeFault: { readonly cause: unknown } | undefined;
}

/**
 * Pays once and keeps the credential. A hostile invoice can block a wallet for days, so an aborted call returns without
 * knowing the outcome. The payment continues: the next call waits for it, and finds the credential if it succeeds.
 */
export async function purchase(offer: Offer, options: PaymentOptions): Promise<Purchase> {
  const { wallet, clock, store, call, worthless, busy, onPaying } = options;
  const { signal } = call;
  let isLetGo = false;
  let bought: string | undefined;
  const paying = payOffer(offer, wallet).then(async (credential) => {
    bought = credential;
    if (!isLetGo) busy.add(credential);
    try {
      // Kept before it is sent: a crash from here on loses nothing.
      const nowSeconds = Math.floor(clock() / 1000);
      await keep(store, { key: keyFor(credential, call), credential }, { nowSeconds, worthless });
      return { credential, storeFault: undefined };
    } catch (cause) {
      return { credential, storeFault: { cause } };
    }
  });
  onPaying(paying);
  if (signal === undefined) return paying;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    const detail = 'the call was aborted while the wallet was paying';
    stop = () => {
      isLetGo = true;
      // Aborted while the credential was being kept: others may use it.
      if (bought !== undefined) busy.delete(bought);
      reject(new L402Error('payment_interrupted', { paid: 'unknown', detail, offer, cause: signal.reason }));
    };
    signal.addEventListener('abort', stop);
    // The wallet itself may have aborted it.
    if (signal.aborted) stop();
  });
  return Promise.race([paying, aborted]).finally(() => signal.removeEventListener('abort', stop));
}

async function payOffer(offer: Offer, wallet: Wallet): Promise<string> {
  let preimageHex: string;
  try {
    preimageHex = await wallet(offer.invoice);
  } catch (cause) {
    if (cause instanceof PaymentRefused) {
      throw new L402Error('payment_refused', { paid: 'no', detail: 'the wallet did not pay', offer, cause });
    }
    throw new L402Error('payment_failed', { paid: 'unknown', detail: 'the wallet failed while paying', offer, cause });
  }
  const credential = createCredential(offer, preimageHex);
  if (credential !== undefined) return credential;
  throw new L402Error('preimage_wrong', { paid: 'unknown', detail: 'the wallet did not return the preimage of the invoice', offer });
}

/**
 * Returns the credential of an offer for a recovered preimage; `undefined` if the preimage is not that of the invoice. With
 * the offer of an error and the wallet's own records, this recovers a payment in doubt.
 */
export function createCredential(offer: Offer, preimageHex: string): string | undefined {
  // A wallet in plain JavaScript can return anything.
  const preimage = typeof preimageHex === 'string' ? parsePreimage(preimageHex) : undefined;
  if (preimage === undefined || !isPreimageOf(preimage, offer)) return undefined;
  return formatCredential({ scheme: offer.scheme, token: offer.token, preimage });
}

/** Whether this credential proves the payment that is being asked for. */
export function isPaidBy(credential: string, offer: Offer): boolean {
  const preimage = parsePreimage(credential.slice(credential.lastIndexOf(':') + 1));
  return preimage !== undefined && isPreimageOf(preimage, offer);
}

function isPreimageOf(preimage: Uint8Array, { paymentHashHex }: Offer): boolean {
  return equalBytes(hashPreimage(preimage), parseHex(paymentHashHex) ?? new Uint8Array());
}
