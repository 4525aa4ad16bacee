/*
 * The decision about a request, in one value of four kinds: free, enter, pay, refuse. Cheap before dear: routes, the fences
 * that need no more than the request and this isolate's snapshot, the signature, then at most two claims or the quota (one
 * Durable Object call each). The Lightning node is asked only at the first use of a token that says it must be (M24).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { formatHex } from '#protocol/bytes.ts';
import { digestRequest, NO_BODY_HASH } from '#protocol/request-digest.ts';
import { accept } from '#protocol/result.ts';
import { judgeToken, provesPayment, proveCredential, readCredentials, readShownHashes } from '#schemes/l402.ts';
import { type Charge, type Grant, type JudgeContext, type ProvedToken, type Quote } from '#schemes/scheme.ts';
import { type Background, type Lease, type RateBound, type ReadyChallenge } from '../ports.ts';
import { noteFault } from './fault.ts';
import { extendPass, judgeFences } from './fences.ts';
import { type GateDeps, type GateSettings } from './gate-deps.ts';
import { readWholeBody, type HeldBody } from './held-body.ts';
import { boundOfCharge, checkOfToken, rateOfAll, rateOfPass, rateOfRoute, rateOfToken, REACHED } from './rate.ts';
import { stateRate, type StatedLimit } from './rate-fields.ts';
import { type GatewayRefusal, type SituationCode } from './refusals.ts';
import { findObstacle, nameOrigin, type Passage } from './passage.ts';
import { findRemaining, type Remaining } from './remaining.ts';
import { type RequestFacts } from './request-facts.ts';
import { type ProveSettled } from './settlement.ts';
import { findRoute, quoteSale, type QuoteOutcome } from './routes.ts';
import { type Trip, type Way } from './send.ts';
import { admitUnpaid } from './unpaid.ts';

export type Admission =
  | {
      readonly kind: 'free';
      readonly trip: Trip;
      readonly body: HeldBody | undefined;
      /** What is left of the free calls of a route that is sold. */
      readonly limits: readonly StatedLimit[];
    }
  | {
      readonly kind: 'enter';
      readonly quote: Quote;
      readonly trip: Trip;
      readonly callId: string;
      readonly use: Use | undefined;
      readonly body: HeldBody | undefined;
      readonly passEndsAtSeconds: number | undefined;
    }
  | {
      readonly kind: 'pay';
      readonly quote: Quote;
      readonly reason: GatewayRefusal;
      readonly source: ChallengeSource;
      readonly limits: readonly StatedLimit[];
    }
  | { readonly kind: 'refuse'; readonly reason: GatewayRefusal };

/** Where the invoice comes from: one that was ready, or one that is to be made. */
export type ChallengeSource =
  | { readonly kind: 'ready'; readonly item: ReadyChallenge }
  | {
      readonly kind: 'direct';
      /** For the token: it begins with the name under which the quota knows the challenge. */
      readonly random: Uint8Array;
      /** To be called when no invoice could be had. */
      readonly unmade: () => void;
      /** To be called with what was made. */
      readonly made: (ready: ReadyChallenge) => void;
    };

/** Different payments of one request that are tried; the second only when the first is used up (M6). */
const MOST_CLAIMS_TRIED = 2;
/** Beyond the time limits of a call: what it may wait for a place, and a Worker need to say what became of it (M10). */
const LEASE_MARGIN_SECONDS = 60;
/** So much of that is for the Worker to say what became of the call: later than this none is sent. */
const OUTCOME_SECONDS = 10;

/** The body of a request that a token is narrowed to is held in memory (M9). */
const LARGEST_DIGESTED_BODY = 1 << 20;
/** This payment is over: another may be tried, or a new one made. */
const USED_UP: ReadonlySet<SituationCode> = new Set(['payment_spent', 'caveat_exhausted', 'invoice_gone']);

