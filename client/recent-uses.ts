/*
 * The credential that each URL accepted last (M47). It is sent there again: another valid credential may be intended for more
 * expensive calls. When a key is full, the least recently used credential is dropped. Effects: memory of one process, freed
 * with the store.
 */
import { type CredentialStore } from './credential-store.ts';

/** Most URLs remembered; the least recently used is dropped first. */
const MOST_ADDRESSES = 4096;

const ofStores = new WeakMap<CredentialStore, Map<string, string>>();

/** Notes that a server accepted a credential at an address (a store key of a call). */
export function noteTaken(store: CredentialStore, address: string, credential: string): void {
  const taken = takenIn(store);
  taken.delete(address);
  taken.set(address, credential);
  if (taken.size > MOST_ADDRESSES) taken.delete(taken.keys().next().value!);
}

/** Returns the credential that was accepted last at an address. */
export function lastTaken(store: CredentialStore, address: string): string | undefined {
  return takenIn(store).get(address);
}

/** Lists credentials by their latest use, least recent first. */
export function listTaken(store: CredentialStore): readonly string[] {
  // The latest use counts.
  return [...new Set([...takenIn(store).values()].toReversed())].toReversed();
}

function takenIn(store: CredentialStore): Map<string, string> {
  const known = ofStores.get(store);
  if (known !== undefined) return known;
  const taken = new Map<string, string>();
  ofStores.set(store, taken);
  return taken;
}
