/*
 * Using a credential again: which one a call takes, what a server's answer says about it, and when it is dropped. Only the
 * server knows what a credential is still good for, so it is kept until the server says that it is not.
 */
import { parseChallenges } from '#protocol/challenge-header.ts';
import { type Call } from './call.ts';
import { formatStoreKey, type CredentialStore } from './credential-store.ts';
import { forget, recallAll, type Kept } from './kept-credentials.ts';
import { purchasesOf } from './purchases.ts';
import { fitsCall, readTokenFacts, tokenOf } from './token-facts.ts';

interface Lookup {
  readonly store: CredentialStore;
  readonly nowSeconds: number;
  /** Not those that have been tried. */
  readonly tried?: readonly string[];
}

/**
 * The credential that a call sends first: one of its own address, else the latest that was bought at its origin and may fit. A
 * credential for one call that somebody else is using is left to them.
 */
export async function recall(call: Call, { store, nowSeconds }: Lookup): Promise<Kept | undefined> {
  const purchases = purchasesOf(store);
  const key = formatStoreKey(call.method, call.url);
  await purchases.settled(key, call.signal);
  const all = await recallAll(store, key);
  const own = all.find((credential) => !purchases.busy.has(credential) && fitsCall(credential, call, nowSeconds));
  if (own !== undefined) {
    if (isForOne(own)) purchases.busy.add(own);
    return { key, credential: own };
  }
  const other = (await recallAll(store, call.url.origin)).find((credential) => fitsCall(credential, call, nowSeconds));
  return other === undefined ? undefined : { key: call.url.origin, credential: other };
}

function isForOne(credential: string): boolean {
  return readTokenFacts(tokenOf(credential)).uses === 'one';
}

/** What was recalled for a call is free for others again. */
export function release(store: CredentialStore, { credential }: Kept): void {
  if (isForOne(credential)) purchasesOf(store).busy.delete(credential);
}

/** A credential for the service that a 402 has named; the call may not have known it before. */
export async function recallFor(token: string, call: Call, { store, nowSeconds, tried = [] }: Lookup): Promise<Kept | undefined> {
  const { services } = readTokenFacts(token);
  const key = call.url.origin;
  const found = (await recallAll(store, key)).find(
    (credential) =>
      !tried.includes(credential) &&
      fitsCall(credential, call, nowSeconds) &&
      readTokenFacts(tokenOf(credential)).services.some((service) => services.includes(service)),
  );
  return found === undefined ? undefined : { key, credential: found };
}

/** Drops a credential that an answer says is used up; whether it was. The answer is never lost over a store that fails. */
export async function noteUse({ headers }: Response, { store, kept }: { store: CredentialStore; kept: Kept }): Promise<boolean> {
  // Calls, or a balance: one or the other is told.
  const left = headers.get('l402-remaining') ?? headers.get('l402-remaining-msat');
  if (left?.trim() !== '0') return false;
  await forget(store, kept).catch(() => {});
  return true;
}

/** A 401 that speaks of the credential. An origin's own (marked so, or of other schemes alone) says nothing about it. */
export function turnsCredentialDown({ status, headers }: Response): boolean {
  if (status !== 401 || headers.get('l402-answered-by') === 'origin') return false;
  const challenges = parseChallenges(headers.get('www-authenticate') ?? '');
  return challenges.length === 0 || challenges.some(({ scheme }) => /^(l402|lsat)$/i.test(scheme));
}
