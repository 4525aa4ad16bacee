/*
 * One call of fetch, taken down so that it can be sent again with the same method, headers and body. Only what the
 * caller gave is handed on: some platforms throw at options that they do not know. Where the credential goes is
 * decided here.
 */
import { splitAuthorization } from '#protocol/credential-header.ts';
import { takeBody, takeRequestBody } from './body.ts';

export type Fetch = typeof globalThis.fetch;
export type FetchInput = Parameters<Fetch>[0];
export type FetchInit = NonNullable<Parameters<Fetch>[1]>;

/** What a call is addressed to and what it brings along, before its body is touched. */
export interface Call {
  readonly input: FetchInput;
  readonly init: FetchInit;
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly signal: AbortSignal | undefined;
  /** The caller uses `Authorization` itself, for the origin perhaps. */
  readonly bringsAuthorization: boolean;
  /** The caller sends an L402 credential of its own: it minds its payments itself. */
  readonly bringsCredential: boolean;
}

/** Takes a call down. Throws what `fetch` would for an address that is none. */
export function readCall(input: FetchInput, init: FetchInit = {}): Call {
  const request = input instanceof Request ? input : undefined;
  const headers = new Headers(init.headers ?? request?.headers);
  const authorization = headers.get('authorization');
  return {
    // A URL object can be changed by its owner while we pay.
    input: request ?? String(input),
    init: { ...init },
    method: (init.method ?? request?.method ?? 'GET').toUpperCase(),
    // By way of Request: in a browser an address can be relative.
    url: new URL((request ?? new Request(input)).url),
    headers,
    signal: init.signal ?? request?.signal ?? undefined,
    bringsAuthorization: authorization !== null,
    bringsCredential: headers.has('l402-authorization') || splitAuthorization(authorization ?? '').credentials.length > 0,
  };
}

/** Sends the call, the same each time but for the credential. */
export type SendCall = (credential: string | undefined) => Promise<Response>;

/** Makes a call repeatable: its body is taken now. */
export async function prepareCall(call: Call, { fetch, maxBodyBytes }: { fetch: Fetch; maxBodyBytes: number }): Promise<SendCall> {
  const { input, init, signal } = call;
  const limits = { maxBodyBytes, signal };
  const given = init.body ?? undefined;
  const fromRequest = given === undefined && input instanceof Request ? await takeRequestBody(input, limits) : undefined;
  const body = given === undefined ? fromRequest : await takeBody(given, limits);
  const common = new Headers(call.headers);
  if (body?.contentType !== undefined && !common.has('content-type')) common.set('content-type', body.contentType);
  return async (credential) => {
    const headers = new Headers(common);
    if (credential !== undefined) headers.set(call.bringsAuthorization ? 'l402-authorization' : 'authorization', credential);
    return fetch(input, {
      ...init,
      headers,
      ...(body === undefined ? {} : { body: body.content }),
      ...(credential !== undefined && call.bringsAuthorization ? stayHere(call) : {}),
    });
  };
}

/** Platforms drop `Authorization` when a redirect leaves the origin, but not a header that only we know (M31). */
function stayHere({ input, init }: Call): Pick<FetchInit, 'redirect'> {
  const redirect = init.redirect ?? (input instanceof Request ? input.redirect : undefined);
  return redirect === 'error' ? {} : { redirect: 'manual' };
}
