/*
 * Paying an offer by a wallet, and the credential that comes of it. The preimage is proved against the payment hash
 * before anything is made of it. Once the wallet has been called, only proof ends the doubt whether money has moved.
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
 * Pays a BOLT 11 invoice and gives its preimage in hex. Throws when it cannot: `PaymentRefused` if surely nothing was paid. It has to
 * come to an end: as long as it does not, calls that want the same wait for it, whether or not the one that began it was aborted.
 */
export type Wallet = (invoice: string) => Promise<string>;

export interface PaymentOptions {
  readonly wallet: Wallet;
  readonly clock: () => number;
  readonly store: CredentialStore;
  readonly call: Pick<Call, 'method' | 'url' | 'signal'>;
  /** What the new credential takes the place of. */
  readonly worthless: readonly string[];
  /** It is there as long as it has not been used by the call that it was bought for. */
  readonly busy: Set<string>;
  /** Told at once what ends when the wallet is done and the credential is kept, whatever the caller does. */
  readonly onPaying: (paying: Promise<unknown>) => void;
}

/** A credential that is paid for, and what went wrong with keeping it. */
export interface Purchase {
  readonly credential: string;
  readonly storeFault: { readonly cause: unknown } | undefined;
}

/**
 * Pays once and keeps the credential. A hostile invoice can hold a wallet up for days, so a caller who aborts is let go,
 * not knowing what becomes of the payment. It goes on: the next call waits for it, and finds the credential if it succeeds.
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
      // Kept before it is sent: a crash from here on costs nothing.
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
      // Left while it was being kept: it is free for others.
      if (bought !== undefined) busy.delete(bought);
      reject(new L402Error('payment_interrupted', { paid: 'unknown', detail, offer, cause: signal.reason }));
    };
    signal.addEventListener('abort', stop);
    // The wallet itself may have set it off.
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
  throw new L402Error('preimage_wrong', { paid: 'unknown', detail: 'what the wallet gave is not the preimage of the invoice', offer });
}

/**
 * The credential of an offer whose preimage has turned up; nothing if the preimage is not the one that was paid for.
 * With the offer of an error and the wallet's own records this recovers a payment that was in doubt.
 */
export function createCredential(offer: Offer, preimageHex: string): string | undefined {
  // A wallet in plain JavaScript can give anything.
  const preimage = typeof preimageHex === 'string' ? parsePreimage(preimageHex) : undefined;
  if (preimage === undefined || !isPreimageOf(preimage, offer)) return undefined;
  return formatCredential({ scheme: offer.scheme, token: offer.token, preimage });
}

/** Whether this credential proves the very payment that is being asked for. */
export function isPaidBy(credential: string, offer: Offer): boolean {
  const preimage = parsePreimage(credential.slice(credential.lastIndexOf(':') + 1));
  return preimage !== undefined && isPreimageOf(preimage, offer);
}

function isPreimageOf(preimage: Uint8Array, { paymentHashHex }: Offer): boolean {
  return equalBytes(hashPreimage(preimage), parseHex(paymentHashHex) ?? new Uint8Array());
}
