/*
 * The request to the origin and the origin's answer, streamed. Nothing is copied twice: the fields of a message are copied
 * by the platform with the message, and then only what differs is touched.
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
import { watchUpload, type Blame, type WatchedUpload } from './watched-upload.ts';

export type Forwarded =
  | { readonly kind: 'answered'; readonly response: Response; readonly client: ClientPart }
  /** `isProved`: the client did its part, as far as it was asked to (M40). */
  | { readonly kind: 'unreachable'; readonly isProved: boolean }
  | { readonly kind: 'timed_out' }
  | { readonly kind: 'given_up' }
  /** The client had its place at the origin and went away: the call was broken off (M41). */
  | { readonly kind: 'client_left' }
  /** The client broke its upload off, or was too slow with it (M40). */
  | { readonly kind: 'upload_failed' }
  /** The client sent more than it had declared and was priced for, or more than the route takes. */
  | { readonly kind: 'body_too_large' };

/** What the client has done of its part (M40). */
export interface ClientPart {
  /** Whether it has not done it so far, or has gone: what breaks off then is its doing. */
  readonly hasFailed: () => boolean;
  /** Whether its upload has been waited for long: what the origin says then may be said of the client. */
  readonly isAwaited: () => boolean;
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
 * Sends the request on; settles when the head of the answer is there. The limit is on the head only: a body may stream
 * for as long as it likes. A call that is no longer waited for is cut off by the platform when our answer has gone out.
 */
export async function forward(
  request: Request,
  { facts, upstream, paid, giveUp, left, held }: ForwardOptions,
  { origin, originProof, clock, wait }: Pick<GateDeps, 'origin' | 'originProof' | 'clock' | 'wait'>,
): Promise<Forwarded> {
  const target = targetOf(upstream, facts);
  const sized = held === undefined ? limitBody(request, { facts, most: upstream.maxBodyBytes }) : sendBody(request.body, held);
  const { isTooLong } = sized;
  // Only where something depends on who has failed: nobody pays for a free call, or votes by one.
  const upload =
    paid !== undefined && sized.body instanceof ReadableStream
      ? watchUpload(sized.body, { length: lengthOf(facts, held), clock })
      : undefined;
  const body = upload?.body ?? sized.body;
  const signals = [sized.signal, upload?.signal, left].filter((signal) => signal !== undefined);
  const proven = { method: facts.method, host: facts.host, target, claimId: paid?.claimId ?? '' };
  const proof = originProof === undefined ? undefined : await originProof(proven);
  const address = `${upstream.origin.kind === 'url' ? upstream.origin.base : facts.base}${target}`;
  // A request that goes on with its own body is copied by the platform in one piece; redirects are never followed for it.
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
  // A body that is watched is read, and one that comes compressed would be held back while it is compressed anew.
  if (upstream.brokenBody === 'released') outgoing.headers.set('accept-encoding', 'identity');
  const client: ClientPart = {
    hasFailed: () => isTooLong() || left?.aborted === true || upload?.isDone() === false,
    isAwaited: () => upload?.isTrickling() === true,
    waitedMs: () => upload?.clientMs() ?? 0,
  };
  return new Promise((resolve) => {
    origin(outgoing, upstream.origin.kind === 'service' ? upstream.origin.binding : undefined).then(
      (response) => resolve({ kind: 'answered', response, client }),
      async () => resolve(isTooLong() ? { kind: 'body_too_large' } : describeFailure(await upload?.blameForFailure(wait))),
    );
    void wait(upstream.timeoutSeconds * 1000).then(() =>
      resolve({ kind: isClientsDelay(upload, upstream.timeoutSeconds * 1000) ? 'upload_failed' : 'timed_out' }),
    );
    void giveUp?.then(() => resolve({ kind: 'given_up' }));
    const leave = () => resolve({ kind: 'client_left' });
    if (left?.aborted === true) leave();
    left?.addEventListener('abort', leave, { once: true });
  });
}

/** Of the time limit, a client may take so much for its upload: beyond that the origin did not have its time. */
const CLIENTS_PART = 0.25;

/** Whose delay it is when the time is over: one who holds the last byte back must not make it the origin's (M40). */
function isClientsDelay(upload: WatchedUpload | undefined, limitMs: number): boolean {
  return upload !== undefined && (upload.blameForDelay() === 'client' || upload.clientMs() > CLIENTS_PART * limitMs);
}

/** Without a body to send, the client has done all that it can. */
function describeFailure(blame: Blame | undefined): Forwarded {
  return blame === 'client' ? { kind: 'upload_failed' } : { kind: 'unreachable', isProved: blame === undefined || blame === 'origin' };
}

/** What the origin is told of a body that is streamed. */
function lengthOf({ headers }: RequestFacts, held: HeldBody | undefined): number | undefined {
  if (held?.kind === 'sized') return held.bytes;
  const length = headers.get('content-length');
  return length === null ? undefined : Number(length);
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
