/*
 * One call of fetch, recorded so that it can be sent again with the same method, headers and body. Only options that the
 * caller gave are passed on, because some platforms throw on unknown options. This file decides which header carries the
 * credential. Effects: reads bodies, the given fetch.
 */
import { splitAuthorization } from '#protocol/credential-header.ts';
import { takeBody, takeRequestBody } from './body.ts';

export type Fetch = typeof globalThis.fetch;
export type FetchInput = Parameters<Fetch>[0];
export type FetchInit = NonNullable<Parameters<Fetch>[1]>;

/** The target and the headers of a call, before its body is read. */
export interface Call {
  readonly input: FetchInput;
  readonly init: FetchInit;
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly signal: AbortSignal | undefined;
  /** The caller uses `Authorization` itself, perhaps for the origin. */
  readonly bringsAuthorization: boolean;
  /** The caller sends an L402 credential and so manages its own payments. */
  readonly bringsCredential: boolean;
}

/** Records a call. Throws like `fetch` for an invalid URL. */
export function readCall(input: FetchInput, init: FetchInit = {}): Call {
  const request = input instanceof Request ? input : undefined;
  const headers = new Headers(init.headers ?? request?.headers);
  const authorization = headers.get('authorization');
  return {
    // The owner of a URL object can change it during the payment.
    input: request ?? String(input),
    init: { ...init },
    method: (init.method ?? request?.method ?? 'GET').toUpperCase(),
    // Through Request: in a browser the URL can be relative.
    url: new URL((request ?? new Request(input)).url),
    headers,
    signal: init.signal ?? request?.signal ?? undefined,
    bringsAuthorization: authorization !== null,
    bringsCredential: headers.has('l402-authorization') || splitAuthorization(authorization ?? '').credentials.length > 0,
  };
}

/** Sends the call; only the credential differs between attempts. */
export type SendCall = (credential: string | undefined) => Promise<Response>;

/** Makes a call repeatable; this takes its body. */
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

/** Stops redirects. Platforms drop `Authorization` on a redirect to another origin, but not the L402 header that they do not know (M31). */
function stayHere({ input, init }: Call): Pick<FetchInit, 'redirect'> {
  const redirect = init.redirect ?? (input instanceof Request ? input.redirect : undefined);
  return redirect === 'error' ? {} : { redirect: 'manual' };
}
