/*
 * Where paid credentials wait to be used again. A store is three functions (a Map will do); the one here lives in memory
 * and is bounded. A key names a method and an address without its fragment: never more than was bought by one challenge.
 */

/** Any of the functions may be asynchronous. Values are secrets worth what was paid for them. */
export interface CredentialStore {
  get(key: string): string | undefined | Promise<string | undefined>;
  set(key: string, credential: string): unknown;
  delete(key: string): unknown;
}

const MOST_CREDENTIALS = 1000;

/** Credentials by key until the process ends; the oldest goes when there are too many. */
export function createMemoryStore({ mostCredentials = MOST_CREDENTIALS }: { mostCredentials?: number } = {}): CredentialStore {
  const credentials = new Map<string, string>();
  return {
    get: (key) => credentials.get(key),
    set(key, credential) {
      credentials.delete(key);
      credentials.set(key, credential);
      const [oldest] = credentials.keys();
      if (credentials.size > mostCredentials && oldest !== undefined) credentials.delete(oldest);
    },
    delete: (key) => credentials.delete(key),
  };
}

/**
 * The key of a call. The body is not part of it: a token that is good for many calls is good for other bodies too, and a
 * server that priced the body answers with a new challenge.
 */
export function formatStoreKey(method: string, url: URL): string {
  return `${method} ${url.origin}${url.pathname}${url.search}`;
}
