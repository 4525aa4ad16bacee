/*
 * The request to the origin and the origin's answer, streamed. Nothing is copied twice: the fields of a message are copied
 * by the platform with the message, and then only what differs is touched.
 */
import { type GateDeps } from './gate-deps.ts';
import { isOwn, rewriteHeaders, type PaidHeaders } from './origin-headers.ts';
import { targetOf, type Passage } from './passage.ts';
import { type GatewayRefusal } from './refusals.ts';
import { EXPOSED_FIELDS } from './refuse.ts';
import { type RequestFacts } from './request-facts.ts';

export type Forwarded =
  | { readonly kind: 'answered'; readonly response: Response }
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'timed_out' }
  | { readonly kind: 'given_up' }
  /** The body, of unknown length, turned out to be larger than the route takes. */
  | { readonly kind: 'body_too_large' };

export interface ForwardOptions {
  readonly facts: RequestFacts;
  readonly passage: Passage;
  readonly paid?: PaidHeaders;
  /** Ends the wait from outside. */
  readonly giveUp?: Promise<unknown>;
}

/**
 * Sends the request on; settles when the head of the answer is there. The limit is on the head only: a body may stream
 * for as long as it likes. A call that is no longer waited for is cut off by the platform when our answer has gone out.
 */
export async function forward(
  request: Request,
  { facts, passage, paid, giveUp }: ForwardOptions,
  { origin, originProof, wait }: Pick<GateDeps, 'origin' | 'originProof' | 'wait'>,
): Promise<Forwarded> {
  const target = targetOf(passage, facts);
  const { body, stop } = limitBody(request, passage.maxBodyBytes);
  const proven = { method: facts.method, host: facts.host, target, claimId: paid?.claimId ?? '' };
  const proof = originProof === undefined ? undefined : await originProof(proven);
  const upstream = new Request(`${passage.origin.kind === 'url' ? passage.origin.base : facts.base}${target}`, {
    method: facts.method,
    headers: facts.headers,
    body,
    redirect: 'manual',
    ...(stop === undefined ? {} : { signal: stop.signal }),
  });
  rewriteHeaders(upstream.headers, { facts, passage, paid, proof });
  const answered = origin(upstream, passage.origin.kind === 'service' ? passage.origin.binding : undefined).then(
    (response): Forwarded => ({ kind: 'answered', response }),
    (): Forwarded => ({ kind: stop?.signal.aborted === true ? 'body_too_large' : 'unreachable' }),
  );
  const contenders: Promise<Forwarded>[] = [answered, wait(passage.timeoutSeconds * 1000).then(() => ({ kind: 'timed_out' }))];
  if (giveUp !== undefined) contenders.push(giveUp.then(() => ({ kind: 'given_up' })));
  return Promise.race(contenders);
}

const ORIGIN_RETRY_SECONDS = 5;

/** What a client is told when no answer of the origin can be handed on. */
export function describeFailure({ kind }: Exclude<Forwarded, { kind: 'answered' }>): GatewayRefusal {
  if (kind === 'body_too_large') return { code: 'body_too_large', detail: 'the body turned out to be larger than this route takes' };
  const retryAfterSeconds = ORIGIN_RETRY_SECONDS;
  return kind === 'unreachable'
    ? { code: 'origin_unreachable', detail: 'the origin gave no answer', retryAfterSeconds }
    : { code: 'origin_timeout', detail: 'the origin gave no answer in time', retryAfterSeconds };
}

interface LimitedBody {
  readonly body: Request['body'];
  /** Only where a limit has to be watched: a body that merely fails is ended by the platform as if it were complete. */
  readonly stop: AbortController | undefined;
}

/** A body of known length was judged before (findObstacle); one of unknown length is counted as it passes. */
function limitBody({ body, headers }: Request, largest: number | undefined): LimitedBody {
  if (largest === undefined || body === null || headers.has('content-length')) return { body, stop: undefined };
  const stop = new AbortController();
  let length = 0;
  const counting = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      length += chunk.byteLength;
      if (length > largest) stop.abort();
      else controller.enqueue(chunk);
    },
  });
  return { body: body.pipeThrough(counting), stop };
}

/** Fields by which a shared cache could be told to keep a paid answer. */
const SHARED_CACHE_FIELDS: ReadonlySet<string> = new Set([
  'cdn-cache-control',
  'cloudflare-cdn-cache-control',
  'surrogate-control',
  'expires',
]);
const SHARED_CACHE_DIRECTIVES: ReadonlySet<string> = new Set(['public', 'private', 's-maxage', 'immutable']);

/** The origin's answer to a paid call, made private, with what is left of the payment. */
export function paidAnswer(response: Response, remaining: number): Response {
  const answer = new Response(response.body, response);
  const { headers } = answer;
  for (const name of response.headers.keys()) if (isOwn(name) || SHARED_CACHE_FIELDS.has(name)) headers.delete(name);
  headers.set('cache-control', privateOf(headers.get('cache-control')));
  headers.set('l402-remaining', String(remaining));
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
