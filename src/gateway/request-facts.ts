/*
 * A request, read once: method, host, canonical path, query, and the credential texts cut out of the headers. Nothing
 * after this looks at the raw request again but to stream its body. Pure.
 */
import { canonicalizePath } from '#protocol/canonical-path.ts';
import { parseMetadataMacaroon, splitAuthorization, type Credential } from '#protocol/credential-header.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type GatewayRefusal } from './refusals.ts';
import { readClientFacts, type ClientAddressSource, type ClientFacts } from './client-key.ts';
import { UNFORWARDABLE_METHODS } from './route-pattern.ts';

export interface RequestFacts {
  readonly method: string;
  /** Lower case, without port and trailing dot. */
  readonly host: string;
  readonly path: string;
  /** As sent, with its question mark; empty when there is none. */
  readonly query: string;
  readonly credentials: readonly string[];
  /** A credential in gRPC style, from a header that may also mean something else. */
  readonly metadataCredential: Credential | undefined;
  /** What `Authorization` holds for the origin. */
  readonly authorizationRest: string;
  readonly isPreflight: boolean;
  readonly hasBody: boolean;
  /** Worked out when it is first asked for: most free calls need nobody's address. */
  readonly client: () => ClientFacts;
}

/** Room for four tokens of the largest size. */
export const LONGEST_AUTHORIZATION = 32_768;
export const METADATA_HEADERS = ['grpc-metadata-macaroon', 'macaroon'] as const;

/** Reads a request, or says what is malformed about it. `source` is where the client's address is read (M21). */
export function readRequestFacts(request: Request, source?: ClientAddressSource): Result<RequestFacts, GatewayRefusal> {
  const { method, headers } = request;
  if (UNFORWARDABLE_METHODS.includes(method)) return refuse({ code: 'method_unsupported', detail: `${method} is not forwarded` });
  const target = splitUrl(request.url);
  if (!target.ok) return refuse({ code: 'path_malformed', detail: target.refusal });
  const path = canonicalizePath(target.value.path);
  if (!path.ok) return refuse({ code: 'path_malformed', detail: path.refusal });
  const authorization = headers.get('authorization') ?? '';
  const own = headers.get('l402-authorization') ?? '';
  if (authorization.length + own.length > LONGEST_AUTHORIZATION) {
    return refuse({ code: 'header_too_large', detail: `credentials have at most ${LONGEST_AUTHORIZATION} characters` });
  }
  const shared = splitAuthorization(authorization);
  // The field of our own holds nothing else, so its scheme may be left out.
  const separate = own === '' || /^(l402|lsat)\s/i.test(own) ? splitAuthorization(own).credentials : [own];
  const credentials = [...shared.credentials, ...separate];
  let client: ClientFacts | undefined;
  return accept({
    method,
    host: target.value.host,
    path: path.value,
    query: target.value.query,
    credentials,
    metadataCredential: credentials.length > 0 ? undefined : readMetadata(headers),
    authorizationRest: shared.rest,
    isPreflight: method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method'),
    hasBody: request.body !== null,
    client: () => (client ??= readClientFacts(request, source)),
  });
}

/** Cuts the URL as text: parsing it would resolve the dots and backslashes that must be seen. */
function splitUrl(url: string): Result<{ host: string; path: string; query: string }, string> {
  if (url.includes('#')) return refuse('the request target has a fragment');
  const authorityStart = url.indexOf('://') + 3;
  const rest = url.slice(authorityStart);
  const authorityEnd = rest.search(/[/?\\]/);
  const authority = authorityEnd < 0 ? rest : rest.slice(0, authorityEnd);
  const target = authorityEnd < 0 ? '/' : rest.slice(authorityEnd);
  const queryStart = target.indexOf('?');
  const host = authority
    .toLowerCase()
    .replace(/:[0-9]*$/, '')
    .replace(/\.$/, '');
  return accept({
    host,
    path: (queryStart < 0 ? target : target.slice(0, queryStart)) || '/',
    query: queryStart < 0 ? '' : target.slice(queryStart),
  });
}

function readMetadata(headers: Headers): Credential | undefined {
  for (const name of METADATA_HEADERS) {
    const credential = parseMetadataMacaroon(headers.get(name) ?? '');
    if (credential !== undefined) return credential;
  }
  return undefined;
}
