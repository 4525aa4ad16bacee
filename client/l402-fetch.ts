/*
 * A fetch that pays: response → header → invoice facts → policy → wallet → preimage check → store → one retry. A call pays at
 * most once, and only for a 402 with an L402 challenge from the called origin. Everything else passes through unchanged.
 * Effects: the given fetch, the wallet, the store.
 */
import { prepareCall, readCall, type Call, type Fetch, type SendCall } from './call.ts';
import { formatStoreKey } from './credential-store.ts';
import { L402Error, type L402ErrorCode } from './error.ts';
import { checkAsked, readAsked, type Offer } from './offer.ts';
import { forget, isReplaceable, keyFor, type Kept } from './kept-credentials.ts';
import { isPaidBy, purchase, type Purchase, type Wallet } from './payment.ts';
import { purchasesOf, type Buy } from './purchases.ts';
import { readVerdict } from './refusal.ts';
import { noteUse, recall, recallFor, release, turnsCredentialDown } from './reuse.ts';
import { noteTaken } from './recent-uses.ts';
import { readSettings, type L402FetchOptions, type Settings } from './settings.ts';
import { readTokenFacts } from './token-facts.ts';

/** Creates a function with the interface of `fetch` that pays what servers ask, up to a limit. */
export function createL402Fetch(options: L402FetchOptions): Fetch {
  const settings = readSettings(options);
  return async (input, init) => {
    const call = readCall(input, init);
    // With a wallet the body is taken at once, as fetch does; without one it may never be needed twice.
    const ready = settings.wallet === undefined ? undefined : await prepareCall(call, settings);
    const stored = call.bringsCredential ? undefined : await recall(call, lookupIn(settings));
    if (settings.wallet === undefined && stored === undefined) return settings.fetch(input, init);
    const send = ready ?? (await prepareCall(call, settings).finally(() => stored && release(settings.store, stored)));
    return ask({ call, stored, refused: [], worthless: [], send, settings });
  };
}

/** One call in progress. */
interface Errand {
  readonly call: Call;
  /** An earlier credential, sent first. */
  readonly stored: Kept | undefined;
  /** Earlier credentials that are not good for this call. */
  readonly refused: readonly string[];
  /** Those of them that a new purchase replaces. */
  readonly worthless: readonly string[];
  readonly send: SendCall;
  readonly settings: Settings;
}

function lookupIn({ store, clock }: Settings) {
  return { store, nowSeconds: Math.floor(clock() / 1000) };
}

async function ask(errand: Errand): Promise<Response> {
  const { call, stored, send, settings } = errand;
  if (stored === undefined) return takeOrPay(await send(undefined), errand);
  const response = await send(stored.credential).finally(() => release(settings.store, stored));
  if (isForeign(response, call)) return takeOrPay(response, errand);
  if (turnsCredentialDown(response)) {
    discard(response);
    await forget(settings.store, stored);
    return takeOrPay(await send(undefined), { ...errand, stored: undefined });
  }
  await noteUse(response, { store: settings.store, kept: stored });
  if (isRefusal(response)) return takeOrPay(response, await noteRefusal(response, { ...errand, stored }));
  noteTaken(settings.store, formatStoreKey(call.method, call.url), stored.credential);
  return takeOrPay(response, errand);
}

/** Whether a gateway asks for a payment; an origin's own 402 is ignored. */
function isRefusal({ status, headers }: Response): boolean {
  return status === 402 && headers.get('l402-answered-by') !== 'origin';
}

/** Drops the credential only if the 402 says that it is used up: it may be good for another call (M47). */
async function noteRefusal(response: Response, errand: Errand & { readonly stored: Kept }): Promise<Errand> {
  const { stored, refused, worthless, settings } = errand;
  const verdict = await readVerdict(response);
  // If a store failure keeps it, it is refused again at worst.
  if (verdict === 'over') await forget(settings.store, stored).catch(() => {});
  const isReplaced = verdict === 'unsaid' && isReplaceable(stored.credential);
  return {
    ...errand,
    refused: [...refused, stored.credential],
    worthless: isReplaced ? [...worthless, stored.credential] : worthless,
  };
}

