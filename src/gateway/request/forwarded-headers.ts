/*
 * Which header fields of a client's request reach the origin, and why the others do not. Names are compared as CGI and its
 * successors read them (field-name.ts): to them `X_L402.Claim` is `X-L402-Claim`. Effects: memory, bounded.
 */
import { METADATA_FIELDS } from '#protocol/credential-header.ts';
import { foldFieldName } from './field-name.ts';

const list = (...names: string[]): readonly string[] => names.flatMap((text) => text.split(' '));

/**
 * Fields that are never forwarded as the client sent them, each group with its reason. docs/origins.md says the same; a test
 * compares the two.
 */
export const DROPPED_FIELDS = {
  /** They end at this hop. */
  hop: list('connection keep-alive proxy-connection te trailer transfer-encoding upgrade http2-settings'),
  /** They are for this gateway or for a proxy; the origin's part of `Authorization` is put back. */
  credential: list('authorization l402-authorization proxy-authenticate proxy-authorization'),
  /** The origin would serve another path than the priced one, or a file chosen through its server. */
  path: list(
    'x-original-url x-original-uri x-rewrite-url x-forwarded-prefix x-forwarded-path x-forwarded-uri',
    'x-script-name script-name x-envoy-original-path x-middleware-rewrite x-sendfile-type x-accel-mapping',
  ),
  /** The origin would act on another method. */
  method: list('x-http-method-override x-http-method x-method-override x-http-override'),
  /** The origin would answer as another host. */
  host: list('x-forwarded-host x-forwarded-server x-host x-http-host-override x-original-host forwarded'),
  /** The origin would assume another scheme or port. Neither Cloudflare's edge nor the usual proxies need them. */
  scheme: list(
    'x-forwarded-scheme x-forwarded-protocol x-forwarded-port x-forwarded-ssl front-end-https x-url-scheme x-scheme',
    'cloudfront-forwarded-proto',
  ),
  /** The origin would assume another client. Cloudflare's edge does not write them, so only the client can have done it. */
  address: list(
    'x-client-ip client-ip x-cluster-client-ip fastly-client-ip x-remote-ip x-remote-addr x-originating-ip x-original-forwarded-for',
    'x-azure-clientip',
  ),
  /** CGI would turn it into HTTP_PROXY, and the origin would send its own requests through the named proxy (httpoxy). */
  proxy: list('proxy'),
} as const;

/** Written by Cloudflare's edge or by the seller's own proxies; without these, by the client. */
export const VOUCHED_FIELDS: readonly string[] = list(
  'x-forwarded-for x-real-ip cf-connecting-ip cf-connecting-ipv6 true-client-ip x-forwarded-proto cf-visitor',
);

/**
 * What happens to a field. `vouched` is forwarded if a trusted party wrote it, `metadata` unless it holds a credential,
 * `twin` unless its name reads like that of a field which the seller sets.
 */
export type FieldFate = 'kept' | 'dropped' | 'vouched' | 'metadata' | 'twin';

const DROPPED: ReadonlySet<string> = new Set(Object.values(DROPPED_FIELDS).flat());
const VOUCHED: ReadonlySet<string> = new Set(VOUCHED_FIELDS);
const METADATA: ReadonlySet<string> = new Set(METADATA_FIELDS);
/** Fields that frame or describe a message, or that the gateway sets: an origin must not find a second one under another spelling. */
const SINGLE: ReadonlySet<string> = new Set(['host', 'content-length', 'content-type', 'content-encoding', 'idempotency-key']);

/** Whether a name is reserved for the gateway, towards the origin or the client. */
export function isOwn(name: string): boolean {
  return name.startsWith('x-l402-') || name.startsWith('l402-');
}

/** Clients send the same few names, so the result for a name is cached. */
const judged = new Map<string, FieldFate>();
const MOST_JUDGED = 1024;
const LONGEST_JUDGED = 64;

/** Returns what happens to a field of this lower-case name. */
export function fateOf(name: string): FieldFate {
  const known = judged.get(name);
  if (known !== undefined) return known;
  const fate = judgeName(name);
  if (name.length > LONGEST_JUDGED) return fate;
  if (judged.size === MOST_JUDGED) judged.delete(judged.keys().next().value!);
  judged.set(name, fate);
  return fate;
}

function judgeName(name: string): FieldFate {
  const folded = foldFieldName(name);
  if (DROPPED.has(folded) || isOwn(folded)) return 'dropped';
  if (METADATA.has(folded)) return 'metadata';
  if (folded === name) return VOUCHED.has(name) ? 'vouched' : 'kept';
  // No proxy writes them in another spelling.
  return VOUCHED.has(folded) || SINGLE.has(folded) ? 'dropped' : 'twin';
}

/** Set by the gateway, whatever the client sent. */
const REPLACED: ReadonlySet<string> = new Set(['host', 'content-length', 'idempotency-key']);

/** Whether the origin sees a header as the client sent it. Only such a header can decide a price. */
export function isForwarded(name: string): boolean {
  return fateOf(name) === 'kept' && !REPLACED.has(name);
}

const NOT_THE_SELLERS: ReadonlySet<string> = new Set([
  ...DROPPED_FIELDS.hop,
  ...DROPPED_FIELDS.credential.filter((name) => name !== 'authorization'),
  ...['x-forwarded-host', 'host', 'content-length'],
]);

/** Whether a seller may set a field towards the origin: all but the gateway's own, and those of the message or the hop. */
export function isSettable(name: string): boolean {
  return !isOwn(name) && !NOT_THE_SELLERS.has(name);
}
