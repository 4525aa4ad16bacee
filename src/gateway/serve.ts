/*
 * A paid call: forwarded under a held claim, and the claim finished by what the Worker saw (M10, M11). The work goes on
 * when the client goes away, so that a call which the origin has done is counted and one which it has not is not.
 */
import { type Lease } from '../ports.ts';
import { type Admission } from './admit.ts';
import { type GateDeps } from './gate-deps.ts';
import { describeFailure, forward, paidAnswer, type Forwarded } from './forward.ts';
import { problem } from './refuse.ts';
import { PAID_HINT } from './refusals.ts';
import { type RequestFacts } from './request-facts.ts';

/** Keeps the work alive after the client has gone; the platform's own promise. */
export type WaitUntil = (work: Promise<unknown>) => void;

export type Entry = Extract<Admission, { kind: 'enter' }>;

/** The platform ends a Worker 30 s after its client has gone: before that, an unanswered call is counted (M11). */
const GONE_CLIENT_LIMIT_MS = 25_000;
/** Statuses of the origin that are the seller's trouble, not the payer's: its own credentials, its own limits. */
const RELEASE_STATUSES: ReadonlySet<number> = new Set([401, 402, 403, 407, 429]);

/** Forwards a call that has been paid for and says what became of the payment. */
export function serve(
  request: Request,
  { facts, entry, waitUntil }: { facts: RequestFacts; entry: Entry; waitUntil: WaitUntil },
  deps: GateDeps,
): Promise<Response> {
  const work = forwardAndFinish(request, { facts, entry }, deps);
  waitUntil(work.catch(() => undefined));
  return work;
}

async function forwardAndFinish(
  request: Request,
  { facts, entry }: { facts: RequestFacts; entry: Entry },
  deps: GateDeps,
): Promise<Response> {
  const { quote, grant, lease, passage } = entry;
  const giveUp = new Promise<void>((resolve) => {
    request.signal.addEventListener('abort', () => void deps.wait(GONE_CLIENT_LIMIT_MS).then(resolve), { once: true });
  });
  let forwarded: Forwarded;
  try {
    const paid = { claimId: grant.claimId, service: quote.service, priceMsat: quote.priceMsat };
    forwarded = await forward(request, { facts, passage, paid, giveUp }, deps);
  } catch (error) {
    // Nothing was sent: the fault is ours.
    await finish(lease, 'release', deps);
    throw error;
  }
  const outcome = judgeOutcome(forwarded);
  await finish(lease, outcome, deps);
  const status = forwarded.kind === 'answered' ? forwarded.response.status : forwarded.kind;
  deps.log('sale', {
    match: quote.match,
    service: quote.service,
    price_msat: String(quote.priceMsat),
    claim: grant.claimId,
    outcome: outcome === 'commit' ? 'counted' : 'released',
    origin: status,
  });
  return answer(forwarded, { method: facts.method, remaining: outcome === 'commit' ? 0 : 1 }, deps);
}

/** A release needs a reason that was seen; everything else is counted. */
export function judgeOutcome(forwarded: Forwarded): 'commit' | 'release' {
  switch (forwarded.kind) {
    case 'unreachable':
    case 'timed_out':
      return 'release';
    case 'given_up':
    // The payer's own doing, and the origin may have worked on what came before.
    case 'body_too_large':
      return 'commit';
    case 'answered': {
      const { status } = forwarded.response;
      return status >= 500 || RELEASE_STATUSES.has(status) ? 'release' : 'commit';
    }
  }
}

async function finish(lease: Lease, outcome: 'commit' | 'release', { log }: GateDeps): Promise<void> {
  try {
    await lease.finish(outcome);
  } catch (error) {
    // The claim stays in doubt until its lease ends, and is good again then: in the payer's favour.
    log('fault', { at: 'lease.finish', outcome, message: error instanceof Error ? error.message : 'unknown' });
  }
}

function answer(forwarded: Forwarded, { method, remaining }: { method: string; remaining: number }, { settings, log }: GateDeps): Response {
  if (forwarded.kind === 'answered') return paidAnswer(forwarded.response, remaining);
  const failure = describeFailure(forwarded);
  log('refusal', { code: failure.code });
  return problem(failure, {
    docsUrl: settings.docsUrl,
    method,
    ...(remaining > 0 ? { hint: PAID_HINT } : {}),
    fields: { remaining },
    headers: { 'l402-remaining': String(remaining) },
  });
}
