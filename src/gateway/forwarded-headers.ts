/*
 * Which headers of a client's request reach the origin. Pure.
 */
import { METADATA_HEADERS } from './request-facts.ts';

/** Hop by hop, ours, or a way to make the origin read another request than the one that was priced. */
const STRIPPED: ReadonlySet<string> = new Set(
  [
    'connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade',
    'authorization l402-authorization',
    'x-original-url x-original-uri x-rewrite-url x-forwarded-prefix x-forwarded-path x-forwarded-uri',
    'x-http-method-override x-http-method x-method-override',
    'x-forwarded-host x-forwarded-server x-host x-http-host-override forwarded',
  ].flatMap((names) => names.split(' ')),
);
/** Fields that frame or address a message: an origin that reads an underscore as a dash would take a second one. */
const FRAMING: ReadonlySet<string> = new Set(['host', 'content-length', 'content-type']);

/** Whether a name is the gateway's own, towards the origin or the client. */
export function isOwn(name: string): boolean {
  return name.startsWith('x-l402-') || name.startsWith('l402-');
}

/** Whether a header, in lower case, never goes on as the client sent it. */
export function isStripped(name: string): boolean {
  if (!name.includes('_')) return STRIPPED.has(name) || isOwn(name);
  const dashed = name.replaceAll('_', '-');
  return STRIPPED.has(dashed) || FRAMING.has(dashed) || isOwn(dashed);
}

/** Set on the way, whatever the client sent. */
const REPLACED: ReadonlySet<string> = new Set(['host', 'content-length', 'idempotency-key', ...METADATA_HEADERS]);

/** Whether the origin sees a header as the client sent it. One that it does not cannot decide a price. */
export function isForwarded(name: string): boolean {
  return !isStripped(name) && !REPLACED.has(name);
}
