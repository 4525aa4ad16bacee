/*
 * A request that shows no payment which is good for it: one question to the quota, which gives it a free call, lets it have
 * an invoice, or neither (M17, M20). Whoever has to be asked for the price is asked after that.
 */
import { TOKEN_ID_RANDOM_BYTES } from '#protocol/token-id.ts';
import { nameChallenge } from '#schemes/token-reading.ts';
import { type Background, type QuotaAnswer } from '../ports.ts';
import { type Admission } from './admit.ts';
import { judgeTrial } from './fences.ts';
import { type GateDeps } from './gate-deps.ts';
import { type HeldBody } from './held-body.ts';
import { rateOfAll, takeSteps } from './rate.ts';
import { stateQuota } from './rate-fields.ts';
import { type GatewayRefusal } from './refusals.ts';
import { type QuoteOutcome } from './routes.ts';
import { type Way } from './send.ts';

export interface UnpaidRequest {
  readonly way: Way;
  /** Why no payment is good for it. */
  readonly reason: GatewayRefusal;
  /** What free calls are counted for. */
  readonly service: string;
  readonly quote: () => QuoteOutcome | Promise<QuoteOutcome>;
  /** How the body of a free call is sent on. */
  readonly body: HeldBody | undefined;
}

const QUOTA_RETRY_SECONDS = 5;

/** What becomes of a request that has not been paid. */
export async function admitUnpaid(
  { way, reason, service, quote, body }: UnpaidRequest,
  { deps, background }: { deps: GateDeps; background: Background },
): Promise<Admission> {
  const { quota, random, settings, log } = deps;
  const { fences } = way.route;
  const refused = (refusal: GatewayRefusal): Admission => ({ kind: 'refuse', reason: refusal });
  const trial = judgeTrial(way, fences, { lane: 'unpaid', tryHalfOpen: deps.tryHalfOpen });
  if (trial !== undefined) return refused(trial);
  const { bounds, totals } = fences.quota;
  const client = way.client().key;
  // The token of the challenge begins with its name, so that a payment gives back what is counted here.
  const tokenRandom = random(TOKEN_ID_RANDOM_BYTES);
  const challengeId = nameChallenge(tokenRandom);
  let answer: QuotaAnswer;
  try {
    const ask = { scope: service, challengeId, challengeMs: settings.invoiceExpirySeconds * 1000 };
    answer = await quota.ask({ client, ask, bounds, totals });
  } catch (error) {
    log('fault', { at: 'quota.ask', message: error instanceof Error ? error.message : 'unknown' });
    return refused({ code: 'quota_unavailable', detail: 'the quota cannot be asked', retryAfterSeconds: QUOTA_RETRY_SECONDS });
  }
  const limits = stateQuota(answer.readings, bounds);
  if (answer.kind === 'refused') {
    const detail = answer.by === 'requests' ? 'too many requests without a payment' : 'too many invoices that have not been paid';
    return refused({ code: 'quota_exceeded', detail, retryAfterSeconds: answer.retryAfterSeconds, limits });
  }
  if (answer.kind === 'free') {
    return { kind: 'free', trip: { way, lane: 'gift', steps: rateOfAll(settings.fences.rate), voters: [] }, body, limits };
  }
  // No invoice comes of it: it is not open any more, and still one of this minute.
  const unmade = () => quota.giveBack({ client, challengeId, wasMade: false }, background);
  const limited = await takeSteps(rateOfAll(settings.fences.rate), deps);
  const quoted = limited.ok ? await quote() : limited;
  if (!quoted.ok) {
    unmade();
    return refused(quoted.refusal);
  }
  return { kind: 'pay', quote: quoted.value.quote, reason, random: tokenRandom, limits, unmade };
}
