/*
 * Decides about a request. The result is one of four kinds: free, enter, pay, refuse. Cheap checks come before expensive
 * ones: routes, the policies that need only the request and this isolate's snapshot, the signature, then at most two claims
 * or the quota (one Durable Object call each). The Lightning node is asked only at the first use of a token that requires it
 * (M24). Effects: the ports.
 */
import { accept, refuse } from '#protocol/result.ts';
import { type Background, type ControlView } from '../ports.ts';
import { type Admission } from './admission.ts';
import { tryCredentials, type Unpaid } from './payment/credentials.ts';
import { judgePolicy } from './policy/policy.ts';
import { type GateDeps } from './gate-deps.ts';
import { openInquiry, type Inquiry, type Look } from './payment/inquiry.ts';
import { leaseSecondsOf, SEND_WITHIN_MS } from './payment/lease.ts';
import { rateOfAll, rateOfRoute } from './policy/rate.ts';
import { findObstacle, nameOrigin } from './routing/upstream.ts';
import { type GatewayRefusal } from './answers/refusals.ts';
import { type RequestFacts } from './request/request-facts.ts';
import { findRoute } from './routing/find-route.ts';
import { type QuoteOutcome } from './pricing/quote.ts';
import { holdersOf } from './policy/concurrency.ts';
import { type RequestContext } from './request-context.ts';
import { admitUnpaid } from './payment/unpaid.ts';
import { findEncodedBody } from './pricing/weighed-body.ts';

export type { Admission, Use } from './admission.ts';

/** Decides about a request. Reads its headers and body only where the price depends on them. */
export async function admit(
  request: Request,
  facts: RequestFacts,
  { deps, background }: { deps: GateDeps; background: Background },
): Promise<Admission> {
  const { settings } = deps;
  const found = findRoute(settings.routes, facts);
  if (!found.ok) return refused(found.refusal);
  const route = found.value;
  const { sale, upstream } = route;
  if (sale.kind === 'closed' || upstream === undefined) return refused({ code: 'route_closed', detail: 'this route is closed' });
  const obstacle = findObstacle(upstream, facts) ?? findEncodedBody(route, facts.headers);
  if (obstacle !== undefined) return refused(obstacle);
  const look = lookFrom({ route, upstream, facts }, { deps, background });
  const looking = look();
  const looked = looking instanceof Promise ? await looking : looking;
  if (!looked.ok) return refused(looked.refusal);
  const context = looked.value;
  if (sale.kind === 'free') {
    const steps = [...rateOfAll(settings.policy.rate), ...rateOfRoute(route)];
    return {
      kind: 'free',
      dispatch: { context, trafficClass: 'free', steps, voters: [], holders: holdersOf(facts, deps) },
      body: undefined,
      limits: [],
    };
  }
  const inquiry = openInquiry({ request, facts, sold: { route, sale, upstream }, context, look }, deps);
  if (!inquiry.isPriceAsked) {
    const quoted = inquiry.quote({ kind: 'unpaid', client: undefined });
    const known = quoted instanceof Promise ? await quoted : quoted;
    if (!known.ok) return refused(known.refusal);
  }
  const lease = { seconds: leaseSecondsOf(upstream), sendWithinMs: SEND_WITHIN_MS };
  const tried = await tryCredentials(inquiry, { deps, background, lease });
  return tried.kind === 'unpaid' ? admitWithout(tried, inquiry, { deps, background }) : tried;
}

function refused(reason: GatewayRefusal): Admission {
  return { kind: 'refuse', reason };
}

interface Looked extends Pick<RequestContext, 'route' | 'upstream'> {
  readonly facts: RequestFacts;
}

/** Returns a function that takes the isolate's current snapshot and judges it by the policies. */
function lookFrom({ route, upstream, facts }: Looked, { deps, background }: { deps: GateDeps; background: Background }): Look {
  const { match, sale, policy } = route;
  const origin = nameOrigin(upstream, facts);
  const judge = (control: ControlView) => {
    const context: RequestContext = {
      route,
      upstream,
      match,
      isSold: sale.kind === 'paid',
      client: facts.client,
      control,
      origin,
      nowMs: deps.clock(),
    };
    const barred = judgePolicy(context, policy, deps.settings.policy);
    return barred === undefined ? accept(context) : refuse(barred);
  };
  return () => {
    const reading = deps.control.read(background);
    return reading instanceof Promise ? reading.then(judge) : judge(reading);
  };
}

/**
 * Decides a request without a usable payment. An external price is asked for only after the quota has agreed; the policies
 * are judged again afterwards, because that takes time.
 */
async function admitWithout(
  { reason, usedUp }: Unpaid,
  inquiry: Inquiry,
  { deps, background }: { deps: GateDeps; background: Background },
): Promise<Admission> {
  const { facts, sold } = inquiry;
  const quote = async (): Promise<QuoteOutcome> => {
    const { address, key } = facts.client();
    const quoted = await inquiry.quote({ kind: 'unpaid', client: address === undefined ? undefined : key.key });
    const barred = quoted.ok && inquiry.isPriceAsked ? await inquiry.lookAgain() : undefined;
    return barred === undefined ? quoted : refuse(barred);
  };
  const presented = listHashes(facts.presentations);
  const offered = { service: sold.sale.service, quote, known: inquiry.known(), isFixed: sold.sale.price.kind === 'fixed' };
  const asked = { context: inquiry.context(), reason, ...offered, presented, usedUp, body: inquiry.body() };
  const admission = await admitUnpaid(asked, { deps, background });
  if (admission.kind !== 'free' || !inquiry.readsForm) return admission;
  // A free call needs no price, but its form is checked against its route all the same.
  const quoted = await quote();
  return quoted.ok ? { ...admission, body: inquiry.body() } : refused(quoted.refusal);
}

/** Returns the payment hashes presented with the request, in hex; `undefined` if one of its credentials cannot be read. */
function listHashes(presentations: RequestFacts['presentations']): readonly string[] | undefined {
  const listed = presentations.map((presentation) => presentation.paymentHashes());
  return listed.every((hashes) => hashes !== undefined) ? listed.flat() : undefined;
}
