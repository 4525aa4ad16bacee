/*
 * The request to the origin and the origin's answer, streamed. Nothing is copied twice: the fields of a message are copied
 * by the platform with the message, and then only what differs is touched.
 */
import { isOwn } from './forwarded-headers.ts';
import { type GateDeps } from './gate-deps.ts';
import { type HeldBody } from './held-body.ts';
import { rewriteHeaders, type PaidHeaders } from './origin-headers.ts';
import { targetOf, type Passage } from './passage.ts';
import { EXPOSED_FIELDS } from './refuse.ts';
import { remainingHeaders, type Remaining } from './remaining.ts';
import { type RequestFacts } from './request-facts.ts';
import { limitBody, sendBody } from './sized-body.ts';

export type Forwarded =
  | { readonly kind: 'answered'; readonly response: Response }
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'timed_out' }
  | { readonly kind: 'given_up' }
  /** The client sent more than it had declared and was priced for, or more than the route takes. */
  | { readonly kind: 'body_too_large' };

export interface ForwardOptions {
  readonly facts: RequestFacts;
  readonly passage: Passage;
  readonly paid?: PaidHeaders;
  /** Ends the wait from outside. */
  readonly giveUp?: Promise<unknown>;
  readonly held?: HeldBody | undefined;
}

/**
 * Sends the request on; settles when the head of the answer is there. The limit is on the head only: a body may stream
 * for as long as it likes. A call that is no longer waited for is cut off by the platform when our answer has gone out.
 */
export async function forward(
  request: Request,
  { facts, passage, paid, giveUp, held }: ForwardOptions,
  { origin, originProof, wait }: Pick<GateDeps, 'origin' | 'originProof' | 'wait'>,
): Promise<Forwarded> {
  const target = targetOf(passage, facts);
  const { body, isTooLong, signal } = held === undefined ? limitBody(request, passage.maxBodyBytes) : sendBody(request.body, held);
  const proven = { method: facts.method, host: facts.host, target, claimId: paid?.claimId ?? '' };
  const proof = originProof === undefined ? undefined : await originProof(proven);
  const address = `${passage.origin.kind === 'url' ? passage.origin.base : facts.base}${target}`;
  // A request that goes on with its own body is copied by the platform in one piece; redirects are never followed for it.
  const upstream =
    body === request.body && request.redirect === 'manual'
      ? new Request(address, request)
      : new Request(address, {
          method: facts.method,
          headers: facts.headers,
          body,
          redirect: 'manual',
          ...(signal === undefined ? {} : { signal }),
        });
  rewriteHeaders(upstream.headers, { facts, passage, paid, proof });
  // A body that is watched is read, and one that comes compressed would be held back while it is compressed anew.
  if (passage.brokenBody === 'released') upstream.headers.set('accept-encoding', 'identity');
  return new Promise((resolve) => {
    origin(upstream, passage.origin.kind === 'service' ? passage.origin.binding : undefined).then(
      (response) => resolve({ kind: 'answered', response }),
      () => resolve({ kind: isTooLong() ? 'body_too_large' : 'unreachable' }),
    );
    void wait(passage.timeoutSeconds * 1000).then(() => resolve({ kind: 'timed_out' }));
    void giveUp?.then(() => resolve({ kind: 'given_up' }));
  });
}

/** Fields by which a shared cache could be told to keep a paid answer. */
const SHARED_CACHE_FIELDS: ReadonlySet<string> = new Set([
  'cdn-cache-control',
  'cloudflare-cdn-cache-control',
  'surrogate-control',
  'expires',
]);
const SHARED_CACHE_DIRECTIVES: ReadonlySet<string> = new Set(['public', 'private', 's-maxage', 'immutable']);

/** The origin's answer to a paid call, made private, with what is left of the payment where that is known. */
export function paidAnswer(response: Response, remaining: Remaining | undefined): Response {
  const answer = new Response(response.body, response);
  const { headers } = answer;
  response.headers.forEach((_, name) => {
    if (isOwn(name) || SHARED_CACHE_FIELDS.has(name)) headers.delete(name);
  });
  headers.set('cache-control', privateOf(headers.get('cache-control')));
  if (remaining !== undefined) for (const [name, value] of Object.entries(remainingHeaders(remaining))) headers.set(name, value);
  if (isOriginsOwnRefusal(response)) headers.set('l402-answered-by', 'origin');
  // Whom the origin lets read its answer may read our fields too; whom it does not, learns nothing.
  if (headers.has('access-control-allow-origin')) headers.append('access-control-expose-headers', EXPOSED_FIELDS);
  return answer;
}

function privateOf(cacheControl: string | null): string {
  if (cacheControl === null) return 'private';
  const directives = cacheControl.split(',').map((directive) => directive.trim());
  const kept = directives.filter((directive) => directive !== '' && !SHARED_CACHE_DIRECTIVES.has(nameOf(directive)));
  return ['private', ...kept].join(', ');
}

function nameOf(directive: string): string {
  return directive.split('=')[0]!.trimEnd().toLowerCase();
}

/** A free answer goes out as it came; only a 401 or 402 is marked, so that no payer takes it for ours. */
export function freeAnswer(response: Response): Response {
  if (!isOriginsOwnRefusal(response)) return response;
  const answer = new Response(response.body, response);
  answer.headers.set('l402-answered-by', 'origin');
  if (answer.headers.has('access-control-allow-origin')) answer.headers.append('access-control-expose-headers', EXPOSED_FIELDS);
  return answer;
}

function isOriginsOwnRefusal({ status }: Response): boolean {
  return status === 401 || status === 402;
}
