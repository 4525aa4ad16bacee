/*
 * Decides about a request. The result is one of four kinds: free, enter, pay, refuse. Cheap checks come before expensive
 * ones: routes, the policies that need only the request and this isolate's snapshot, the signature, then at most two claims
 * or the quota (one Durable Object call each). The Lightning node is asked only at the first use of a token that requires it
 * (M24). Effects: the ports.
 */
import { type Background } from '../ports.ts';
import { type Admission } from './admission.ts';
import { tryCredentials } from './payment/credentials.ts';
import { lookFrom } from './policy/look.ts';
import { type GateDeps } from './gate-deps.ts';
import { openInquiry } from './payment/inquiry.ts';
import { leaseSecondsOf, SEND_WITHIN_MS } from './payment/lease.ts';
import { rateOfAll, rateOfRoute } from './policy/rate.ts';
import { findObstacle } from './routing/upstream.ts';
import { type GatewayRefusal } from './answers/refusals.ts';
import { type RequestFacts } from './request/request-facts.ts';
import { findRoute } from './routing/find-route.ts';
import { holdersOf } from './policy/concurrency.ts';
import { admitWithout } from './payment/without-payment.ts';
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
      dispatch: { context, trafficClass: 'free', steps, voters: [], ...holdersOf(facts, deps) },
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
