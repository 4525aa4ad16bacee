/*
 * A paid call: forwarded under a held claim, which is then finished by what the Worker saw (M10, M11). The work continues
 * after the client goes away, so that a call is counted if and only if the origin has done it. Effects: the ports.
 */
import { type Background, type Lease, type Outcome } from '../../ports.ts';
import { type Admission, type Use } from '../admission.ts';
import { noteFault } from '../answers/fault.ts';
import { type GateDeps } from '../gate-deps.ts';
import { paidAnswer } from './forward.ts';
import { type PaidHeaders } from './origin-headers.ts';
import { type RequestContext } from '../request-context.ts';
import { stateLimits, type StatedLimit } from '../answers/rate-fields.ts';
import { type RequestFacts } from '../request/request-facts.ts';
import { send, type Sent } from './send.ts';
import { endSocket } from './socket-end.ts';
import { endStream, type StreamTerms } from './stream-end.ts';
import { answerUnanswered, type PaymentState } from './unanswered.ts';
import { watchBody } from './watched-body.ts';

export type Entry = Extract<Admission, { kind: 'enter' }>;

/** The platform ends a Worker 30 s after its client is gone: an unanswered call is counted before that (M11). */
const GONE_CLIENT_LIMIT_MS = 25_000;
/** Forwards a paid call and records the fate of the payment. */
export function serve(
  request: Request,
  { facts, entry, waitUntil }: { facts: RequestFacts; entry: Entry; waitUntil: Background },
  deps: GateDeps,
): Promise<Response> {
  const { use } = entry;
  if (use === undefined) return servePass(request, { facts, entry, waitUntil }, deps);
  const work = forwardAndFinish(request, { facts, entry, use, waitUntil }, deps);
  waitUntil(work.catch(() => undefined));
  return work;
}

/** A pass is not used up, so nothing is recorded. */
async function servePass(
  request: Request,
  { facts, entry, waitUntil }: { facts: RequestFacts; entry: Entry; waitUntil: Background },
  deps: GateDeps,
): Promise<Response> {
  const { dispatch, body: held } = entry;
  const { sent, limits } = await send(request, { facts, dispatch, paid: paidHeaders(entry), held }, { deps, background: waitUntil });
  if (sent.kind === 'answered') return limitStream(stateLimits(paidAnswer(sent.response, undefined), limits), entry, deps);
  const payment = { fate: 'released', remaining: undefined } as const;
  return answerUnanswered(sent, { method: facts.method, upstream: dispatch.context.upstream, payment }, deps);
}

async function forwardAndFinish(
  request: Request,
  { facts, entry, use, waitUntil }: { facts: RequestFacts; entry: Entry; use: Use; waitUntil: Background },
  deps: GateDeps,
): Promise<Response> {
  const { quote, callId } = entry;
  const { lease, remaining } = use;
  let forwarded: Sent;
  let limits: readonly StatedLimit[];
  try {
    ({ sent: forwarded, limits } = await sendWatched(request, { facts, entry, waitUntil }, deps));
  } catch (error) {
    // Nothing was sent: this is the gateway's fault.
    await finish(lease, { kind: 'release' }, deps);
    throw error;
  }
  const outcome = judgeOutcome(forwarded, { facts, ...entry.dispatch.context });
  const origin = forwarded.kind === 'answered' ? forwarded.response.status : forwarded.kind;
  const { match, service } = quote;
  const tell = (fate: PaymentState['fate']) => deps.sales.use({ match, service, claim: callId, outcome: fate, origin });
  if (forwarded.kind === 'answered' && outcome === 'commit' && isHeldToTheEnd(forwarded.response, entry)) {
    // What is left is unknown until the body ends: a client that reads "0" would discard a payment that may be given back.
    const { response, client } = forwarded;
    const terms = { ...streamTerms(entry, deps), clock: deps.clock, hasClientFailed: client.hasFailed, left: request.signal };
    const { answer, end } = watchBody(paidAnswer(response, undefined), terms);
    const record = async () => {
      const kind = (await end) === 'broken' ? 'release' : 'commit';
      tell(judgePayment(use, { outcome: kind, isRecorded: await finish(lease, { kind }, deps) }).fate);
    };
    waitUntil(record());
    return stateLimits(answer, limits);
  }
  const isUnsent = forwarded.kind === 'held_back';
  const finished = finish(lease, isUnsent ? { kind: 'release', cools: false } : { kind: outcome }, deps);
  if (forwarded.kind === 'answered' && outcome === 'commit') {
    // The response does not depend on the record, so the payer does not wait for it.
    waitUntil(finished);
    tell('counted');
    return limitStream(stateLimits(paidAnswer(forwarded.response, remaining), limits), entry, deps);
  }
  const payment = judgePayment(use, { outcome, isRecorded: await finished });
  tell(payment.fate);
  if (forwarded.kind === 'answered')
    return limitStream(stateLimits(paidAnswer(forwarded.response, payment.remaining), limits), entry, deps);
  return answerUnanswered(forwarded, { method: facts.method, upstream: entry.dispatch.context.upstream, payment }, deps);
}

/** Whether the claim is held until the body has ended. */
function isHeldToTheEnd({ body }: Response, { dispatch }: Entry): boolean {
  return dispatch.context.upstream.brokenBody === 'released' && body !== null;
}

