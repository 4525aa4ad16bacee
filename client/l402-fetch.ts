/*
 * A fetch that pays: response → header → invoice facts → policy → wallet → preimage check → store → one retry. A call
 * pays at most once, and only for a 402 with an L402 challenge from the origin that was called. Everything else passes
 * through untouched.
 */
import { prepareCall, readCall, type Call, type Fetch, type SendCall } from './call.ts';
import { formatStoreKey } from './credential-store.ts';
import { L402Error, type L402ErrorCode } from './error.ts';
import { checkAsked, readAsked, type Offer } from './offer.ts';
import { isPaidBy, purchase, type Wallet } from './payment.ts';
import { forget, noteUse, recall, turnsCredentialDown } from './reuse.ts';
import { readSettings, type L402FetchOptions, type Settings } from './settings.ts';

/** Makes a function to be used like `fetch`, which pays what it is asked for, up to a limit. */
export function createL402Fetch(options: L402FetchOptions): Fetch {
  const settings = readSettings(options);
  return async (input, init) => {
    const call = readCall(input, init);
    const key = formatStoreKey(call.method, call.url);
    // With a wallet the body is taken at once, as fetch does; without one it may never be needed twice.
    const ready = settings.wallet === undefined ? undefined : await prepareCall(call, settings);
    const stored = call.bringsCredential ? undefined : await recall(settings.store, key);
    if (settings.wallet === undefined && stored === undefined) return settings.fetch(input, init);
    const send = ready ?? (await prepareCall(call, settings));
    return ask({ call, key, stored, send, settings });
  };
}

/** One call on its way. */
interface Errand {
  readonly call: Call;
  readonly key: string;
  /** What was paid for earlier and is sent first. */
  readonly stored: string | undefined;
  readonly send: SendCall;
  readonly settings: Settings;
}

async function ask(errand: Errand): Promise<Response> {
  const { call, key, stored, send, settings } = errand;
  const response = await send(stored);
  if (stored === undefined || isForeign(response, call)) return takeOrPay(response, errand);
  const kept = { key, credential: stored };
  if (turnsCredentialDown(response)) {
    discard(response);
    await forget(settings.store, kept);
    return takeOrPay(await send(undefined), { ...errand, stored: undefined });
  }
  await noteUse(response, { store: settings.store, kept });
  // A 402 does not drop it: it may be good for another body at this address, and a new purchase takes its place anyway.
  return takeOrPay(response, errand);
}

/** Decides whether the answer is taken as it is, turned down, or paid for. */
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
  if (call.bringsCredential) return turnDown('own_credential_refused', 'the server did not take the credential that the caller sent');
  if (call.bringsAuthorization && isRedirected(response, call)) {
    return turnDown('redirected_challenge', 'beside another Authorization a credential cannot follow a redirect');
  }
  if (stored !== undefined && isPaidBy(stored, offer)) {
    discard(response);
    const detail = 'the server asks again for a payment that was made';
    throw new L402Error('credential_refused', { paid: 'yes', detail, offer, credential: stored });
  }
  const refusal = checkAsked(asked.value, { maxPriceMsat, network, nowSeconds: Math.floor(clock() / 1000) });
  if (refusal !== undefined) return turnDown(refusal.code, refusal.detail);
  call.signal?.throwIfAborted();
  return payAndRetry(response, { ...errand, offer, wallet });
}

/** The one place that spends. From here on every error says whether money has moved. */
async function payAndRetry(challenge: Response, errand: Errand & { offer: Offer; wallet: Wallet }): Promise<Response> {
  const { call, key, send, settings, offer, wallet } = errand;
  const { store, unpaid } = settings;
  let credential: string;
  let storeFault: { readonly cause: unknown } | undefined;
  try {
    ({ credential, storeFault } = await purchase(offer, { wallet, store, key, signal: call.signal }));
  } catch (error) {
    if (unpaid === 'response' && error instanceof L402Error && error.paid === 'no') return challenge;
    discard(challenge);
    throw error;
  }
  discard(challenge);
  const response = await send(credential).catch((cause: unknown) => {
    throw new L402Error('retry_failed', { paid: 'yes', detail: 'the call failed after the payment', offer, credential, cause });
  });
  if (response.status === 402 && response.headers.get('l402-answered-by') !== 'origin') {
    discard(response);
    throw new L402Error('credential_refused', { paid: 'yes', detail: 'the server asks for another payment', offer, credential });
  }
  if (storeFault !== undefined && !response.ok) {
    discard(response);
    const detail = `the answer is ${response.status} and the credential could not be kept`;
    throw new L402Error('store_failed', { paid: 'yes', detail, offer, credential, cause: storeFault.cause });
  }
  if (!isForeign(response, call)) await noteUse(response, { store, kept: { key, credential } });
  return response;
}

/** Whether a redirect led away from the origin that was called. A response without an address was not redirected. */
function isForeign({ url }: Response, call: Call): boolean {
  return url !== '' && !(URL.canParse(url) && new URL(url).origin === call.url.origin);
}

function isRedirected({ url, redirected }: Response, call: Call): boolean {
  return redirected || (url !== '' && formatStoreKey('', new URL(url)) !== formatStoreKey('', call.url));
}

/** Frees the connection of an answer that nobody will read. */
function discard({ body }: Response): void {
  void body?.cancel().catch(() => {});
}
