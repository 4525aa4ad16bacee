/*
 * The decision about a request, in one value of four kinds: free, enter, pay, refuse. Cheap before dear: routes, then
 * the signature, then at most two claims (one Durable Object call each), and never the Lightning node.
 */
import { formatHex } from '#protocol/bytes.ts';
import { readCredentials, verifyCredential } from '#schemes/l402.ts';
import { type Grant, type Quote } from '#schemes/scheme.ts';
import { type Lease } from '../ports.ts';
import { type GateDeps } from './gate-deps.ts';
import { type Passage } from './passage.ts';
import { type GatewayRefusal } from './refusals.ts';
import { type RequestFacts } from './request-facts.ts';
import { quoteRequest } from './routes.ts';

export type Admission =
  | { readonly kind: 'free'; readonly match: string; readonly passage: Passage }
  | { readonly kind: 'enter'; readonly quote: Quote; readonly grant: Grant; readonly lease: Lease; readonly passage: Passage }
  | { readonly kind: 'pay'; readonly quote: Quote; readonly reason: GatewayRefusal }
  | { readonly kind: 'refuse'; readonly reason: GatewayRefusal };

/** Payments of one request that are tried; the second only when the first is used up (M6). */
const MOST_CLAIMS_TRIED = 2;
/** Beyond the origin's time limit: what a Worker may need to say what became of the call (M10). */
const LEASE_MARGIN_SECONDS = 60;

/** Decides about a request. */
export async function admit(facts: RequestFacts, deps: GateDeps): Promise<Admission> {
  const quoted = quoteRequest(deps.settings.routes, facts);
  if (!quoted.ok) return { kind: 'refuse', reason: quoted.refusal };
  if (quoted.value.kind === 'free') return quoted.value;
  const { quote, passage } = quoted.value;
  const pay = (reason: GatewayRefusal): Admission => ({ kind: 'pay', quote, reason });

  const credentials = readCredentials(facts.credentials, facts.metadataCredential);
  if (!credentials.ok) return pay(credentials.refusal);
  const { keys, hmac, clock, settings } = deps;
  const context = { keys, hmac, nowSeconds: clock() / 1000, skewSeconds: settings.skewSeconds };
  let reason: GatewayRefusal = { code: 'payment_required', detail: 'this call is sold for Lightning' };
  let tried = 0;
  for (const credential of credentials.value) {
    const grant = await verifyCredential(credential, quote, context);
    if (!grant.ok) {
      // The first reason stands, unless a payment turns out to be used up: that says more.
      if (reason.code === 'payment_required') reason = grant.refusal;
      continue;
    }
    const claimed = await claim(grant.value, passage, deps);
    if (claimed.kind === 'granted') return { kind: 'enter', quote, grant: grant.value, lease: claimed.lease, passage };
    if (claimed.reason.code !== 'payment_spent') return { kind: 'refuse', reason: claimed.reason };
    reason = claimed.reason;
    tried += 1;
    if (tried === MOST_CLAIMS_TRIED) break;
  }
  return pay(reason);
}

async function claim(
  grant: Grant,
  { timeoutSeconds }: Passage,
  { claims, random, log }: GateDeps,
): Promise<{ readonly kind: 'granted'; readonly lease: Lease } | { readonly kind: 'refused'; readonly reason: GatewayRefusal }> {
  const order = {
    paymentHash: grant.paymentHash,
    objectName: grant.claimObjectName,
    reservationId: formatHex(random(16)),
    leaseMs: (timeoutSeconds + LEASE_MARGIN_SECONDS) * 1000,
    endsAtSeconds: grant.claimEndsAtSeconds,
  };
  const refused = (reason: GatewayRefusal) => ({ kind: 'refused', reason }) as const;
  try {
    const answer = await claims.reserve(order);
    switch (answer.kind) {
      case 'granted':
        return answer;
      case 'spent':
        return refused({ code: 'payment_spent', detail: 'this payment has been used' });
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
