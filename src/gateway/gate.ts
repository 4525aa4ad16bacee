/*
 * The entry of every request that is not for the gateway itself: read it, decide, answer. Effects: those of its dependencies.
 */
import { type Background } from '../ports.ts';
import { admit, type Admission } from './admit.ts';
import { challenge } from './payment/challenge.ts';
import { type GateDeps } from './gate-deps.ts';
import { freeAnswer, paidAnswer } from './upstream/forward.ts';
import { stateLimits } from './answers/rate-fields.ts';
import { answerPreflight, problem } from './answers/refuse.ts';
import { type GatewayRefusal } from './answers/refusals.ts';
import { readRequestFacts, type RequestFacts } from './request/request-facts.ts';
import { findRoute } from './routing/find-route.ts';
import { send } from './upstream/send.ts';
import { limitStream, serve } from './upstream/serve.ts';
import { answerUnanswered } from './upstream/unanswered.ts';

/** Answers one request. */
export async function gate(request: Request, deps: GateDeps, waitUntil: Background): Promise<Response> {
  const { method } = request;
  const read = readRequestFacts(request, { source: deps.settings.policy.clientAddress, schemes: deps.schemes });
  if (!read.ok) return refused(read.refusal, { method, deps });
  const facts = read.value;
  if (facts.isPreflight) return answerOrPassPreflight(request, { facts, waitUntil }, deps);
  const admission = await admit(request, facts, { deps, background: waitUntil });
  switch (admission.kind) {
    case 'free':
      return pass(request, { facts, admission, waitUntil }, deps);
    case 'enter':
      return serve(request, { facts, entry: admission, waitUntil }, deps);
    case 'pay':
      return challenge(admission, { deps, method });
    case 'refuse':
      return refused(admission.reason, { method, deps });
  }
}

async function pass(
  request: Request,
  { facts, admission, waitUntil }: { facts: RequestFacts; admission: Extract<Admission, { kind: 'free' }>; waitUntil: Background },
  deps: GateDeps,
): Promise<Response> {
  const { dispatch, body: held } = admission;
  const { upstream } = dispatch.context;
  const { sent, limits } = await send(request, { facts, dispatch, held }, { deps, background: waitUntil });
  if (sent.kind === 'answered') {
    const stated = [...admission.limits, ...limits];
    if (!dispatch.context.isSold) return stateLimits(freeAnswer(sent.response), stated);
    // A free call is for one client and one call: no shared cache may keep the answer, and the stream has an end.
    return limitStream(stateLimits(paidAnswer(sent.response, undefined), stated), { passEndsAtSeconds: undefined }, deps);
  }
  return answerUnanswered(sent, { method: facts.method, upstream }, deps);
}

/** Answers a preflight. On a free route the origin answers it, forwarded like a free call; on any other route the gateway does. */
async function answerOrPassPreflight(
  request: Request,
  { facts, waitUntil }: { facts: RequestFacts; waitUntil: Background },
  deps: GateDeps,
): Promise<Response> {
  const asked = { ...facts, method: request.headers.get('access-control-request-method') ?? '' };
  const route = findRoute(deps.settings.routes, asked);
  if (!route.ok || route.value.sale.kind !== 'free') return answerPreflight(request);
  const admission = await admit(request, asked, { deps, background: waitUntil });
  return admission.kind === 'free' ? pass(request, { facts, admission, waitUntil }, deps) : answerPreflight(request);
}

function refused(reason: GatewayRefusal, { method, deps }: { method: string; deps: GateDeps }): Response {
  deps.log('refusal', { code: reason.code });
  return problem(reason, { docsUrl: deps.settings.docsUrl, method });
}
