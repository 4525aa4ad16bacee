/*
 * The answer to a call that the origin left without one, free or paid: which part failed, and what is true of the payment
 * (M16). No effects but the log.
 */
import { type Forwarded } from './forward.ts';
import { type GateDeps } from './gate-deps.ts';
import { problem } from './refuse.ts';
import { PAID_HINT, type SituationCode } from './refusals.ts';

/** Every way in which an origin gives no answer. */
export type Unanswered = Exclude<Forwarded, { kind: 'answered' }>;

const ORIGIN_RETRY_SECONDS = 5;

/** Says that the origin did not answer; of a paid call also what is left of the payment. */
export function answerUnanswered(
  { kind }: Unanswered,
  { method, payment }: { method: string; payment?: { readonly remaining: number } },
  { settings, log }: Pick<GateDeps, 'settings' | 'log'>,
): Response {
  const code: SituationCode = kind === 'unreachable' ? 'origin_unreachable' : 'origin_timeout';
  log('refusal', { code });
  const detail = kind === 'unreachable' ? 'the origin gave no answer' : 'the origin gave no answer in time';
  const paid =
    payment === undefined ? {} : { hint: PAID_HINT, fields: { ...payment }, headers: { 'l402-remaining': String(payment.remaining) } };
  return problem({ code, detail, retryAfterSeconds: ORIGIN_RETRY_SECONDS }, { docsUrl: settings.docsUrl, method, ...paid });
}
