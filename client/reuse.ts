/*
 * Reuse of credentials: which one a call takes, what the response says about it, and when it is dropped. Only the server
 * knows what a credential is still good for, so it is kept until the server says that it is not. Effects: the store, memory.
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
  /** Credentials to skip. */
  readonly tried?: readonly string[];
}

/**
 * Returns the credential that a call sends first: one of its own URL, else of its origin; among several the one accepted
 * there last, else the newest. Skips a single-call credential that another call is using.
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
 * Creates a filter for credentials that may be good for a call, are not in use and have not been tried. Nothing is awaited
 * between choosing one and taking it, because another call could choose it too.
 */
function createFilter(call: Call, { store, nowSeconds, tried = [] }: Lookup): (credential: string) => boolean {
  const { busy } = purchasesOf(store);
  const isBusy = (credential: string) => busy.has(credential) && !isForMany(credential);
  return (credential) => !isBusy(credential) && !tried.includes(credential) && fitsCall(credential, call, nowSeconds);
}

/** Reserves a single-call credential until it is released. */
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

/** Releases a credential that was recalled for a call. */
export function release(store: CredentialStore, { credential }: Kept): void {
  if (isForOne(credential)) purchasesOf(store).busy.delete(credential);
}

/** The most credentials that one call tries before it pays. */
const MOST_TRIED = 8;

/** Returns a credential that may buy what a 402 has offered; the call may not have known its service before. */
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

/** Drops a credential that the response reports as used up; returns whether it was. A failing store never loses the response. */
export async function noteUse({ headers }: Response, { store, kept }: { store: CredentialStore; kept: Kept }): Promise<boolean> {
  // Only one of the two is sent: calls, or a balance.
  const left = headers.get('l402-remaining') ?? headers.get('l402-remaining-msat');
  if (left?.trim() !== '0') return false;
  await forget(store, kept).catch(() => {});
  return true;
}

/** Whether this is a 401 about the credential. An origin's own 401 (marked, or only for other schemes) is not. */
export function turnsCredentialDown({ status, headers }: Response): boolean {
  if (status !== 401 || headers.get('l402-answered-by') === 'origin') return false;
  const challenges = parseChallenges(headers.get('www-authenticate') ?? '');
  return challenges.length === 0 || challenges.some(({ scheme }) => /^(l402|lsat)$/i.test(scheme));
}
