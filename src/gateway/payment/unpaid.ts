/*
 * A request without a usable payment: one request to the quota decides whether it gets a free call, an invoice, or neither
 * (M17, M20). An external price is asked for after that. Effects: the ports.
 */
import { type Quote } from '#schemes/scheme.ts';
import {
  type Background,
  type ClientKey,
  type QuotaAnswer,
  type QuotaBounds,
  type QuotaClass,
  type QuotaOrder,
  type ReadyChallenge,
} from '../../ports.ts';
import { type Admission } from '../admission.ts';
import { noteFault } from '../answers/fault.ts';
import { judgeTrial } from '../policy/policy.ts';
import { type GateDeps } from '../gate-deps.ts';
import { namesOf } from '../request/client-key.ts';
import { type HeldBody } from '../request/held-body.ts';
import { findPool, nameOffer } from './offer-key.ts';
import { rateOfAll, takeSteps } from '../policy/rate.ts';
import { stateQuota, type StatedLimit } from '../answers/rate-fields.ts';
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
export async function admitUnpaid(unpaid: UnpaidRequest, by: By): Promise<Admission> {
  const { context, body } = unpaid;
  const { deps } = by;
  const noTurn = judgeTrial(context, context.route.policy, { ...turnOf(context, deps), looksOnly: true });
  if (noTurn !== undefined) return refused(noTurn);
  const asked = await askQuota(unpaid, by);
  if (asked === undefined) {
    return refused({ code: 'quota_unavailable', detail: 'the quota cannot be asked', retryAfterSeconds: QUOTA_RETRY_SECONDS });
  }
  const { answer, bounds, trafficClass } = asked;
  const limits = stateQuota(answer.readings, bounds);
  switch (answer.kind) {
    case 'refused': {
      // Payments cost an attacker next to nothing: a client that finds this traffic class full is treated as any other client
      // (M35).
      if (answer.isCrowded === true && trafficClass === 'paid') return admitUnpaid({ ...unpaid, usedUp: undefined }, by);
      const detail = answer.by === 'requests' ? 'too many requests without a payment' : 'too many invoices that have not been paid';
      return refused({ code: 'quota_exceeded', detail, retryAfterSeconds: answer.retryAfterSeconds, limits });
    }
    case 'free': {
      const steps = rateOfAll(deps.settings.policy.rate);
      const dispatch = { context, trafficClass: 'free_call', steps, voters: [], ...holdersOf(context, deps) } as const;
      return { kind: 'free', dispatch, body, limits };
    }
    case 'challenge':
      return offerChallenge(unpaid, { ...asked, answer, limits }, by);
  }
}

interface By {
  readonly deps: GateDeps;
  readonly background: Background;
}

function refused(reason: GatewayRefusal): Admission {
  return { kind: 'refuse', reason };
}

function turnOf({ client }: RequestContext, { halfOpen }: GateDeps) {
  const { own, network } = namesOf(client());
  return { trafficClass: 'unpaid', holders: [...own, ...network], halfOpen } as const;
}

/** What the quota was asked, and what it answered. */
interface Asked {
  readonly client: ClientKey;
  readonly trafficClass: QuotaClass;
  readonly bounds: QuotaBounds;
  readonly shard: number;
  readonly challengeId: string;
  readonly region: number;
  readonly offer: QuotaOrder['ask']['offer'];
  readonly answer: QuotaAnswer;
}

/** `undefined`: the quota cannot be asked. */
async function askQuota(
  { context, service, known, isFixed, presented, usedUp }: UnpaidRequest,
  { deps, background }: By,
): Promise<Asked | undefined> {
  const { quota, random, settings, schemes, log } = deps;
  const { policy } = context.route;
  const facts = context.client();
  const trafficClass: QuotaClass = usedUp === undefined ? 'unpaid' : 'paid';
  const { crowd } = facts.key;
  const client: ClientKey = usedUp === undefined ? facts.key : { key: `paid/${usedUp}`, ...(crowd === undefined ? {} : { crowd }) };
  const { bounds, totals } = usedUp === undefined ? policy.quota : policy.quota.paid;
  const shard = quota.shardOf(client);
  const challengeId = nameChallenge(shard, random);
  const pool = isFixed && known !== undefined ? findPool(known, settings) : undefined;
  // Clients with an unknown address are not one client.
  const repeats = policy.quota.repeats && (trafficClass === 'paid' || facts.address !== undefined);
  const node = deps.lightning.currentNode?.(background);
  const region = settings.claimRegion ?? facts.region;
  const keyOf = async (quote: Quote) => nameOffer(quote, { signing: (await openIssuer(schemes)).signing, region, settings });
  const offer = known === undefined ? undefined : { key: await keyOf(known), repeats, pool, node };
  const ask = { scope: service, challengeId, challengeMs: settings.invoiceExpirySeconds * 1000, offer, presented };
  let answer: QuotaAnswer;
  try {
    answer = await quota.ask({ client, trafficClass, ask, bounds, totals, region });
  } catch (error) {
    noteFault(log, { at: 'quota.ask', error });
    return undefined;
  }
  if (pool !== undefined) deps.control.noteStocked(shard, background);
  return { client, trafficClass, bounds, shard, challengeId, region, offer, answer };
}

interface Allowed extends Asked {
  readonly answer: Extract<QuotaAnswer, { kind: 'challenge' }>;
  readonly limits: readonly StatedLimit[];
}

/** The quota allows a challenge: a ready one, or one that is made now. */
async function offerChallenge(
  { context, reason, quote, known }: UnpaidRequest,
  allowed: Allowed,
  { deps, background }: By,
): Promise<Admission> {
  const { quota, settings } = deps;
  const { client, trafficClass, shard, challengeId, region, offer, limits } = allowed;
  const { item, refill } = allowed.answer;
  if (refill !== undefined && known !== undefined && offer?.pool !== undefined) {
    background(refillPool({ quote: known, shard, region, count: refill, bounds: offer.pool }, deps));
  }
  // There will be no invoice: the challenge is no longer open, but still counts in its minute.
  const unmade = () => quota.giveBack({ client, challengeId: item?.id ?? challengeId, wasMade: false }, background);
  // A challenge given again costs nobody anything: it draws on no limit and takes no turn that newcomers need (M41).
  const isRepeated = allowed.answer.isRepeated === true;
  const limited = await takeSteps(isRepeated ? [] : rateOfAll(settings.policy.rate), deps);
  const quoted = limited.ok ? await quote() : limited;
  if (!quoted.ok) {
    unmade();
    return refused(quoted.refusal);
  }
  // Only now, so that a client over its quota does not use up the turns of others.
  const trial = isRepeated ? undefined : judgeTrial(context, context.route.policy, turnOf(context, deps));
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