/** The use of a payment that is counted; none for a pass. */
export interface Use {
  readonly lease: Lease;
  readonly cost: number;
  /** Once this use is counted. */
  readonly remaining: Remaining;
  /** What is left of the rate of the payment. */
  readonly limits: readonly StatedLimit[];
  /** A call that is sent later could outlive its lease (M10). */
  readonly sendByMs: number;
}

/** Decides about a request. Its headers and body are looked at only where the price depends on them. */
export async function admit(
  request: Request,
  facts: RequestFacts,
  { deps, background }: { deps: GateDeps; background: Background },
): Promise<Admission> {
  const { settings, control, quota, keys, hmac, verified, proveSettled, pricing, clock, random, wait, log } = deps;
  const refused = (refusal: GatewayRefusal): Admission => ({ kind: 'refuse', reason: refusal });
  const found = findRoute(settings.routes, facts);
  if (!found.ok) return refused(found.refusal);
  const route = found.value;
  const { sale, fences, match, passage } = route;
  if (sale.kind === 'closed' || passage === undefined) return refused({ code: 'route_closed', detail: 'this route is closed' });
  const obstacle = findObstacle(passage, facts);
  if (obstacle !== undefined) return refused(obstacle);
  const reading = control.read(background);
  const snapshot = reading instanceof Promise ? await reading : reading;
  const origin = nameOrigin(passage, facts);
  const way: Way = { route, passage, match, isSold: sale.kind === 'paid', client: facts.client, control: snapshot, origin, nowMs: clock() };
  const fenced = judgeFences(way, fences, settings.fences);
  if (fenced !== undefined) return refused(fenced);
  if (sale.kind === 'free') {
    const steps = [...rateOfAll(settings.fences.rate), ...rateOfRoute(route)];
    return { kind: 'free', trip: { way, lane: 'free', steps, voters: [] }, body: undefined, limits: [] };
  }

  let asked: QuoteOutcome | Promise<QuoteOutcome> | undefined;
  const ask = () => (asked ??= quoteSale({ route, sale, passage }, facts, { request, pricing, wait, log }));
  // Somebody else is asked for the price only for those who have shown a payment or may have an invoice.
  const isAsked = sale.price.kind === 'function' || sale.price.kind === 'service';
  const known = isAsked ? undefined : await ask();
  if (known?.ok === false) return refused(known.refusal);
  const { service } = sale;
  let held = known?.value.body;
  let usedUp: string | undefined;
  const unpaid = (reason: GatewayRefusal) => {
    const shown = readShownHashes(facts.credentials, { metadata: facts.metadataCredential, verified });
    const offered = { quote: ask, known: known?.value.quote, isFixed: sale.price.kind === 'fixed' };
    return admitUnpaid({ way, reason, service, ...offered, shown, usedUp, body: held }, { deps, background });
  };

  const credentials = readCredentials(facts.credentials, { metadata: facts.metadataCredential, verified });
  if (!credentials.ok) return unpaid(credentials.refusal);
  let reason: GatewayRefusal = { code: 'payment_required', detail: 'this call is sold for Lightning' };
  // The first reason stands, unless a payment turns out to be used up: that says more.
  const note = (refusal: GatewayRefusal) => void (reason.code === 'payment_required' && (reason = refusal));
  const tried = new Set<string>();
  let bodyRead: ReturnType<typeof readWholeBody> | undefined;
  const digest = async () => {
    if (!facts.hasBody) return digestFor(facts, NO_BODY_HASH);
    // Only for a token that has been proved, and once: it is sent on from memory then.
    const body = held?.kind === 'read' ? accept(held.bytes) : await (bodyRead ??= readWholeBody(request, limitOf(held, passage)));
    return body.ok ? digestFor(facts, sha256(body.value)) : undefined;
  };
  for (const credential of credentials.value) {
    const proved = await proveCredential(credential, { keys, hmac, verified });
    const revoked = proved.ok ? findRevocation(proved.value, way) : proved.refusal;
    if (!proved.ok || revoked !== undefined) {
      note(revoked!);
      continue;
    }
    const quoted = await ask();
    if (!quoted.ok) return refused(quoted.refusal);
    const { quote } = quoted.value;
    held ??= quoted.value.body;
    const context = judgeContext(facts, way, { skewSeconds: settings.skewSeconds, digest });
    const grant = await judgeToken(proved.value, quote, context);
    const read = await bodyRead;
    if (read?.ok === false) return refused(read.refusal);
    if (read !== undefined) held = { kind: 'read', bytes: read.value };
    if (!grant.ok) {
      note(grant.refusal);
      if (grant.refusal.code === 'token_expired' && provesPayment(proved.value)) usedUp ??= formatHex(proved.value.paymentHash);
      continue;
    }
    // Another token over a payment that has been tried is no other payment, even if its claim would lie elsewhere.
    const paymentHashHex = formatHex(grant.value.paymentHash);
    if (tried.has(paymentHashHex)) continue;
    tried.add(paymentHashHex);
    const { paymentHash, charge, maxPerMinute, challengeId, passEndsAtSeconds, needsSettlement } = grant.value;
    const reservationId = formatHex(random(16));
    const client = facts.client();
    const enter = (use: Use | undefined): Admission => {
      quota.giveBack({ client: client.key, challengeId }, background);
      const ofToken = charge === undefined ? rateOfToken(paymentHashHex, fences.tokenRate) : [];
      const steps = [...ofToken, ...rateOfPass(paymentHashHex, maxPerMinute), ...rateOfRoute(route)];
      // Clients whose address is not known are not one client.
      const voters = client.address === undefined ? [paymentHashHex] : [paymentHashHex, client.key.key];
      const trip: Trip = { way, lane: 'paid', steps, stated: use?.limits ?? [], sendByMs: use?.sendByMs, voters };
      return { kind: 'enter', quote, trip, callId: nameCall(grant.value, reservationId), use, body: held, passEndsAtSeconds };
    };
    const prove = needsSettlement ? () => proveSettled({ paymentHash, client: client.key.key }, deps) : undefined;
    if (charge === undefined && prove === undefined) return enter(undefined);
    const leaseSeconds = leaseSecondsOf(passage, settings);
    const claimed =
      charge === undefined
        ? await provePass(prove!)
        : await claim(
            grant.value,
            { charge, reservationId, leaseSeconds, prove, tokenRate: boundOfCharge(charge, fences.tokenRate) },
            deps,
          );
    if (claimed.kind === 'granted') return enter(claimed.use);
    if (!USED_UP.has(claimed.reason.code)) return refused(claimed.reason);
    reason = claimed.reason;
    if (reason.code !== 'invoice_gone') usedUp = paymentHashHex;
    if (tried.size === MOST_CLAIMS_TRIED) break;
  }
  return unpaid(reason);
}

