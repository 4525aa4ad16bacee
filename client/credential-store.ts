/*
 * The store of paid credentials for reuse. A store is three functions (a Map will do); this one is in memory and bounded. A
 * key is a method and a URL without fragment: never more than one challenge bought. Effects: memory.
 */
import { hasEnded } from './token-facts.ts';

/** Any of the functions may be asynchronous. Values are secrets worth the money paid for them. */
export interface CredentialStore {
  get(key: string): string | undefined | Promise<string | undefined>;
  set(key: string, credential: string): unknown;
  delete(key: string): unknown;
}

const MOST_CREDENTIALS = 4096;

export interface MemoryStoreOptions {
  /** Most credentials, over all keys. Default 4096. */
  readonly mostCredentials?: number;
  /** The time in milliseconds since 1970, to judge the ends of tokens. */
  readonly clock?: () => number;
}

/**
 * Creates a store that lasts as long as the process. When it is full, ended credentials are dropped first, then those of the
 * least recently used key.
 */
export function createMemoryStore({ mostCredentials = MOST_CREDENTIALS, clock = Date.now }: MemoryStoreOptions = {}): CredentialStore {
  /** By key, newest credential first; the least recently used key is first. */
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
 * Returns the key of a call. It does not include the body: a token for many calls is valid for other bodies too, and a server
 * that prices the body answers with a new challenge.
 */
export function formatStoreKey(method: string, url: URL): string {
  return `${method} ${url.origin}${url.pathname}${url.search}`;
}
