/*
 * Which credential each address took last (M47). It is the one to send there again: another that is good there too may be meant for
 * dearer calls. And where there are too many, the one goes that nobody has used for longest. Memory of one process; it goes with
 * the store.
 */
import { type CredentialStore } from './credential-store.ts';

/** Addresses that are remembered; the one used longest ago goes first. */
const MOST_ADDRESSES = 4096;

const ofStores = new WeakMap<CredentialStore, Map<string, string>>();

/** Notes that a server took a credential at an address (a store key of a call). */
export function noteTaken(store: CredentialStore, address: string, credential: string): void {
  const taken = takenIn(store);
  taken.delete(address);
  taken.set(address, credential);
  if (taken.size > MOST_ADDRESSES) taken.delete(taken.keys().next().value!);
}

/** The credential that was taken last at an address. */
export function lastTaken(store: CredentialStore, address: string): string | undefined {
  return takenIn(store).get(address);
}

/** Credentials in the order of their latest use, the one used longest ago first. */
export function listTaken(store: CredentialStore): readonly string[] {
  // The last time counts.
  return [...new Set([...takenIn(store).values()].toReversed())].toReversed();
}

function takenIn(store: CredentialStore): Map<string, string> {
  const known = ofStores.get(store);
  if (known !== undefined) return known;
  const taken = new Map<string, string>();
  ofStores.set(store, taken);
  return taken;
}
