/*
 * A request, read once: method, host, canonical path, query, and the credential texts cut out of the headers. After this, the
 * raw request is only used to stream its body. Pure.
 */
import { canonicalizePath } from '#protocol/canonical-path.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type PaymentScheme, type Presentation } from '#schemes/scheme.ts';
import { isNativeGrpc } from '../answers/grpc.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { isFromEdge, isVouchedFor, readClientFacts, type ClientAddressSource, type ClientFacts } from './client-key.ts';
import { UNFORWARDABLE_METHODS } from '../answers/methods.ts';

export interface RequestFacts {
  readonly method: string;
  /** Lower case, without port and trailing dot. */
  readonly host: string;
  /** Scheme and host in the client's URL, in one spelling. Without the port, which the client chooses and no origin depends on. */
  readonly base: string;
  readonly path: string;
  /** As sent, with its question mark; empty if there is none. */
  readonly query: string;
  /** As sent; used only for conditions of a route. */
  readonly headers: Headers;
  /** What it presents to each scheme, in the order in which they are tried. */
  readonly presentations: readonly Presentation[];
  /** The part of `Authorization` for the origin. */
  readonly authorizationRest: string;
  readonly isPreflight: boolean;
  readonly hasBody: boolean;
  /** Computed on first access: most free calls need no address. */
  readonly client: () => ClientFacts;
  /** Whether a trusted party, and not the client, wrote the fields about client and scheme. */
  readonly isVouchedFor: () => boolean;
  /** Whether Cloudflare's edge has taken the request in: it comes under no other host than one that leads here. */
  readonly isFromEdge: () => boolean;
  /** Whether the value of a field that may have another use holds a credential of any scheme. */
  readonly holdsCredential: (value: string) => boolean;
}

export interface ReadOptions {
  /** The source of the client's address (M21). */
  readonly source?: ClientAddressSource | undefined;
  readonly schemes?: readonly PaymentScheme[];
}

/** Reads a request, or says what is malformed about it. */
export function readRequestFacts(request: Request, { source, schemes = [] }: ReadOptions = {}): Result<RequestFacts, GatewayRefusal> {
  const { method, headers } = request;
  if (UNFORWARDABLE_METHODS.includes(method)) return refuse({ code: 'method_unsupported', detail: `${method} is not forwarded` });
  if (method === 'POST' && isNativeGrpc(headers)) {
    return refuse({ code: 'grpc_unsupported', detail: 'native gRPC cannot pass this gateway; use gRPC-Web or REST' });
  }
  const takesBody = method !== 'GET' && method !== 'HEAD';
  if (!takesBody && request.body !== null && headers.get('content-length') !== '0') {
    return refuse({ code: 'body_unexpected', detail: `${method} has a body` });
  }
  const target = splitUrl(request.url);
  if (!target.ok) return target;
  const path = canonicalizePath(target.value.path);
  if (!path.ok) return refuse({ code: 'path_malformed', detail: path.refusal });
  const presentations: Presentation[] = [];
  let authorizationRest = headers.get('authorization') ?? '';
  for (const scheme of schemes) {
    const presented = scheme.present(headers, authorizationRest);
    if (!presented.ok) return presented;
    presentations.push(presented.value);
    ({ authorizationRest } = presented.value);
  }
  let client: ClientFacts | undefined;
  return accept({
    method,
    host: target.value.host,
    base: target.value.base,
    path: path.value,
    query: target.value.query,
    headers,
    presentations,
    authorizationRest,
    isPreflight: method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method'),
    hasBody: takesBody && request.body !== null,
    client: () => (client ??= readClientFacts(request, source)),
    isVouchedFor: () => isVouchedFor(request, source),
    isFromEdge: () => isFromEdge(request),
    holdsCredential: (value) => schemes.some((scheme) => scheme.holdsCredential(value)),
  });
}

interface RequestTarget {
  readonly host: string;
  readonly base: string;
  readonly path: string;
  readonly query: string;
}

/** Splits the URL as text: parsing would resolve the dots and backslashes that must be checked. */
function splitUrl(url: string): Result<RequestTarget, GatewayRefusal> {
  if (url.includes('#')) return refuse({ code: 'path_malformed', detail: 'the request target has a fragment' });
  const authorityStart = url.indexOf('://') + 3;
  let authorityEnd = authorityStart;
  while (authorityEnd < url.length && !'/?\\'.includes(url[authorityEnd]!)) authorityEnd++;
  const named = readAuthority(url.slice(0, authorityEnd), authorityStart);
  if (named === undefined) return refuse({ code: 'host_malformed', detail: 'the host is not one name or address' });
  const queryStart = url.indexOf('?', authorityEnd);
  return accept({
    ...named,
    path: (queryStart < 0 ? url.slice(authorityEnd) : url.slice(authorityEnd, queryStart)) || '/',
    query: queryStart < 0 ? '' : url.slice(queryStart),
  });
}

/** One name or address. Origins disagree about `a, b` (two Host lines), `user@host` and the like. */
const AUTHORITY = /^([a-z0-9_-][a-z0-9._-]{0,252}|\[[0-9a-f:.]{2,45}\])(:[0-9]{0,5})?$/;
const LARGEST_PORT = 65_535;
/** Nearly every request of an isolate has the same authority. */
let lastRead: { readonly written: string; readonly named: Pick<RequestTarget, 'host' | 'base'> } | undefined;

/** Reads the authority in one spelling: an origin named after it then has one breaker and one limit. */
function readAuthority(written: string, authorityStart: number): Pick<RequestTarget, 'host' | 'base'> | undefined {
  if (written === lastRead?.written) return lastRead.named;
  const [, name, portText = ''] = AUTHORITY.exec(written.slice(authorityStart).toLowerCase()) ?? [];
  const port = Number(portText.slice(1));
  if (name === undefined || port > LARGEST_PORT) return undefined;
  const host = name.replace(/\.$/, '');
  const named = { host, base: `${written.slice(0, authorityStart)}${host}` };
  lastRead = { written, named };
  return named;
}
