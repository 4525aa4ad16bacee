/*
 * What has been paid for and may be used again, and which of it fits a call (M47). A token that is good for many calls of a
 * service is kept for its origin, any other for its address. Several stand under one key, the newest first: a live credential
 * never pushes out another. Effects: the store.
 */
import { parseAccess } from '#protocol/access.ts';
import { decodeCaveat, type Caveat } from '#protocol/caveat.ts';
import { allowsMethod, isBelow, parseHosts, parseMethods, parsePathPrefix, parseSeconds } from '#protocol/caveat-values.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { parseServices } from '#protocol/services.ts';
import { type Call } from './call.ts';
import { formatStoreKey, type CredentialStore } from './credential-store.ts';
import { L402Error } from './error.ts';

/** Credentials under one key; the oldest goes first. */
export const MOST_KEPT = 8;

/** What a token says of itself. A gateway of another make may say nothing. */
export interface TokenFacts {
  readonly services: readonly string[];
  /** `unknown`: only its use will tell. */
  readonly uses: 'one' | 'many' | 'unknown';
  readonly caveats: readonly Caveat[];
}

/** One credential and where it is kept. */
export interface Kept {
  readonly key: string;
  readonly credential: string;
}

/** Reads a token; the client cannot check its signature, and need not: its server will. */
export function readTokenFacts(token: string): TokenFacts {
  const parsed = parseToken(token);
  const caveats = parsed.ok ? parsed.value.caveats.map((caveat) => decodeCaveat(caveat, 'holder')) : [];
  const find = (condition: string) => caveats.find((caveat) => caveat.condition === condition)?.value;
  const services = [...(parseServices(find('services') ?? '')?.keys() ?? [])];
  if (services.length === 0) return { services, uses: 'unknown', caveats };
  const access = find('access');
  const kind = access === undefined ? 'call' : parseAccess(access)?.kind;
  return { services, uses: kind === undefined ? 'unknown' : kind === 'call' ? 'one' : 'many', caveats };
}

/**
 * Whether what was refused where this token is sold is worth nothing any more. It may belong to another service; and a balance
 * that is too small for one call may do for another.
 */
export function isReplacedBy(refused: string, token: string): boolean {
  const before = readTokenFacts(tokenOf(refused));
  const { services } = readTokenFacts(token);
  const isOther = before.services.length > 0 && !before.services.some((service) => services.includes(service));
  return !isOther && !before.caveats.some(({ condition, value }) => condition === 'access' && parseAccess(value)?.kind === 'credit');
}

export function tokenOf(credential: string): string {
  return credential.slice(credential.indexOf(' ') + 1, credential.lastIndexOf(':'));
}

/** Where a credential is kept that was bought for a call. */
export function keyFor(credential: string, { method, url }: Pick<Call, 'method' | 'url'>): string {
  return readTokenFacts(tokenOf(credential)).uses === 'many' ? url.origin : formatStoreKey(method, url);
}

/** Whether a credential may be good for a call, as far as its caveats tell. */
export function fitsCall(credential: string, { method, url }: Pick<Call, 'method' | 'url'>, nowSeconds: number): boolean {
  const { caveats, services } = readTokenFacts(tokenOf(credential));
  const ends = new Set(['valid_until', ...services.map((service) => `${service}_valid_until`)]);
  return caveats.every(({ condition, value }) => {
    if (ends.has(condition)) return (parseSeconds(value) ?? 0) > nowSeconds;
    if (condition === 'methods') return allowsMethod(parseMethods(value) ?? [], method);
    if (condition === 'path') return isBelow(parsePathPrefix(value) ?? '/\u0000', url.pathname);
    if (condition === 'host') return parseHosts(value)?.includes(url.hostname) === true;
    // Good for one request only, which its holder sends itself.
    return condition !== 'request';
  });
}

/** All credentials under a key, the newest first. */
export async function recallAll(store: CredentialStore, key: string): Promise<readonly string[]> {
  const stored: unknown = await guard(() => store.get(key));
  if (typeof stored !== 'string') return [];
  // What is no credential was not put there by us; as a header it could even throw, with its text in the message.
  return stored.split('\n').filter((one) => /^(L402|LSAT) [\x21-\x7e]+:[0-9a-f]{64}$/.test(one));
}

/** Keeps a credential, in the place of those that have turned out to be worth nothing. */
export function keep(store: CredentialStore, { key, credential }: Kept, worthless: readonly string[] = []): Promise<void> {
  return inTurn(store, async () => {
    // Nothing is lost over what cannot be read: what has just been paid for is written all the same.
    const before = await recallAll(store, key).catch(() => []);
    const others = before.filter((one) => one !== credential && !worthless.includes(one));
    await store.set(key, [credential, ...others].slice(0, MOST_KEPT).join('\n'));
  });
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