function findRevocation({ identifier, id }: ProvedToken, { control }: Way): GatewayRefusal | undefined {
  const token = { identifier, keyId: id.keyId, epochStartHours: id.epoch.startHours };
  if (control.index?.isRevoked(token) !== true) return undefined;
  return { code: 'token_revoked', detail: 'the token, its epoch or its key has been revoked' };
}

function judgeContext(
  facts: RequestFacts,
  { control, match, nowMs }: Way,
  { skewSeconds, digest }: { skewSeconds: number; digest: JudgeContext['digestRequest'] },
): JudgeContext {
  const { method, host, path } = facts;
  const nowSeconds = nowMs / 1000;
  const maintenances = control.index?.maintenances ?? [];
  return {
    nowSeconds,
    skewSeconds,
    request: { method, host, path },
    clientAddress: () => facts.client().addressText,
    digestRequest: digest,
    extensionOf:
      maintenances.length === 0 ? undefined : (validUntilSeconds) => extendPass(maintenances, { match, validUntilSeconds, nowSeconds }),
  };
}

function digestFor({ method, host, path, query }: RequestFacts, bodyHash: Uint8Array): string {
  return digestRequest({ method, host, path, query, bodyHash });
}

/** A body that was priced by its length has no more than that, and none has more than its route takes. */
function limitOf(held: HeldBody | undefined, { maxBodyBytes = LARGEST_DIGESTED_BODY }: Passage): number {
  return Math.min(held?.kind === 'sized' ? held.bytes : LARGEST_DIGESTED_BODY, maxBodyBytes, LARGEST_DIGESTED_BODY);
}

