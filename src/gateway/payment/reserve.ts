/*
 * The claim of a call: one request to the claim object of its payment, and the meaning of its answer for the client. A claim
 * known to be refused is not asked for again (M37). Effects: the claims behind their port, memory.
 */
import { formatHex } from '#protocol/bytes.ts';
import { type Charge, type Grant } from '#schemes/scheme.ts';
import { type ClaimAnswer, type ClaimOrder, type Lease, type RateBound } from '../../ports.ts';
import { type Use } from '../admission.ts';
import { noteFault } from '../answers/fault.ts';
import { type GateDeps } from '../gate-deps.ts';
import { checkOfToken, REACHED } from '../policy/rate.ts';
import { stateRate } from '../answers/rate-fields.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { findRemaining } from '../answers/remaining.ts';

export interface UseTerms {
  readonly grant: Grant;
  readonly charge: Charge;
  readonly reservationId: string;
  readonly lease: LeaseTerms;
  /** Asks whether the payment was made, if its preimage does not prove it. Returns why it is not good, or `undefined`. */
  readonly prove: (() => Promise<GatewayRefusal | undefined>) | undefined;
  readonly tokenRate: RateBound | undefined;
  /** Whether the client has gone away. */
  readonly isGone: () => boolean;
}

export interface LeaseTerms {
  readonly seconds: number;
  /** How soon after the claim the call has to be sent (M10). */
  readonly sendWithinMs: number;
}

export type Claimed =
  | { readonly kind: 'granted'; readonly use: Use | undefined }
  /** `isFirst`: the use was granted, as the payment's first, and given back. */
  | { readonly kind: 'refused'; readonly reason: GatewayRefusal; readonly isFirst?: boolean };

/** Reserves a use of the payment, or says why there is none. */
export async function reserveUse(terms: UseTerms, deps: GateDeps): Promise<Claimed> {
  const { grant, charge, isGone } = terms;
  if (isGone()) return refused(CLIENT_GONE);
  const claim = { paymentHashHex: formatHex(grant.paymentHash), charge };
  const known = deps.refusedClaims.find(claim, deps.clock());
  if (known !== undefined) return refused(known);
  // Taken before the object is asked: its lease begins no earlier.
  const sendByMs = deps.clock() + terms.lease.sendWithinMs;
  let answer: ClaimAnswer | GatewayRefusal;
  try {
    answer = await ask(terms, claim.paymentHashHex, deps);
  } catch (error) {
    noteFault(deps.log, { at: 'claims.reserve', error });
    return refused({ code: 'claims_unavailable', detail: 'the record of used payments cannot be reached', retryAfterSeconds: 5 });
  }
  if ('code' in answer || answer.kind !== 'granted') {
    const reason = 'code' in answer ? answer : describeRefusal(answer, terms);
    deps.refusedClaims.note(claim, reason, deps.clock());
    return refused(reason);
  }
  if (isGone()) {
    await release(answer.lease, deps);
    return { ...refused(CLIENT_GONE), isFirst: answer.isFirst === true };
  }
  const { tokenRate } = terms;
  const limits = tokenRate === undefined ? [] : stateRate('token', tokenRate, answer.rate);
  return {
    kind: 'granted',
    use: {
      lease: answer.lease,
      isFirst: answer.isFirst === true,
      cost: charge.cost,
      remaining: findRemaining(charge, answer),
      limits,
      sendByMs,
    },
  };
}

/** The client is gone, so nobody reads this. */
const CLIENT_GONE: GatewayRefusal = { code: 'client_gone', detail: 'the client went away before the call was sent' };

function refused(reason: GatewayRefusal): Extract<Claimed, { kind: 'refused' }> {
  return { kind: 'refused', reason };
}

async function ask(
  { grant, charge, reservationId, lease, prove, tokenRate }: UseTerms,
  paymentHashHex: string,
  { claims }: GateDeps,
): Promise<ClaimAnswer | GatewayRefusal> {
  const order: ClaimOrder = {
    paymentHash: grant.paymentHash,
    objectName: grant.claimObjectName,
    reservationId,
    leaseMs: lease.seconds * 1000,
    endsAtSeconds: grant.claimEndsAtSeconds,
    limit: charge.limit,
    cost: charge.cost,
    draws: charge.draws,
    ...(prove === undefined ? {} : { settlement: 'unproved' as const }),
    ...(tokenRate === undefined ? {} : { rate: checkOfToken(paymentHashHex, tokenRate) }),
  };
  const answer = await claims.reserve(order);
  if (answer.kind !== 'unproved' || prove === undefined) return answer;
  return (await prove()) ?? claims.reserve({ ...order, settlement: 'proved' });
}

function describeRefusal(answer: Exclude<ClaimAnswer, { kind: 'granted' }>, { charge, tokenRate }: UseTerms): GatewayRefusal {
  switch (answer.kind) {
    case 'rated':
      return {
        code: 'rate_limited',
        detail: REACHED.token,
        retryAfterSeconds: answer.retryAfterSeconds,
        limits: tokenRate === undefined ? [] : stateRate('token', tokenRate, answer.rate),
      };
    case 'unproved':
      throw new Error('a payment that was proved is not');
    case 'ended':
      return { code: 'token_expired', detail: 'what this payment bought has ended' };
    case 'revoked':
      return { code: 'token_revoked', detail: 'the seller has revoked this payment' };
    case 'spent':
      return {
        code: 'payment_spent',
        detail: answer.remaining === 0 ? 'this payment has been used' : 'what is left of this payment is not enough',
        remaining: { unit: charge.unit, count: answer.remaining },
      };
    case 'counter_spent':
      return { code: 'caveat_exhausted', detail: 'a limit that was put on this token has been reached' };
    case 'in_flight':
      return {
        code: 'claim_in_flight',
        detail: 'a call with this payment is under way',
        retryAfterSeconds: answer.retryAfterSeconds,
      };
    case 'cooling':
      return {
        code: 'payment_cooling',
        detail: 'several calls with this token in a row were given back; it waits before it is tried again',
        retryAfterSeconds: answer.retryAfterSeconds,
      };
  }
}

/**
 * Gives the use back, because the origin knows nothing of the call. It counts as a release: three in a row make the payment
 * wait (M12), so nobody can keep an object busy with one payment.
 */
async function release(lease: Lease, { log }: GateDeps): Promise<void> {
  try {
    await lease.finish({ kind: 'release' });
  } catch (error) {
    noteFault(log, { at: 'lease.finish', error, known: { outcome: 'release' } });
  }
}
