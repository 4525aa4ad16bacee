/*
 * The gate: every request that is not the gateway's own business comes through here, once. Read, decide, answer; one
 * switch with four arms.
 */
import { admit } from './admit.ts';
import { challenge } from './challenge.ts';
import { type GateDeps } from './gate-deps.ts';
import { forward, freeAnswer } from './forward.ts';
import { answerPreflight, problem } from './refuse.ts';
import { type GatewayRefusal } from './refusals.ts';
import { readRequestFacts, type RequestFacts } from './request-facts.ts';
import { serve, type WaitUntil } from './serve.ts';
import { answerUnanswered } from './unanswered.ts';

/** Answers one request. */
export async function gate(request: Request, deps: GateDeps, waitUntil: WaitUntil): Promise<Response> {
  const { method } = request;
  const read = readRequestFacts(request);
  if (!read.ok) return refused(read.refusal, { method, deps });
  const facts = read.value;
  if (facts.isPreflight) return answerPreflight(request);
  const admission = await admit(request, facts, deps);
  switch (admission.kind) {
    case 'free':
      return pass(request, facts, deps);
    case 'enter':
      return serve(request, { facts, entry: admission, waitUntil }, deps);
    case 'pay':
      return challenge(admission.reason, admission.quote, { deps, method });
    case 'refuse':
      return refused(admission.reason, { method, deps });
  }
}

async function pass(request: Request, facts: RequestFacts, deps: GateDeps): Promise<Response> {
  const forwarded = await forward(request, { facts }, deps);
  if (forwarded.kind === 'answered') return freeAnswer(forwarded.response);
  return answerUnanswered(forwarded, { method: facts.method }, deps);
}

function refused(reason: GatewayRefusal, { method, deps }: { method: string; deps: GateDeps }): Response {
  deps.log('refusal', { code: reason.code });
  return problem(reason, { docsUrl: deps.settings.docsUrl, method });
}