/** The same for every attempt at a single call, so that an origin does its work once (M16); of other payments one for each. */
function nameCall({ claimId, charge }: Grant, reservationId: string): string {
  return charge?.limit === 1 ? claimId : `${claimId}-${reservationId}`;
}

/** How long the claim of a call is held when nobody says what became of it: no call takes longer (M10). */
export function leaseSecondsOf(
  { timeoutSeconds, brokenBody }: Passage,
  { maxStreamSeconds }: Pick<GateSettings, 'maxStreamSeconds'>,
): number {
  return timeoutSeconds + (brokenBody === 'released' ? maxStreamSeconds : 0) + LEASE_MARGIN_SECONDS;
}

type Claimed = { readonly kind: 'granted'; readonly use: Use | undefined } | { readonly kind: 'refused'; readonly reason: GatewayRefusal };

/** Asks whether the payment was made. */
type Prove = () => ReturnType<ProveSettled>;

async function provePass(prove: Prove): Promise<Claimed> {
  const reason = await prove();
  return reason === undefined ? { kind: 'granted', use: undefined } : { kind: 'refused', reason };
}

interface ClaimTerms {
  readonly charge: Charge;
  readonly reservationId: string;
  readonly leaseSeconds: number;
  readonly prove: Prove | undefined;
  readonly tokenRate: RateBound | undefined;
}

async function claim(
  grant: Grant,
  { charge, reservationId, leaseSeconds, prove, tokenRate }: ClaimTerms,
  { claims, clock, log }: GateDeps,
): Promise<Claimed> {
  // Before the object is asked: its lease begins no sooner.
  const sendByMs = clock() + (LEASE_MARGIN_SECONDS - OUTCOME_SECONDS) * 1000;
  const order = {
    paymentHash: grant.paymentHash,
    objectName: grant.claimObjectName,
    reservationId,
    leaseMs: leaseSeconds * 1000,
    endsAtSeconds: grant.claimEndsAtSeconds,
    limit: charge.limit,
    cost: charge.cost,
    draws: charge.draws,
    ...(prove === undefined ? {} : { settlement: 'unproved' as const }),
    ...(tokenRate === undefined ? {} : { rate: checkOfToken(formatHex(grant.paymentHash), tokenRate) }),
  };
  const refused = (reason: GatewayRefusal) => ({ kind: 'refused', reason }) as const;
  try {
    let answer = await claims.reserve(order);
    if (answer.kind === 'unproved' && prove !== undefined) {
      const unsettled = await prove();
      if (unsettled !== undefined) return refused(unsettled);
      answer = await claims.reserve({ ...order, settlement: 'proved' });
    }
    switch (answer.kind) {
      case 'granted':
        return {
          kind: 'granted',
          use: {
            lease: answer.lease,
            cost: charge.cost,
            remaining: findRemaining(charge, answer),
            limits: tokenRate === undefined ? [] : stateRate('token', tokenRate, answer.rate),
            sendByMs,
          },
        };
      case 'rated':
        return refused({
          code: 'rate_limited',
          detail: REACHED.token,
          retryAfterSeconds: answer.retryAfterSeconds,
          limits: tokenRate === undefined ? [] : stateRate('token', tokenRate, answer.rate),
        });
      case 'unproved':
        throw new Error('a payment that was proved is not');
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
    noteFault(log, { at: 'claims.reserve', error });
    return refused({ code: 'claims_unavailable', detail: 'the record of used payments cannot be reached', retryAfterSeconds: 5 });
  }
}