/** Decides whether to return the response, refuse it, or pay for it. */
async function takeOrPay(response: Response, errand: Errand): Promise<Response> {
  const { call, stored, settings } = errand;
  const { wallet, maxPriceMsat, network, clock } = settings;
  if (wallet === undefined) return response;
  const asked = readAsked(response);
  const turnDown = (code: L402ErrorCode, detail: string) => {
    if (settings.unpaid === 'response') return response;
    discard(response);
    throw new L402Error(code, { paid: 'no', detail, offer: asked.ok ? asked.value.offer : undefined });
  };
  if (!asked.ok) {
    const { code, detail } = asked.refusal;
    return code === 'challenge_missing' ? response : turnDown(code, detail);
  }
  const { offer } = asked.value;
  if (isForeign(response, call)) return turnDown('cross_origin_challenge', 'another origin asks for the payment');
  if (call.bringsCredential) return turnDown('own_credential_refused', "the server refused the caller's own credential");
  if (call.bringsAuthorization && isRedirected(response, call)) {
    return turnDown('redirected_challenge', 'the call was redirected; the credential cannot follow because the caller uses Authorization');
  }
  if (stored !== undefined && isPaidBy(stored.credential, offer)) {
    discard(response);
    const detail = 'the server asks again for an invoice that is already paid';
    throw new L402Error('credential_refused', { paid: 'yes', detail, offer, credential: stored.credential });
  }
  // Only now is the service of this URL known: an earlier credential may be good for it.
  const other = await recallFor(offer.token, call, { ...lookupIn(settings), tried: errand.refused });
  if (other !== undefined) {
    discard(response);
    return ask({ ...errand, stored: other });
  }
  const refusal = checkAsked(asked.value, { maxPriceMsat, network, nowSeconds: Math.floor(clock() / 1000) });
  if (refusal !== undefined) return turnDown(refusal.code, refusal.detail);
  call.signal?.throwIfAborted();
  return payOnce(response, { ...errand, offer, wallet });
}

type Buying = Errand & { readonly offer: Offer; readonly wallet: Wallet };

/** Buys once for concurrent calls with the same intent, unless the server sells single calls (M47). */
async function payOnce(challenge: Response, buying: Buying): Promise<Response> {
  const { call, offer, settings } = buying;
  const purchases = purchasesOf(settings.store);
  const { services, uses } = readTokenFacts(offer.token);
  const intent = services.length === 0 ? formatStoreKey(call.method, call.url) : `${call.url.origin} ${services.join(',')}`;
  const pay: Buy<Response> = (onPaying) => payAndRetry(challenge, { ...buying, intent, onPaying });
  const isBeside = uses === 'one' || purchases.isSingle(intent);
  // The key under which the call that takes over has to look.
  const place = uses === 'one' ? formatStoreKey(call.method, call.url) : intent;
  const others = isBeside ? purchases.takeOver(place, call.signal) : purchases.settled(intent, call.signal);
  if (others !== undefined) {
    discard(challenge);
    await others;
    return ask({ ...buying, stored: await recall(call, { ...lookupIn(settings), tried: buying.refused }) });
  }
  return isBeside ? purchases.runBeside(place, pay) : purchases.run(intent, pay);
}

type Paying = Buying & { readonly intent: string; readonly onPaying: Parameters<Buy<Response>>[0] };

/** The only function that spends. From here on every error says whether money has moved. */
async function payAndRetry(challenge: Response, buying: Paying): Promise<Response> {
  const { call, settings, offer, wallet, worthless, onPaying } = buying;
  const { store, unpaid, clock } = settings;
  const { busy } = purchasesOf(store);
  let bought: Purchase;
  try {
    bought = await purchase(offer, { wallet, clock, store, call, worthless, busy, onPaying });
  } catch (error) {
    if (unpaid === 'response' && error instanceof L402Error && error.paid === 'no') return challenge;
    discard(challenge);
    throw error;
  }
  discard(challenge);
  try {
    return await retry(bought, buying);
  } finally {
    busy.delete(bought.credential);
  }
}

async function retry({ credential, storeFault }: Purchase, buying: Paying): Promise<Response> {
  const { call, send, settings, offer, intent } = buying;
  const { store } = settings;
  const response = await send(credential).catch((cause: unknown) => {
    throw new L402Error('retry_failed', { paid: 'yes', detail: 'the call failed after the payment', offer, credential, cause });
  });
  if (isRefusal(response)) {
    discard(response);
    throw new L402Error('credential_refused', { paid: 'yes', detail: 'the server asks for another payment', offer, credential });
  }
  if (storeFault !== undefined && !response.ok) {
    discard(response);
    const detail = `the server answered ${response.status}, and the credential could not be stored`;
    throw new L402Error('store_failed', { paid: 'yes', detail, offer, credential, cause: storeFault.cause });
  }
  if (isForeign(response, call)) return response;
  noteTaken(store, formatStoreKey(call.method, call.url), credential);
  const isUsedUp = await noteUse(response, { store, kept: { key: keyFor(credential, call), credential } });
  if (isUsedUp) purchasesOf(store).noteSingle(intent);
  return response;
}

/** Whether a redirect led away from the called origin. A response without a URL was not redirected. */
function isForeign({ url }: Response, call: Call): boolean {
  return url !== '' && !(URL.canParse(url) && new URL(url).origin === call.url.origin);
}

function isRedirected({ url, redirected }: Response, call: Call): boolean {
  return redirected || (url !== '' && formatStoreKey('', new URL(url)) !== formatStoreKey('', call.url));
}

/** Frees the connection of a response that nobody will read. */
function discard({ body }: Response): void {
  void body?.cancel().catch(() => {});
}
