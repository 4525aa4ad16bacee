/*
 * The request to the origin and its response, streamed. The platform copies a message's fields with the message; only those
 * that differ are changed, so nothing is copied twice. Effects: the origin behind its port, streams, timers.
 */
import { isOwn } from '../request/forwarded-headers.ts';
import { type GateDeps } from '../gate-deps.ts';
import { type HeldBody } from '../request/held-body.ts';
import { rewriteHeaders, type PaidHeaders } from './origin-headers.ts';
import { targetOf, type Upstream } from '../routing/upstream.ts';
import { EXPOSED_FIELDS } from '../answers/refuse.ts';
import { remainingHeaders, type Remaining } from '../answers/remaining.ts';
import { type RequestFacts } from '../request/request-facts.ts';
import { limitBody, sendBody } from './sized-body.ts';
import { CLIENTS_PART, watchUpload, type Blame, type WatchedUpload } from './watched-upload.ts';

export type Forwarded =
  | { readonly kind: 'answered'; readonly response: Response; readonly client: ClientPart }
  /** `isProved`: the client did its part, as far as it was asked to (M40). */
  | { readonly kind: 'unreachable'; readonly isProved: boolean }
  | { readonly kind: 'timed_out'; readonly client: ClientPart }
  | { readonly kind: 'given_up'; readonly client: ClientPart }
  /** The client had a place at the origin and went away: the call was broken off (M41). */
  | { readonly kind: 'client_left' }
  /** The client broke off its upload, or was too slow (M40). */
  | { readonly kind: 'upload_failed' }
  /** The client sent more than it had declared and was priced for, or more than the route accepts. */
  | { readonly kind: 'body_too_large' };

/** What the client has done of its part (M40). */
export interface ClientPart {
  /** Whether the client is late with its part, or gone: then a broken connection is the client's fault. */
  readonly hasFailed: () => boolean;
  /** Whether its upload has been waited for long: what the origin says then may be said of the client. */
  readonly isAwaited: () => boolean;
  /** Whether its upload hardly moved: what the origin failed at then is the client's fault. */
  readonly isTooSlow: () => boolean;
  /** For how long its upload was waited for. */
  readonly waitedMs: () => number;
}

export interface ForwardOptions {
  readonly facts: RequestFacts;
  readonly upstream: Upstream;
  readonly paid?: PaidHeaders;
  /** Ends the wait from outside. */
  readonly giveUp?: Promise<unknown>;
  /** Breaks the call off. */
  readonly left?: AbortSignal | undefined;
  readonly held?: HeldBody | undefined;
}

/**
 * Forwards the request; resolves when the head of the response arrives. The time limit covers the head only; the body may
 * stream longer. The platform cuts off an abandoned call when the gateway's response has been sent.
 */
