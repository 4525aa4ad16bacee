/*
 * Where paid credentials wait to be used again. A store is three functions (a Map will do); the one here lives in memory
 * and is bounded. A key names a method and an address without its fragment: never more than was bought by one challenge.
 */
import { hasEnded } from './token-facts.ts';

/** Any of the functions may be asynchronous. Values are secrets worth what was paid for them. */
export interface CredentialStore {
  get(key: string): string | undefined | Promise<string | undefined>;
  set(key: string, credential: string): unknown;
  delete(key: string): unknown;
}

const MOST_CREDENTIALS = 4096;

export interface MemoryStoreOptions {
  /** Credentials in all, whatever their keys: 4096 unless told otherwise. */
  readonly mostCredentials?: number;
  /** The time in milliseconds since 1970, for the ends of tokens. */
  readonly clock?: () => number;
}

/** Credentials until the process ends. When there are too many, what has ended goes first, then what was asked for longest ago. */
export function createMemoryStore({ mostCredentials = MOST_CREDENTIALS, clock = Date.now }: MemoryStoreOptions = {}): CredentialStore {
  /** By key, each the newest first; the key that was asked for longest ago stands first. */
  const stored = new Map<string, readonly string[]>();
  let count = 0;
  const change = (key: string, credentials: readonly string[]) => {
    count += credentials.length - (stored.get(key)?.length ?? 0);
    if (credentials.length === 0) stored.delete(key);
    else stored.set(key, credentials);
  };
  const isTooFull = () => count > mostCredentials;
  const dropEnded = () => {
    const nowSeconds = Math.floor(clock() / 1000);
    for (const [key, credentials] of stored) {
      const live = credentials.filter((one) => !hasEnded(one, nowSeconds));
      if (live.length < credentials.length) change(key, live);
    }
  };
  const dropOldest = () => {
    const [key, credentials] = stored.entries().next().value!;
    change(key, credentials.slice(0, -1));
  };
  return {
    get(key) {
      const credentials = stored.get(key);
      if (credentials === undefined) return undefined;
      stored.delete(key);
      stored.set(key, credentials);
      return credentials.join('\n');
    },
    set(key, credential) {
      change(key, []);
      change(key, credential.split('\n'));
      if (isTooFull()) dropEnded();
      while (isTooFull()) dropOldest();
    },
    delete: (key) => change(key, []),
  };
}

/**
 * The key of a call. The body is not part of it: a token that is good for many calls is good for other bodies too, and a
 * server that priced the body answers with a new challenge.
 */
export function formatStoreKey(method: string, url: URL): string {
  return `${method} ${url.origin}${url.pathname}${url.search}`;
}
