/*
 * Using a credential again: which one a call takes, what a server's answer says about it, and when it is dropped. Only the
 * server knows what a credential is still good for, so it is kept until the server says that it is not.
 */
import { parseChallenges } from '#protocol/challenge-header.ts';
import { type Call } from './call.ts';
import { formatStoreKey, type CredentialStore } from './credential-store.ts';
import { forget, recallAll, type Kept } from './kept-credentials.ts';
import { purchasesOf } from './purchases.ts';
import { lastTaken } from './recent-uses.ts';
import { coversOffer, fitsCall, readTokenFacts, tokenOf } from './token-facts.ts';

interface Lookup {
  readonly store: CredentialStore;
  readonly nowSeconds: number;
  /** Not those that have been tried. */
  readonly tried?: readonly string[];
}

/**
 * The credential that a call sends first: one of its own address, else of its origin; of several the one that was taken there last,
 * else the newest. A credential for one call that somebody else is using is left to them.
 */
export async function recall(call: Call, lookup: Lookup): Promise<Kept | undefined> {
  const { store } = lookup;
  const address = formatStoreKey(call.method, call.url);
  await purchasesOf(store).settled(address, call.signal);
  const taken = lastTaken(store, address);
  const isFitting = createFilter(call, lookup);
  for (const key of [address, call.url.origin]) {
    const kept = await recallAll(store, key);
    const credential = kept.find((one) => one === taken && isFitting(one)) ?? kept.find(isFitting);
    if (credential !== undefined) return takeUp({ key, credential }, store);
  }
  return undefined;
}

/**
 * What may be good for a call, is not used by another and has not been tried. From choosing one until it is taken up nothing is
 * waited for: another call would choose it too.
 */
function createFilter(call: Call, { store, nowSeconds, tried = [] }: Lookup): (credential: string) => boolean {
  const { busy } = purchasesOf(store);
  const isBusy = (credential: string) => busy.has(credential) && !isForMany(credential);
  return (credential) => !isBusy(credential) && !tried.includes(credential) && fitsCall(credential, call, nowSeconds);
}

/** Nobody else takes what is good for one call, until it is released. */
function takeUp(kept: Kept, store: CredentialStore): Kept {
  if (isForOne(kept.credential)) purchasesOf(store).busy.add(kept.credential);
  return kept;
}

function isForOne(credential: string): boolean {
  return readTokenFacts(tokenOf(credential)).uses === 'one';
}

function isForMany(credential: string): boolean {
  return readTokenFacts(tokenOf(credential)).uses === 'many';
}

/** What was recalled for a call is free for others again. */
export function release(store: CredentialStore, { credential }: Kept): void {
  if (isForOne(credential)) purchasesOf(store).busy.delete(credential);
}

/** Credentials that one call tries at most: after that it pays. */
const MOST_TRIED = 8;

/** A credential that may buy what a 402 has offered; the call may not have known before what its address belongs to. */
export async function recallFor(
  offered: string,
  call: Call,
  lookup: Lookup & { readonly tried: readonly string[] },
): Promise<Kept | undefined> {
  const { store, tried } = lookup;
  if (tried.length >= MOST_TRIED) return undefined;
  const isFitting = createFilter(call, lookup);
  for (const key of [formatStoreKey(call.method, call.url), call.url.origin]) {
    const kept = await recallAll(store, key);
    const credential = kept.find((one) => isFitting(one) && coversOffer(tokenOf(one), offered));
    if (credential !== undefined) return takeUp({ key, credential }, store);
  }
  return undefined;
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