export async function forward(
  request: Request,
  { facts, upstream, paid, giveUp, left, held }: ForwardOptions,
  { origin, originProof, clock, wait }: Pick<GateDeps, 'origin' | 'originProof' | 'clock' | 'wait'>,
): Promise<Forwarded> {
  const target = targetOf(upstream, facts);
  const sized = held === undefined ? limitBody(request, { facts, most: upstream.maxBodyBytes }) : sendBody(request.body, held);
  const { isTooLong } = sized;
  // Only where the cause of a failure matters: free calls are not paid for and have no vote.
  const upload =
    paid !== undefined && sized.body instanceof ReadableStream
      ? watchUpload(sized.body, { length: lengthOf(facts, held), clock })
      : undefined;
  const body = upload?.body ?? sized.body;
  const signals = [sized.signal, upload?.signal, left].filter((signal) => signal !== undefined);
  const proven = { method: facts.method, host: facts.host, target, claimId: paid?.claimId ?? '' };
  const proof = originProof === undefined ? undefined : await originProof(proven);
  const address = `${upstream.origin.kind === 'url' ? upstream.origin.base : facts.base}${target}`;
  // The platform copies a request with its own body as a whole; redirects are never followed for it.
  const outgoing =
    body === request.body && request.redirect === 'manual' && left === undefined
      ? new Request(address, request)
      : new Request(address, {
          method: facts.method,
          headers: facts.headers,
          body,
          redirect: 'manual',
          ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
        });
  rewriteHeaders(outgoing.headers, { facts, upstream, paid, proof });
  // A watched body is read; a compressed one would be delayed by recompression.
  if (upstream.brokenBody === 'released') outgoing.headers.set('accept-encoding', 'identity');
  const client: ClientPart = {
    hasFailed: () => isTooLong() || left?.aborted === true || upload?.isDone() === false,
    isAwaited: () => upload?.isTrickling() === true,
    isTooSlow: () => upload?.isTooSlow() === true,
    waitedMs: () => upload?.clientMs() ?? 0,
  };
  return new Promise((resolve) => {
    origin(outgoing, upstream.origin.kind === 'service' ? upstream.origin.binding : undefined).then(
      (response) => resolve({ kind: 'answered', response, client }),
      async () => resolve(isTooLong() ? { kind: 'body_too_large' } : describeFailure(await upload?.blameForFailure(wait))),
    );
    void wait(upstream.timeoutSeconds * 1000).then(() =>
      resolve(isClientsDelay(upload, upstream.timeoutSeconds * 1000) ? { kind: 'upload_failed' } : { kind: 'timed_out', client }),
    );
    void giveUp?.then(() => resolve({ kind: 'given_up', client }));
    const leave = () => resolve({ kind: 'client_left' });
    if (left?.aborted === true) leave();
    left?.addEventListener('abort', leave, { once: true });
  });
}

/** Whose delay it is when the time is over: one who holds the last byte back must not make it the origin's (M40). */
function isClientsDelay(upload: WatchedUpload | undefined, limitMs: number): boolean {
  return upload !== undefined && (upload.blameForDelay() === 'client' || upload.clientMs() > CLIENTS_PART * limitMs);
}

/** Without a body to send, the client has done all that it can. */
function describeFailure(blame: Blame | undefined): Forwarded {
  return blame === 'client' ? { kind: 'upload_failed' } : { kind: 'unreachable', isProved: blame === undefined || blame === 'origin' };
}

/** Returns the length of a streamed body that the origin is told. */
function lengthOf({ headers }: RequestFacts, held: HeldBody | undefined): number | undefined {
  if (held?.kind === 'sized') return held.bytes;
  const length = headers.get('content-length');
  return length === null ? undefined : Number(length);
}

/** Fields that could tell a shared cache to keep a paid answer. */
const SHARED_CACHE_FIELDS: ReadonlySet<string> = new Set([
  'cdn-cache-control',
  'cloudflare-cdn-cache-control',
  'surrogate-control',
  'expires',
]);
const SHARED_CACHE_DIRECTIVES: ReadonlySet<string> = new Set(['public', 'private', 's-maxage', 'immutable']);

/** Makes the origin's response to a paid call private, and adds what is left of the payment, if known. */
export function paidAnswer(response: Response, remaining: Remaining | undefined): Response {
  const answer = new Response(response.body, response);
  const { headers } = answer;
  response.headers.forEach((_, name) => {
    if (isOwn(name) || SHARED_CACHE_FIELDS.has(name)) headers.delete(name);
  });
  headers.set('cache-control', privateOf(headers.get('cache-control')));
  if (remaining !== undefined) for (const [name, value] of Object.entries(remainingHeaders(remaining))) headers.set(name, value);
  if (isOriginsOwnRefusal(response)) headers.set('l402-answered-by', 'origin');
  // A page that may read the origin's response may read the gateway's fields too; others learn nothing.
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

/** Returns a free response unchanged; only a 401 or 402 is marked, so that no payer takes it for the gateway's. */
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
