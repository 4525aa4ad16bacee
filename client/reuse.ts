/*
 * Using a credential again: what is read from the store, what a server's answer says about it, and when it is dropped.
 * Only the server knows what a credential is still good for, so it is kept until the server says that it is not.
 */
import { parseChallenges } from '#protocol/challenge-header.ts';
import { type CredentialStore } from './credential-store.ts';
import { L402Error } from './error.ts';

/** The credential kept under a key. */
export async function recall(store: CredentialStore, key: string): Promise<string | undefined> {
  const stored: unknown = await guard(() => store.get(key));
  // What is no credential was not put there by us; as a header it could even throw, with its text in the message.
  return typeof stored === 'string' && /^(L402|LSAT) [\x21-\x7e]+:[0-9a-f]{64}$/.test(stored) ? stored : undefined;
}

/** One credential and where it is kept. */
export interface Kept {
  readonly key: string;
  readonly credential: string;
}

/** Drops a credential, unless another call has put another one in its place. */
export async function forget(store: CredentialStore, { key, credential }: Kept): Promise<void> {
  await guard(async () => {
    if ((await store.get(key)) === credential) await store.delete(key);
  });
}

/** Drops a credential that an answer says is used up. The answer is never lost over a store that fails. */
export async function noteUse({ headers }: Response, { store, kept }: { store: CredentialStore; kept: Kept }): Promise<void> {
  // Calls, or a balance: one or the other is told.
  const left = headers.get('l402-remaining') ?? headers.get('l402-remaining-msat');
  if (left?.trim() === '0') await forget(store, kept).catch(() => {});
}

/** A 401 that speaks of the credential. An origin's own (marked so, or of other schemes alone) says nothing about it. */
export function turnsCredentialDown({ status, headers }: Response): boolean {
  if (status !== 401 || headers.get('l402-answered-by') === 'origin') return false;
  const challenges = parseChallenges(headers.get('www-authenticate') ?? '');
  return challenges.length === 0 || challenges.some(({ scheme }) => /^(l402|lsat)$/i.test(scheme));
}

/** Before a payment a store that fails stops the call: what is paid for already must not be bought again. */
async function guard<Value>(use: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await use();
  } catch (cause) {
    throw new L402Error('store_failed', { paid: 'no', detail: 'the credential store failed before any payment', cause });
  }
}
