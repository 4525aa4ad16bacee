/*
 * The request to the origin and the origin's answer, streamed. The origin never sees the credential, nor any header by
 * which a client could make it believe in another path, host or method than the one that was priced (M25, M27).
 */
import { isOwn, STRIPPED } from './forwarded-headers.ts';
import { type GateDeps } from './gate-deps.ts';
import { type HeldBody } from './held-body.ts';
import { remainingHeaders, type Remaining } from './remaining.ts';
import { METADATA_HEADERS, type RequestFacts } from './request-facts.ts';
import { sendBody } from './sized-body.ts';

/** What the origin may rely on about a paid call. */
export interface PaidHeaders {
  readonly claimId: string;
  readonly service: string;
  readonly priceMsat: bigint;
}

export type Forwarded =
  | { readonly kind: 'answered'; readonly response: Response }
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'timed_out' }
  | { readonly kind: 'given_up' }
  /** The client sent more than it had declared, and was priced for. */
  | { readonly kind: 'body_too_large' };

/** Sends the request on; settles when the head of the answer is there. `giveUp` ends the wait from outside. */
export async function forward(
  request: Request,
  { facts, paid, giveUp, held }: { facts: RequestFacts; paid?: PaidHeaders; giveUp?: AbortSignal; held?: HeldBody | undefined },
  { origin, settings, wait }: Pick<GateDeps, 'origin' | 'settings' | 'wait'>,
): Promise<Forwarded> {
  // The limit is on the head only: a body may stream for as long as it likes.
  const head = new AbortController();
  const limit = new AbortController();
  void wait(settings.originTimeoutSeconds * 1000, head.signal).then(() => limit.abort());
  giveUp?.addEventListener('abort', () => limit.abort(), { once: true, signal: head.signal });
  const sent = sendBody(request.body, held);
  const upstream = new Request(`${settings.originUrl}${facts.path}${facts.query}`, {
    method: facts.method,
    headers: originHeaders(request.headers, { facts, paid }),
    body: sent.body,
    redirect: 'manual',
    signal: limit.signal,
  });
  try {
    return { kind: 'answered', response: await origin(upstream) };
  } catch {
    if (sent.isTooLong()) return { kind: 'body_too_large' };
    if (giveUp?.aborted === true) return { kind: 'given_up' };
    return limit.signal.aborted ? { kind: 'timed_out' } : { kind: 'unreachable' };
  } finally {
    head.abort();
  }
}

function originHeaders(from: Headers, { facts, paid }: { facts: RequestFacts; paid: PaidHeaders | undefined }): Headers {
  const hops = new Set((from.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase()));
  const headers = new Headers();
  for (const [name, value] of from) if (!STRIPPED.has(name) && !hops.has(name) && !isOwn(name)) headers.append(name, value);
  if (facts.metadataCredential !== undefined) for (const name of METADATA_HEADERS) headers.delete(name);
  if (facts.authorizationRest !== '') headers.set('authorization', facts.authorizationRest);
  headers.set('x-forwarded-host', facts.host);
  if (paid !== undefined) {
    headers.set('x-l402-claim', paid.claimId);
    headers.set('x-l402-service', paid.service);
    headers.set('x-l402-price-msat', String(paid.priceMsat));
    // An origin that knows the field does the work of one payment once, however often the call is repeated (M16).
    if (!headers.has('idempotency-key')) headers.set('idempotency-key', paid.claimId);
  }
  return headers;
}

/** Fields by which a shared cache could be told to keep a paid answer. */
const SHARED_CACHE_FIELDS = ['cdn-cache-control', 'cloudflare-cdn-cache-control', 'surrogate-control', 'expires'];

/** The origin's answer to a paid call, made private, with what is left of the payment where that is known. */
export function paidAnswer(response: Response, remaining: Remaining | undefined): Response {
  const headers = new Headers(response.headers);
  for (const name of Array.from(headers.keys())) if (isOwn(name)) headers.delete(name);
  for (const name of SHARED_CACHE_FIELDS) headers.delete(name);
  const directives = (headers.get('cache-control') ?? '')
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => directive !== '' && !/^(public|private|s-maxage|immutable)\b/i.test(directive));
  headers.set('cache-control', ['private', ...directives].join(', '));
  if (remaining !== undefined) for (const [name, value] of Object.entries(remainingHeaders(remaining))) headers.set(name, value);
  if (isOriginsOwnRefusal(response)) headers.set('l402-answered-by', 'origin');
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/** A free answer goes out as it came; only a 401 or 402 is marked, so that no payer takes it for ours. */
export function freeAnswer(response: Response): Response {
  if (!isOriginsOwnRefusal(response)) return response;
  const headers = new Headers(response.headers);
  headers.set('l402-answered-by', 'origin');
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

function isOriginsOwnRefusal({ status }: Response): boolean {
  return status === 401 || status === 402;
}
