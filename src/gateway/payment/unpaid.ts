/*
 * A request without a usable payment: one request to the quota decides whether it gets a free call, an invoice, or neither
 * (M17, M20). An external price is asked for after that. Effects: the ports.
 */
import { type Quote } from '#schemes/scheme.ts';
import { type Background, type ClientKey, type QuotaAnswer, type QuotaClass, type ReadyChallenge } from '../../ports.ts';
import { type Admission } from '../admission.ts';
import { noteFault } from '../answers/fault.ts';
import { judgeTrial } from '../policy/policy.ts';
import { type GateDeps } from '../gate-deps.ts';
import { type HeldBody } from '../request/held-body.ts';
import { findPool, nameOffer } from './offer-key.ts';
import { rateOfAll, takeSteps } from '../policy/rate.ts';
import { stateQuota } from '../answers/rate-fields.ts';
import { nameChallenge, openIssuer } from './ready-challenge.ts';
import { refillPool } from './refill.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type QuoteOutcome } from '../pricing/quote.ts';
import { holdersOf } from '../policy/concurrency.ts';
import { type RequestContext } from '../request-context.ts';

export interface UnpaidRequest {
  readonly context: RequestContext;
  /** Why no payment is good for it. */
  readonly reason: GatewayRefusal;
  /** What free calls are counted for. */
  readonly service: string;
  readonly quote: () => QuoteOutcome | Promise<QuoteOutcome>;
  /** The quote, if it does not have to be asked for. */
  readonly known: Quote | undefined;
  /** The price is the same for every request. */
  readonly isFixed: boolean;
  /** Payment hashes presented with the request, in hex; `undefined` if they cannot be read. */
  readonly presented: readonly string[] | undefined;
  /** The one of them whose payment was made and is used up (M19). */
  readonly usedUp: string | undefined;
  /** The body of a free call, as it is forwarded. */
  readonly body: HeldBody | undefined;
}

const QUOTA_RETRY_SECONDS = 5;

/** Decides a request without a usable payment. */
export async function admitUnpaid(
  unpaid: UnpaidRequest,
  { deps, background }: { deps: GateDeps; background: Background },
): Promise<Admission> {
  const { context, reason, service, quote, known, isFixed, presented, usedUp, body } = unpaid;
  const { quota, random, settings, schemes, log } = deps;
  const { policy } = context.route;
  const refused = (refusal: GatewayRefusal): Admission => ({ kind: 'refuse', reason: refusal });
  const facts = context.client();
  const holders = facts.address === undefined ? [] : [facts.key.key];
  const turn = { trafficClass: 'unpaid', holders, halfOpen: deps.halfOpen } as const;
  const noTurn = judgeTrial(context, policy, { ...turn, looksOnly: true });
  if (noTurn !== undefined) return refused(noTurn);
  const trafficClass: QuotaClass = usedUp === undefined ? 'unpaid' : 'paid';
  const { crowd } = facts.key;
  const client: ClientKey = usedUp === undefined ? facts.key : { key: `paid/${usedUp}`, ...(crowd === undefined ? {} : { crowd }) };
  const { bounds, totals } = usedUp === undefined ? policy.quota : policy.quota.paid;
  const shard = quota.shardOf(client);
  const challengeId = nameChallenge(shard, random);
  const steps = rateOfAll(settings.policy.rate);
  const pool = isFixed && known !== undefined ? findPool(known, settings) : undefined;
  // Clients with an unknown address are not one client.
  const repeats = policy.quota.repeats && (trafficClass === 'paid' || facts.address !== undefined);
  const node = deps.lightning.currentNode?.(background);
  const region = settings.claimRegion ?? facts.region;
  const keyOf = async (quote: Quote) => nameOffer(quote, { signing: (await openIssuer(schemes)).signing, region, settings });
  const offer = known === undefined ? undefined : { key: await keyOf(known), repeats, pool, node };
  let answer: QuotaAnswer;
  try {
    const ask = { scope: service, challengeId, challengeMs: settings.invoiceExpirySeconds * 1000, offer, presented };
    answer = await quota.ask({ client, trafficClass, ask, bounds, totals, region });
  } catch (error) {
    noteFault(log, { at: 'quota.ask', error });
    return refused({ code: 'quota_unavailable', detail: 'the quota cannot be asked', retryAfterSeconds: QUOTA_RETRY_SECONDS });
  }
  if (pool !== undefined) deps.control.noteStocked(shard, background);
  const limits = stateQuota(answer.readings, bounds);
  if (answer.kind === 'refused' && answer.isCrowded === true && trafficClass === 'paid') {
    // Payments cost an attacker next to nothing: a client that finds this traffic class full is treated as any other client
    // (M35).
    return admitUnpaid({ ...unpaid, usedUp: undefined }, { deps, background });
  }
  if (answer.kind === 'refused') {
    const detail = answer.by === 'requests' ? 'too many requests without a payment' : 'too many invoices that have not been paid';
    return refused({ code: 'quota_exceeded', detail, retryAfterSeconds: answer.retryAfterSeconds, limits });
  }
  if (answer.kind === 'free')
    return {
      kind: 'free',
      dispatch: { context, trafficClass: 'free_call', steps, voters: [], holders: holdersOf(context, deps) },
      body,
      limits,
    };
  const { item, refill } = answer;
  if (refill !== undefined && known !== undefined && pool !== undefined) {
    background(refillPool({ quote: known, shard, region, count: refill, bounds: pool }, deps));
  }
  // There will be no invoice: the challenge is no longer open, but still counts in its minute.
  const unmade = () => quota.giveBack({ client, challengeId: item?.id ?? challengeId, wasMade: false }, background);
  const limited = await takeSteps(steps, deps);
  const quoted = limited.ok ? await quote() : limited;
  if (!quoted.ok) {
    unmade();
    return refused(quoted.refusal);
  }
  // Only now, so that a client over its quota does not use up the turns of others.
  const trial = judgeTrial(context, policy, turn);
  if (trial !== undefined) {
    unmade();
    return refused(trial);
  }
  const admission = { kind: 'pay', quote: quoted.value.quote, reason, limits } as const;
  if (item !== undefined) return { ...admission, source: { kind: 'ready', item } };
  const made = (ready: ReadyChallenge) => {
    if (offer?.repeats === true) quota.keep({ client, trafficClass, offer: offer.key, item: ready });
  };
  return { ...admission, source: { kind: 'direct', challengeId, region, unmade, made } };
}
