/*
 * Which header fields of a client's request reach the origin, and why the others do not. A name is judged as CGI and its heirs
 * read it (field-name.ts): `X_L402.Claim` is `X-L402-Claim` to them. Effects: memory, bounded.
 */
import { METADATA_FIELDS } from '#protocol/credential-header.ts';
import { foldFieldName } from './field-name.ts';

const list = (...names: string[]): readonly string[] => names.flatMap((text) => text.split(' '));

/** Fields that never go on as the client sent them, each with the reason. docs/origins.md tells the same; a test holds it to this. */
export const DROPPED_FIELDS = {
  /** They end at this hop. */
  hop: list('connection keep-alive proxy-connection te trailer transfer-encoding upgrade http2-settings'),
  /** They hold what is for us, or for a proxy; what `Authorization` has for the origin is put back. */
  credential: list('authorization l402-authorization proxy-authenticate proxy-authorization'),
  /** The origin would serve another path than the one that was priced, or a file of its server's choosing. */
  path: list(
    'x-original-url x-original-uri x-rewrite-url x-forwarded-prefix x-forwarded-path x-forwarded-uri',
    'x-script-name script-name x-envoy-original-path x-middleware-rewrite x-sendfile-type x-accel-mapping',
  ),
  /** The origin would act by another method. */
  method: list('x-http-method-override x-http-method x-method-override x-http-override'),
  /** The origin would answer as another host. */
  host: list('x-forwarded-host x-forwarded-server x-host x-http-host-override x-original-host forwarded'),
  /** The origin would believe in another scheme or port. Neither Cloudflare's edge nor the usual proxies need them. */
  scheme: list(
    'x-forwarded-scheme x-forwarded-protocol x-forwarded-port x-forwarded-ssl front-end-https x-url-scheme x-scheme',
    'cloudfront-forwarded-proto',
  ),
  /** The origin would believe in another client. Cloudflare's edge does not write them, so that only the client can have. */
  address: list(
    'x-client-ip client-ip x-cluster-client-ip fastly-client-ip x-remote-ip x-remote-addr x-originating-ip x-original-forwarded-for',
    'x-azure-clientip',
  ),
  /** CGI would make HTTP_PROXY of it, and the origin would send its own requests through whoever is named (httpoxy). */
  proxy: list('proxy'),
} as const;

/** Written by Cloudflare's edge or by proxies of the seller's own, and by the client where there are none of them. */
export const VOUCHED_FIELDS: readonly string[] = list(
  'x-forwarded-for x-real-ip cf-connecting-ip cf-connecting-ipv6 true-client-ip x-forwarded-proto cf-visitor',
);

/**
 * What becomes of a field. `vouched` goes on if somebody vouches for it, `metadata` unless it holds a credential, `twin` unless
 * its name reads like that of a field which the seller sets.
 */
export type FieldFate = 'kept' | 'dropped' | 'vouched' | 'metadata' | 'twin';

const DROPPED: ReadonlySet<string> = new Set(Object.values(DROPPED_FIELDS).flat());
const VOUCHED: ReadonlySet<string> = new Set(VOUCHED_FIELDS);
const METADATA: ReadonlySet<string> = new Set(METADATA_FIELDS);
/** Fields that frame or describe a message, or that we set: an origin must not find a second one under another spelling. */
const SINGLE: ReadonlySet<string> = new Set(['host', 'content-length', 'content-type', 'content-encoding', 'idempotency-key']);

/** Whether a name is the gateway's own, towards the origin or the client. */
export function isOwn(name: string): boolean {
  return name.startsWith('x-l402-') || name.startsWith('l402-');
}

/** Clients send the same few names again and again: what is found out about a name is kept. */
const judged = new Map<string, FieldFate>();
const MOST_JUDGED = 1024;
const LONGEST_JUDGED = 64;

/** What becomes of a field of this name, which is in lower case. */
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

/** Set on the way, whatever the client sent. */
const REPLACED: ReadonlySet<string> = new Set(['host', 'content-length', 'idempotency-key']);

/** Whether the origin sees a header as the client sent it. One that it does not cannot decide a price. */
export function isForwarded(name: string): boolean {
  return fateOf(name) === 'kept' && !REPLACED.has(name);
}

const NOT_THE_SELLERS: ReadonlySet<string> = new Set([
  ...DROPPED_FIELDS.hop,
  ...DROPPED_FIELDS.credential.filter((name) => name !== 'authorization'),
  ...['x-forwarded-host', 'host', 'content-length'],
]);

/** Whether a seller may set a field on the way to the origin: all but our own, and what belongs to the message or the hop. */
export function isSettable(name: string): boolean {
  return !isOwn(name) && !NOT_THE_SELLERS.has(name);
}
