/*
 * The response to a call that the origin did not answer, free or paid: which part failed, and the fate of the payment (M16).
 * Effects: the log.
 */
import { type GateDeps } from '../gate-deps.ts';
import { leaseSecondsOf } from '../payment/lease.ts';
import { type Upstream } from '../routing/upstream.ts';
import { remainingFields, remainingHeaders, type Remaining } from '../answers/remaining.ts';
import { problem } from '../answers/refuse.ts';
import { PAID_HINTS, type GatewayRefusal, type ProblemCode } from '../answers/refusals.ts';
import { type Sent } from './send.ts';

/** Every outcome without a response from the origin. */
export type Unanswered = Exclude<Sent, { kind: 'answered' }>;

/** The fate of a payment. `in_doubt`: the outcome could not be recorded, so its claim is held until the lease ends (M10). */
export interface PaymentState {
  readonly fate: 'counted' | 'released' | 'in_doubt';
  /** What is left; `undefined` if unknown. */
  readonly remaining: Remaining | undefined;
}

interface UnansweredOptions {
  readonly method: string;
  readonly upstream: Upstream;
  readonly payment?: PaymentState;
}

const ORIGIN_RETRY_SECONDS = 5;

const FAILURES: Readonly<Record<Exclude<Unanswered['kind'], 'held_back'>, { readonly code: ProblemCode; readonly detail: string }>> = {
  unreachable: { code: 'origin_unreachable', detail: 'the origin gave no answer' },
  timed_out: { code: 'origin_timeout', detail: 'the origin gave no answer in time' },
  given_up: { code: 'origin_timeout', detail: 'the origin gave no answer in time' },
  client_left: { code: 'client_left', detail: 'the client went away before the origin had answered' },
  upload_failed: { code: 'upload_failed', detail: 'the body of the request broke off, or came too slowly' },
  body_too_large: { code: 'body_too_large', detail: 'the body turned out to be longer than it was declared, or than this route takes' },
};

/** Says that the origin did not answer; for a paid call also the fate of the payment. */
export function answerUnanswered(
  unanswered: Unanswered,
  { method, upstream, payment }: UnansweredOptions,
  { settings, log }: Pick<GateDeps, 'settings' | 'log'>,
): Response {
  const reason: GatewayRefusal =
    unanswered.kind === 'held_back' ? unanswered.reason : { ...FAILURES[unanswered.kind], retryAfterSeconds: ORIGIN_RETRY_SECONDS };
  const { retryAfterSeconds: laterSeconds = ORIGIN_RETRY_SECONDS, ...rest } = reason;
  log('refusal', { code: reason.code });
  const retryAfterSeconds = payment?.fate === 'in_doubt' ? leaseSecondsOf(upstream) : laterSeconds;
  // A counted call is over: an automatic retry would only meet the next invoice.
  const retry = payment?.fate === 'counted' ? {} : { retryAfterSeconds };
  const { remaining } = payment ?? {};
  return problem(
    { ...rest, ...retry },
    {
      docsUrl: settings.docsUrl,
      method,
      ...(payment === undefined ? {} : { hint: PAID_HINTS[payment.fate] }),
      ...(remaining === undefined ? {} : { fields: remainingFields(remaining), headers: remainingHeaders(remaining) }),
    },
  );
}