/** Limits the duration of a stream. The lease ends with the head of the response; the clock ends an endless body (M14). */
export function limitStream(answer: Response, entry: Pick<Entry, 'passEndsAtSeconds'>, deps: GateDeps): Response {
  const terms = streamTerms(entry, deps);
  return answer.webSocket === null ? endStream(answer, terms) : endSocket(answer, answer.webSocket, terms);
}

function streamTerms({ passEndsAtSeconds }: Pick<Entry, 'passEndsAtSeconds'>, { clock, settings, wait }: GateDeps): StreamTerms {
  const { maxStreamSeconds, skewSeconds } = settings;
  return { endsAtSeconds: passEndsAtSeconds, skewSeconds, maxStreamSeconds, nowSeconds: clock() / 1000, wait };
}

/** Sends a call, and gives up on a silent origin once the client is gone. */
function sendWatched(
  request: Request,
  { facts, entry, waitUntil }: { facts: RequestFacts; entry: Entry; waitUntil: Background },
  deps: GateDeps,
): ReturnType<typeof send> {
  const { dispatch, body: held } = entry;
  const options = { facts, dispatch, paid: paidHeaders(entry), held };
  const by = { deps, background: waitUntil };
  // The time limit comes first, so there is nothing to watch.
  if (dispatch.context.upstream.timeoutSeconds * 1000 <= GONE_CLIENT_LIMIT_MS) return send(request, options, by);
  const giveUp = new Promise<void>((resolve) => {
    request.signal.addEventListener('abort', () => void deps.wait(GONE_CLIENT_LIMIT_MS).then(resolve), { once: true });
  });
  return send(request, { ...options, giveUp }, by);
}

function paidHeaders({ callId, callKey, quote }: Entry): PaidHeaders {
  return { claimId: callId, callKey, service: quote.service, priceMsat: quote.priceMsat };
}

interface RedirectContext extends Pick<RequestContext, 'route' | 'upstream'> {
  readonly facts: RequestFacts;
}

/** A placeholder host, for resolving relative redirects. */
const NOWHERE = 'http://nowhere.invalid';

/** A release needs a reason that was seen; everything else is counted. */
export function judgeOutcome(forwarded: Sent, context: RedirectContext): 'commit' | 'release' {
  switch (forwarded.kind) {
    case 'held_back':
    case 'unreachable':
    case 'timed_out':
      return 'release';
    case 'given_up':
    case 'client_left':
    case 'upload_failed':
    // The origin received everything that was priced, and may have done the work.
    case 'body_too_large':
      return 'commit';
    case 'answered': {
      const { response, client } = forwarded;
      const { status } = response;
      // Otherwise who trickles until the origin gives up has its work for nothing (M40).
      if (status >= 500) return client.isTooSlow() ? 'commit' : 'release';
      if (!context.upstream.releaseStatuses.has(status)) return 'commit';
      return status < 400 ? judgeRedirect(response, context) : 'release';
    }
  }
}

/**
 * Judges a redirect. One to the same host has delivered nothing: the payer asks again at the address that the origin meant
 * (M40). One to another host is what was paid for. So is one that answers a changing request and sends the client on with
 * GET: the work is done, whether the origin answers 303, or 302 as most frameworks do.
 */
function judgeRedirect({ status, headers }: Response, { facts, route, upstream }: RedirectContext): 'commit' | 'release' {
  const location = headers.get('location');
  const asksAgain = status === 307 || status === 308 || facts.method === 'GET' || facts.method === 'HEAD';
  if (location === null || !asksAgain) return 'commit';
  return isSameHost(location, { facts, route, upstream }) ? 'release' : 'commit';
}

/**
 * Whether a redirect leads to where the client is. What the client calls us counts only where it cannot be made up: a route for
 * that host, or Cloudflare's edge. What the origin is called counts only where it has an address of its own.
 */
function isSameHost(location: string, { facts, route, upstream }: RedirectContext): boolean {
  const target = URL.parse(location, `${facts.base}${facts.path}`);
  if (target === null) return false;
  // Without a host of its own it leads to whichever host it is resolved against.
  if (URL.parse(location, NOWHERE)?.origin === NOWHERE) return true;
  const bases = [
    ...(route.host !== undefined || facts.isFromEdge() ? [facts.base] : []),
    ...(upstream.origin.kind === 'url' ? [upstream.origin.base] : []),
  ];
  return bases.some((base) => URL.parse(base)?.hostname === target.hostname);
}

/** Returns what is known of the payment. */
function judgePayment(
  { cost, remaining }: Use,
  { outcome, isRecorded }: { outcome: 'commit' | 'release'; isRecorded: boolean },
): PaymentState {
  if (!isRecorded) return { fate: 'in_doubt', remaining: undefined };
  if (outcome === 'commit') return { fate: 'counted', remaining };
  return { fate: 'released', remaining: { unit: remaining.unit, count: remaining.count + cost } };
}

/** Records the outcome; true if that succeeded. */
async function finish(lease: Lease, outcome: Outcome, { log }: GateDeps): Promise<boolean> {
  try {
    await lease.finish(outcome);
    return true;
  } catch (error) {
    // The claim stays in doubt until its lease ends, then the use is given back: in the payer's favour.
    noteFault(log, { at: 'lease.finish', error, known: { outcome: outcome.kind } });
    return false;
  }
}
