/*
 * A request, read once: method, host, canonical path, query, and the credential texts cut out of the headers. Nothing
 * after this looks at the raw request again but to stream its body. Pure.
 */
import { canonicalizePath } from '#protocol/canonical-path.ts';
import { looksLikeCredential, parseMetadataMacaroon, splitAuthorization, type Credential } from '#protocol/credential-header.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { METADATA_HEADERS } from './forwarded-headers.ts';
import { isNativeGrpc } from '../answers/grpc.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { isVouchedFor, readClientFacts, type ClientAddressSource, type ClientFacts } from './client-key.ts';
import { UNFORWARDABLE_METHODS } from '../answers/methods.ts';

export interface RequestFacts {
  readonly method: string;
  /** Lower case, without port and trailing dot. */
  readonly host: string;
  /** Scheme and host by which the client named us, in one spelling. Without its port: that is the client's choice, and no origin's. */
  readonly base: string;
  readonly path: string;
  /** As sent, with its question mark; empty when there is none. */
  readonly query: string;
  /** As sent; only for what a route asks of them. */
  readonly headers: Headers;
  readonly credentials: readonly string[];
  /** A credential in gRPC style, from a header that may also mean something else. */
  readonly metadataCredential: Credential | undefined;
  /** What `Authorization` holds for the origin. */
  readonly authorizationRest: string;
  readonly isPreflight: boolean;
  readonly hasBody: boolean;
  /** Worked out when it is first asked for: most free calls need nobody's address. */
  readonly client: () => ClientFacts;
  /** Whether fields about client and scheme were written by somebody who is trusted here, and not by the client. */
  readonly isVouchedFor: () => boolean;
}

/** As many tokens as are read in other fields. */
const MOST_METADATA = 4;
/** Room for four tokens of the largest size. */
export const LONGEST_AUTHORIZATION = 32_768;
/** Each piece between commas is read. Four tokens have four; the schemes of others have about a dozen parameters at most. */
const MOST_CREDENTIAL_PIECES = 64;

/** Reads a request, or says what is malformed about it. `source` is where the client's address is read (M21). */
export function readRequestFacts(request: Request, source?: ClientAddressSource): Result<RequestFacts, GatewayRefusal> {
  const { method, headers } = request;
  if (UNFORWARDABLE_METHODS.includes(method)) return refuse({ code: 'method_unsupported', detail: `${method} is not forwarded` });
  if (method === 'POST' && isNativeGrpc(headers)) {
    return refuse({ code: 'grpc_unsupported', detail: 'native gRPC cannot pass this gateway; use gRPC-Web or REST' });
  }
  const target = splitUrl(request.url);
  if (!target.ok) return target;
  const path = canonicalizePath(target.value.path);
  if (!path.ok) return refuse({ code: 'path_malformed', detail: path.refusal });
  const authorization = headers.get('authorization') ?? '';
  const own = headers.get('l402-authorization') ?? '';
  if (authorization.length + own.length > LONGEST_AUTHORIZATION) {
    return refuse({ code: 'header_too_large', detail: `credentials have at most ${LONGEST_AUTHORIZATION} characters` });
  }
  if (countCommas(authorization) + countCommas(own) > MOST_CREDENTIAL_PIECES) {
    return refuse({ code: 'header_too_large', detail: `credentials have at most ${MOST_CREDENTIAL_PIECES} commas` });
  }
  const shared = splitAuthorization(authorization);
  // The field of our own holds nothing else, so its scheme may be left out.
  const separate = own === '' || /^(l402|lsat)\s/i.test(own) ? splitAuthorization(own).credentials : [own];
  const credentials = [...shared.credentials, ...separate];
  let client: ClientFacts | undefined;
  return accept({
    method,
    host: target.value.host,
    base: target.value.base,
    path: path.value,
    query: target.value.query,
    headers,
    credentials,
    metadataCredential: credentials.length > 0 ? undefined : readMetadata(headers),
    authorizationRest: shared.rest,
    isPreflight: method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method'),
    hasBody: request.body !== null,
    client: () => (client ??= readClientFacts(request, source)),
    isVouchedFor: () => isVouchedFor(request, source),
  });
}

interface RequestTarget {
  readonly host: string;
  readonly base: string;
  readonly path: string;
  readonly query: string;
}

/** Cuts the URL as text: parsing it would resolve the dots and backslashes that must be seen. */
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

/** One name or address. `a, b` (two Host lines), `user@host` and the like are read differently by every origin. */
const AUTHORITY = /^([a-z0-9_-][a-z0-9._-]{0,252}|\[[0-9a-f:.]{2,45}\])(:[0-9]{0,5})?$/;
const LARGEST_PORT = 65_535;
/** Nearly every request of an isolate has the same. */
let lastRead: { readonly written: string; readonly named: Pick<RequestTarget, 'host' | 'base'> } | undefined;

/** One spelling for each: an origin that is named after it has one breaker and one limit. */
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

function countCommas(text: string): number {
  let commas = 0;
  for (let at = text.indexOf(','); at >= 0; at = text.indexOf(',', at + 1)) commas += 1;
  return commas;
}

function readMetadata(headers: Headers): Credential | undefined {
  for (const name of METADATA_HEADERS) {
    const credential = findMetadata(headers.get(name) ?? '');
    if (credential !== undefined) return credential;
  }
  return undefined;
}

/** Two lines of one field are joined by a comma. */
function findMetadata(value: string): Credential | undefined {
  if (!value.includes(',')) return parseMetadataMacaroon(value);
  for (const piece of value.split(',', MOST_METADATA)) {
    const credential = parseMetadataMacaroon(piece.trim());
    if (credential !== undefined) return credential;
  }
  return undefined;
}

/** Whether a metadata field holds a credential in any style, also where another one was read: it is none of the origin's business. */
export function holdsCredential(value: string): boolean {
  return findMetadata(value) !== undefined || looksLikeCredential(value) || value.split(',').length > MOST_METADATA;
}
