/*
 * Paid credentials that may be used again (M47). A token for many calls of a service is kept under its origin, together with
 * those of other services; any other token under its URL. The newest comes first. A live credential is dropped only if there
 * are more than anyone needs. Effects: the store.
 */
import { type Call } from './call.ts';
import { formatStoreKey, type CredentialStore } from './credential-store.ts';
import { L402Error } from './error.ts';
import { listTaken } from './recent-uses.ts';
import { hasEnded, readTokenFacts, tellsTerms, tokenOf } from './token-facts.ts';

/** Most credentials under one key, an origin or a URL: ended ones are dropped first, then the least recently used. */
export const MOST_KEPT = 256;

/** One credential and its key. */
export interface Kept {
  readonly key: string;
  readonly credential: string;
}

/**
 * Whether a purchase replaces a credential that was refused without a reason. Only for other makes of servers, which cannot
 * say that a credential is used up, and only at the URL where it was bought; this gateway states the reason.
 */
export function isReplaceable(refused: string): boolean {
  const facts = readTokenFacts(tokenOf(refused));
  return facts.uses !== 'many' && !tellsTerms(facts);
}

/** Returns the key under which a credential bought for a call is kept. */
export function keyFor(credential: string, { method, url }: Pick<Call, 'method' | 'url'>): string {
  return readTokenFacts(tokenOf(credential)).uses === 'many' ? url.origin : formatStoreKey(method, url);
}

/** Reads all credentials under a key, newest first. */
export async function recallAll(store: CredentialStore, key: string): Promise<readonly string[]> {
  const stored: unknown = await guard(() => store.get(key));
  if (typeof stored !== 'string') return [];
  // Anything else was not stored by this client; as a header it could even throw, with its text in the message.
  return stored.split('\n').filter((one) => /^(L402|LSAT) [\x21-\x7e]+:[0-9a-f]{64}$/.test(one));
}

export interface KeepOptions {
  readonly nowSeconds: number;
  /** Credentials that turned out to be worthless. */
  readonly worthless?: readonly string[];
}

/** Keeps a credential, and drops the worthless ones. */
export function keep(store: CredentialStore, { key, credential }: Kept, { nowSeconds, worthless = [] }: KeepOptions): Promise<void> {
  return inTurn(store, async () => {
    // An unreadable store loses nothing here: the new credential is written in any case.
    const before = await recallAll(store, key).catch(() => []);
    const others = before.filter((one) => one !== credential && !worthless.includes(one));
    await store.set(key, [credential, ...boundTo(MOST_KEPT - 1, others, { nowSeconds, taken: listTaken(store) })].join('\n'));
  });
}

/** Returns the credentials, reduced to the limit. */
function boundTo(
  most: number,
  credentials: readonly string[],
  { nowSeconds, taken }: { nowSeconds: number; taken: readonly string[] },
): readonly string[] {
  if (credentials.length <= most) return credentials;
  const live = credentials.filter((one) => !hasEnded(one, nowSeconds));
  // In the order of dropping: first those never used, oldest first.
  const rank = new Map(taken.map((one, index) => [one, index]));
  const leastUsed = live.toReversed().toSorted((left, right) => (rank.get(left) ?? -1) - (rank.get(right) ?? -1));
  const dropped = new Set(leastUsed.slice(0, Math.max(0, live.length - most)));
  return live.filter((one) => !dropped.has(one));
}

/** Drops a credential; others under the same key stay. */
export function forget(store: CredentialStore, { key, credential }: Kept): Promise<void> {
  return inTurn(store, async () => {
    const all = await recallAll(store, key);
    const others = all.filter((one) => one !== credential);
    if (others.length === all.length) return;
    await guard(async () => (others.length === 0 ? store.delete(key) : store.set(key, others.join('\n'))));
  });
}

const turns = new WeakMap<CredentialStore, Promise<unknown>>();

/** Runs changes of a store one after the other: two at once would lose one of them. */
function inTurn<Value>(store: CredentialStore, change: () => Promise<Value>): Promise<Value> {
  const done = (turns.get(store) ?? Promise.resolve()).then(change, change);
  turns.set(
    store,
    done.catch(() => undefined),
  );
  return done;
}

/** Before a payment, a failing store stops the call: a credential that was already paid for must not be bought again. */
async function guard<Value>(use: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await use();
  } catch (cause) {
    throw new L402Error('store_failed', { paid: 'no', detail: 'the credential store failed before any payment', cause });
  }
}
