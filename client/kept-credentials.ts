/*
 * What has been paid for and may be used again (M47). A token that is good for many calls of a service is kept for its origin,
 * beside those of other services; any other for its address. The newest stands first. A live credential pushes out another only
 * where there are more than anyone needs. Effects: the store.
 */
import { type Call } from './call.ts';
import { formatStoreKey, type CredentialStore } from './credential-store.ts';
import { L402Error } from './error.ts';
import { listTaken } from './recent-uses.ts';
import { hasEnded, readTokenFacts, tellsTerms, tokenOf } from './token-facts.ts';

/** Credentials under one key, an origin or an address: what has ended goes first, then what nobody has used for longest. */
export const MOST_KEPT = 256;

/** One credential and where it is kept. */
export interface Kept {
  readonly key: string;
  readonly credential: string;
}

/**
 * Whether a purchase takes the place of a credential that was refused without a word why. Only of another make, whose servers have
 * no other way to say that it is over, and only where it was bought; ours say what is wrong.
 */
export function isReplaceable(refused: string): boolean {
  const facts = readTokenFacts(tokenOf(refused));
  return facts.uses !== 'many' && !tellsTerms(facts);
}

/** Where a credential is kept that was bought for a call. */
export function keyFor(credential: string, { method, url }: Pick<Call, 'method' | 'url'>): string {
  return readTokenFacts(tokenOf(credential)).uses === 'many' ? url.origin : formatStoreKey(method, url);
}

/** All credentials under a key, the newest first. */
export async function recallAll(store: CredentialStore, key: string): Promise<readonly string[]> {
  const stored: unknown = await guard(() => store.get(key));
  if (typeof stored !== 'string') return [];
  // What is no credential was not put there by us; as a header it could even throw, with its text in the message.
  return stored.split('\n').filter((one) => /^(L402|LSAT) [\x21-\x7e]+:[0-9a-f]{64}$/.test(one));
}

export interface KeepOptions {
  readonly nowSeconds: number;
  /** What has turned out to be worth nothing. */
  readonly worthless?: readonly string[];
}

/** Keeps a credential, in the place of those that are worth nothing. */
export function keep(store: CredentialStore, { key, credential }: Kept, { nowSeconds, worthless = [] }: KeepOptions): Promise<void> {
  return inTurn(store, async () => {
    // Nothing is lost over what cannot be read: what has just been paid for is written all the same.
    const before = await recallAll(store, key).catch(() => []);
    const others = before.filter((one) => one !== credential && !worthless.includes(one));
    await store.set(key, [credential, ...boundTo(MOST_KEPT - 1, others, { nowSeconds, taken: listTaken(store) })].join('\n'));
  });
}

/** The credentials, without as many as there are too many. */
function boundTo(
  most: number,
  credentials: readonly string[],
  { nowSeconds, taken }: { nowSeconds: number; taken: readonly string[] },
): readonly string[] {
  if (credentials.length <= most) return credentials;
  const live = credentials.filter((one) => !hasEnded(one, nowSeconds));
  // From the first that may go: of those that were never used the oldest.
  const rank = new Map(taken.map((one, index) => [one, index]));
  const leastUsed = live.toReversed().toSorted((left, right) => (rank.get(left) ?? -1) - (rank.get(right) ?? -1));
  const dropped = new Set(leastUsed.slice(0, Math.max(0, live.length - most)));
  return live.filter((one) => !dropped.has(one));
}

/** Drops a credential; those beside it stay. */
export function forget(store: CredentialStore, { key, credential }: Kept): Promise<void> {
  return inTurn(store, async () => {
    const all = await recallAll(store, key);
    const others = all.filter((one) => one !== credential);
    if (others.length === all.length) return;
    await guard(async () => (others.length === 0 ? store.delete(key) : store.set(key, others.join('\n'))));
  });
}

const turns = new WeakMap<CredentialStore, Promise<unknown>>();

/** Changes of a store come one after the other: two at once would forget one of them. */
function inTurn<Value>(store: CredentialStore, change: () => Promise<Value>): Promise<Value> {
  const done = (turns.get(store) ?? Promise.resolve()).then(change, change);
  turns.set(
    store,
    done.catch(() => undefined),
  );
  return done;
}

/** Before a payment a store that fails stops the call: what is paid for already must not be bought again. */
async function guard<Value>(use: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await use();
  } catch (cause) {
    throw new L402Error('store_failed', { paid: 'no', detail: 'the credential store failed before any payment', cause });
  }
}
