/*
 * The decision about a request, in one value of four kinds: free, enter, pay, refuse. Cheap before dear: routes, then
 * the signature, then at most two claims (one Durable Object call each), and never the Lightning node.
 */
import { formatHex } from '#protocol/bytes.ts';
import { digestRequest, NO_BODY_HASH } from '#protocol/request-digest.ts';
import { readCredentials, verifyCredential } from '#schemes/l402.ts';
import { type Charge, type Grant, type Quote } from '#schemes/scheme.ts';
import { type Lease } from '../ports.ts';
import { type GateDeps } from './gate-deps.ts';
import { type HeldBody } from './held-body.ts';
import { type GatewayRefusal, type SituationCode } from './refusals.ts';
import { type Passage } from './passage.ts';
import { findRemaining, type Remaining } from './remaining.ts';
import { type RequestFacts } from './request-facts.ts';
import { quoteRequest } from './routes.ts';

export type Admission =
  | { readonly kind: 'free'; readonly match: string; readonly passage: Passage }
  | {
      readonly kind: 'enter';
      readonly quote: Quote;
      readonly grant: Grant;
      readonly callId: string;
      readonly use: Use | undefined;
      readonly body: HeldBody | undefined;
      readonly passage: Passage;
    }
  | { readonly kind: 'pay'; readonly quote: Quote; readonly reason: GatewayRefusal }
  | { readonly kind: 'refuse'; readonly reason: GatewayRefusal };

/** Different payments of one request that are tried; the second only when the first is used up (M6). */
const MOST_CLAIMS_TRIED = 2;
/** Beyond the origin's time limit: what a Worker may need to say what became of the call (M10). */
export const LEASE_MARGIN_SECONDS = 60;

/** Another payment may be tried, or a new one made. */
const USED_UP: ReadonlySet<SituationCode> = new Set(['payment_spent', 'caveat_exhausted']);

/** The use of a payment that is counted; none for a pass. */
export interface Use {
  readonly lease: Lease;
  readonly cost: number;
  /** Once this use is counted. */
  readonly remaining: Remaining;
}

/** Decides about a request. Its headers and body are looked at only where the price depends on them. */
export async function admit(request: Request, facts: RequestFacts, deps: GateDeps): Promise<Admission> {
  const { pricing, wait, log } = deps;
  const quoting = quoteRequest(deps.settings.routes, facts, { request, pricing, wait, log });
  const quoted = quoting instanceof Promise ? await quoting : quoting;
  if (!quoted.ok) return { kind: 'refuse', reason: quoted.refusal };
  if (quoted.value.kind === 'free') return quoted.value;
  const { quote, body, passage } = quoted.value;
  const pay = (reason: GatewayRefusal): Admission => ({ kind: 'pay', quote, reason });

  const { verified } = deps;
  const credentials = readCredentials(facts.credentials, { metadata: facts.metadataCredential, verified });
  if (!credentials.ok) return pay(credentials.refusal);
  const { keys, hmac, clock, random, settings } = deps;
  const asked = { request: facts, digestRequest: () => Promise.resolve(digestBodiless(facts)) };
  const context = { keys, hmac, verified, nowSeconds: clock() / 1000, skewSeconds: settings.skewSeconds, ...asked };
  let reason: GatewayRefusal = { code: 'payment_required', detail: 'this call is sold for Lightning' };
  const tried = new Set<string>();
  for (const credential of credentials.value) {
    const grant = await verifyCredential(credential, quote, context);
    if (!grant.ok) {
      // The first reason stands, unless a payment turns out to be used up: that says more.
      if (reason.code === 'payment_required') reason = grant.refusal;
      continue;
    }
    // Another token over a payment that has been tried is no other payment, even if its claim would lie elsewhere.
    const paymentHashHex = formatHex(grant.value.paymentHash);
    if (tried.has(paymentHashHex)) continue;
    tried.add(paymentHashHex);
    const { charge } = grant.value;
    const reservationId = formatHex(random(16));
    const enter = (use: Use | undefined): Admission => {
      return { kind: 'enter', quote, grant: grant.value, callId: nameCall(grant.value, reservationId), use, body, passage };
    };
    if (charge === undefined) return enter(undefined);
    const claimed = await claim(grant.value, { charge, reservationId, timeoutSeconds: passage.timeoutSeconds }, deps);
    if (claimed.kind === 'granted') return enter(claimed.use);
    if (!USED_UP.has(claimed.reason.code)) return { kind: 'refuse', reason: claimed.reason };
    reason = claimed.reason;
    if (tried.size === MOST_CLAIMS_TRIED) break;
  }
  return pay(reason);
}

/** Bodies are not read here: with one, a token that is narrowed to a request is refused. */
function digestBodiless({ method, host, path, query, hasBody }: RequestFacts): string | undefined {
  return hasBody ? undefined : digestRequest({ method, host, path, query, bodyHash: NO_BODY_HASH });
}

/** The same for every attempt at a single call, so that an origin does its work once (M16); of other payments one for each. */
function nameCall({ claimId, charge }: Grant, reservationId: string): string {
  return charge?.limit === 1 ? claimId : `${claimId}-${reservationId}`;
}

async function claim(
  grant: Grant,
  { charge, reservationId, timeoutSeconds }: { charge: Charge; reservationId: string; timeoutSeconds: number },
  { claims, log }: GateDeps,
): Promise<{ readonly kind: 'granted'; readonly use: Use } | { readonly kind: 'refused'; readonly reason: GatewayRefusal }> {
  const order = {
    paymentHash: grant.paymentHash,
    objectName: grant.claimObjectName,
    reservationId,
    leaseMs: (timeoutSeconds + LEASE_MARGIN_SECONDS) * 1000,
    endsAtSeconds: grant.claimEndsAtSeconds,
    limit: charge.limit,
    cost: charge.cost,
    draws: charge.draws,
  };
  const refused = (reason: GatewayRefusal) => ({ kind: 'refused', reason }) as const;
  try {
    const answer = await claims.reserve(order);
    switch (answer.kind) {
      case 'granted':
        return { kind: 'granted', use: { lease: answer.lease, cost: charge.cost, remaining: findRemaining(charge, answer) } };
      case 'spent':
        return refused({
          code: 'payment_spent',
          detail: answer.remaining === 0 ? 'this payment has been used' : 'what is left of this payment is not enough',
          remaining: { unit: charge.unit, count: answer.remaining },
        });
      case 'counter_spent':
        return refused({ code: 'caveat_exhausted', detail: 'a limit that was put on this token has been reached' });
      case 'in_flight':
        return refused({
          code: 'claim_in_flight',
          detail: 'a call with this payment is under way',
          retryAfterSeconds: answer.retryAfterSeconds,
        });
      case 'cooling':
        return refused({
          code: 'payment_cooling',
          detail: 'the origin failed several times in a row; the payment waits before it is tried again',
          retryAfterSeconds: answer.retryAfterSeconds,
        });
    }
  } catch (error) {
    log('fault', { at: 'claims.reserve', message: error instanceof Error ? error.message : 'unknown' });
    return refused({ code: 'claims_unavailable', detail: 'the record of used payments cannot be reached', retryAfterSeconds: 5 });
  }
}
