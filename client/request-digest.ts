/*
 * The digest of a planned request, for a token that is valid for nothing else (M9). Effects: the platform's SHA-256.
 */
import { canonicalizePath } from '#protocol/canonical-path.ts';
import { digestRequest as digestParts } from '#protocol/request-digest.ts';

export interface PlannedRequest {
  readonly url: string | URL;
  /** In upper case, as it will be sent. Default `GET`. */
  readonly method?: string;
  /** Exactly the bytes that will be sent; text is sent as UTF-8. */
  readonly body?: Uint8Array | string;
}

/** Computes the `requestDigest` for `attenuate`: 64 hex digits over method, host, path, query and body. */
export async function digestRequest({ url, method = 'GET', body = '' }: PlannedRequest): Promise<string> {
  if (!/^[A-Z][A-Z-]*$/.test(method)) throw new RangeError('method: must be in upper case');
  const { hostname, pathname, href } = new URL(url);
  const path = canonicalizePath(pathname);
  if (!path.ok) throw new RangeError(`url: ${path.refusal}`);
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : Uint8Array.from(body);
  const bodyHash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return digestParts({ method, host: hostname.replace(/\.$/, ''), path: path.value, query: cutQuery(href), bodyHash });
}

/** Cuts the query as text: `URL.search` drops a lone question mark, but the request sends it. */
function cutQuery(href: string): string {
  const end = href.indexOf('#');
  const target = end < 0 ? href : href.slice(0, end);
  const start = target.indexOf('?');
  return start < 0 ? '' : target.slice(start);
}
