/*
 * The credentials of a request, tried in order until one is good. Everything that takes time (an external price, a body, the
 * node) comes before the last judgement, which uses the clock, the snapshot and the keys of that moment (M32). The price is
 * asked, and a body read, only for a token that is proved, passes every other check, and is not known to be spent (M43).
 * Effects: the ports.
 */
import { formatHex } from '#protocol/bytes.ts';
import {
  type Grant,
  type JudgeContext,
  type Presentation,
  type PresentedCredential,
  type ProvedPayment,
  type Quote,
} from '#schemes/scheme.ts';
import { type Background } from '../../ports.ts';
import { type Admission, type Use } from '../admission.ts';
import { extendPass } from '../policy/policy.ts';
import { type GateDeps, type GateSettings } from '../gate-deps.ts';
import { tellPayment } from './first-use.ts';
import { namesOf } from '../request/client-key.ts';
import { type Inquiry } from './inquiry.ts';
import { type AskedPrice, type Price } from '../pricing/price.ts';
import { boundOfCharge, rateOfPass, rateOfRoute, rateOfToken } from '../policy/rate.ts';
import { PROBLEM_TYPES, type GatewayRefusal, type ProblemType } from '../answers/refusals.ts';
import { reserveUse, type Claimed, type LeaseTerms } from './reserve.ts';
import { type Dispatch, type RequestContext } from '../request-context.ts';

export interface Unpaid {
  readonly kind: 'unpaid';
  /** Why no payment is good. */
  readonly reason: GatewayRefusal;
  /** The payment hash, in hex, of a payment that was made and is used up (M19). */
  readonly usedUp: string | undefined;
}

type Tried = Exclude<Admission, { kind: 'free' | 'pay' }> | Unpaid;

/** The outcome for one token. */
type Trial =
  | Exclude<Tried, Unpaid>
  /** Another credential may be good. */
  | { readonly kind: 'not_good'; readonly reason: GatewayRefusal; readonly usedUp?: string | undefined }
  /** The payment buys nothing here: this outranks any other reason. */
  | { readonly kind: 'over'; readonly reason: GatewayRefusal; readonly usedUp: string | undefined }
  /** Prices were asked for the payment, and no call came of it: it waits. Another credential may be good. */
  | { readonly kind: 'in_vain'; readonly reason: GatewayRefusal };

interface TrialTools {
  readonly deps: GateDeps;
  readonly background: Background;
  readonly lease: LeaseTerms;
}

/** Most different payments tried per request; the second only if the first is used up (M6). */
const MOST_CLAIMS_TRIED = 2;
const NOT_PAID: GatewayRefusal = { code: 'payment_required', detail: 'this call is sold for Lightning' };

/** Tries the presented credentials. */
export async function tryCredentials(inquiry: Inquiry, tools: TrialTools): Promise<Tried> {
  const { credentials, unreadable } = listCredentials(inquiry.facts.presentations);
  let reason = unreadable ?? NOT_PAID;
  let usedUp: string | undefined;
  let inVain: GatewayRefusal | undefined;
  const tried = new Set<string>();
  for (const credential of credentials) {
    const proved = await credential.prove();
    // Another token with a payment hash already tried is the same payment, even if its claim were stored elsewhere.
    if (proved.ok && tried.size > 0 && tried.has(formatHex(proved.value.paymentHash))) continue;
    const trial: Trial = proved.ok ? await tryPayment(proved.value, { inquiry, tools }) : { kind: 'not_good', reason: proved.refusal };
    if (trial.kind === 'enter') return trial;
    if (trial.kind === 'in_vain') {
      inVain ??= trial.reason;
      continue;
    }
    if (proved.ok && inquiry.isPriceAsked) tools.deps.askedInVain.note(nameAsker(proved.value, inquiry), tools.deps.clock());
    if (trial.kind === 'refuse') return trial;
    if (trial.kind === 'not_good') {
      // Keeps the first reason.
      if (reason === NOT_PAID) ({ reason } = trial);
      usedUp ??= trial.usedUp;
      continue;
    }
    ({ reason } = trial);
    usedUp = trial.usedUp ?? usedUp;
    if (proved.ok) tried.add(formatHex(proved.value.paymentHash));
    if (tried.size === MOST_CLAIMS_TRIED) break;
  }
  return inVain === undefined ? { kind: 'unpaid', reason, usedUp } : { kind: 'refuse', reason: inVain };
}

/** Lists the credentials of all schemes in order, and the reason for the first that could not be read. */
function listCredentials(presentations: readonly Presentation[]): {
  readonly credentials: readonly PresentedCredential[];
  readonly unreadable: GatewayRefusal | undefined;
} {
  const read = presentations.map((presentation) => presentation.credentials());
  const unreadable = read.find((one) => !one.ok);
  return { credentials: read.flatMap((one) => (one.ok ? one.value : [])), unreadable: unreadable?.refusal };
}

interface TrialOptions {
  readonly inquiry: Inquiry;
  readonly tools: TrialTools;
}

async function tryPayment(payment: ProvedPayment, { inquiry, tools }: TrialOptions): Promise<Trial> {
  const { deps } = tools;
  const { service } = inquiry.sold.sale;
  const revoked = findRevocation(payment, inquiry.context());
  if (revoked !== undefined) return { kind: 'not_good', reason: revoked };
  let digest: string | undefined;
  if (inquiry.isPriceAsked || payment.needsDigest(service)) {
    const prepared = await prepare(payment, { inquiry, tools });
    if (prepared.kind !== 'ready') return prepared;
    ({ digest } = prepared);
  }
  const holder = { kind: 'paid', client: undefined } as const;
  // The price has been asked by now, or does not need asking.
  const quoted = await inquiry.quote(holder);
  if (!quoted.ok) return { kind: 'refuse', reason: quoted.refusal };
  const { quote } = quoted.value;
  const judge = () => payment.judge(quote, judgeContext(inquiry, { settings: deps.settings, digest }));
  const grant = await judge();
  if (!grant.ok) return judgedBad(payment, grant.refusal);
  const { needsSettlement, paymentHash } = grant.value;
  const prove = async () => {
    const unsettled = await deps.proveSettled({ paymentHash, client: inquiry.facts.client().key.key }, deps);
    if (unsettled !== undefined) return unsettled;
    // Asking the node may have taken time.
    const late = await standAgain(payment, { inquiry, tools });
    if (late !== undefined) return late;
    const again = await judge();
    return again.ok ? undefined : again.refusal;
  };
  return useGrant(payment, { inquiry, tools, quote, grant: grant.value, prove: needsSettlement ? prove : undefined });
}

/** Does what takes time for a token that is worth it, then judges again. */
async function prepare(
  payment: ProvedPayment,
  { inquiry, tools }: TrialOptions,
): Promise<Exclude<Trial, { kind: 'enter' }> | { readonly kind: 'ready'; readonly digest: string | undefined }> {
  const { deps } = tools;
  const { sale } = inquiry.sold;
  const poor = payment.judgeStanding({ ...sale, sells: sale }, judgeContext(inquiry, { settings: deps.settings, digest: undefined }));
  if (poor !== undefined) return judgedBad(payment, poor);
  const paymentHashHex = formatHex(payment.paymentHash);
  const spent = deps.refusedClaims.findSpent(paymentHashHex, leastCostOf(sale.price, payment), deps.clock());
  if (spent !== undefined) return over(paymentHashHex, spent, payment);
  const inVain = inquiry.isPriceAsked ? deps.askedInVain.find(nameAsker(payment, inquiry), deps.clock()) : undefined;
  if (inVain !== undefined) return { kind: 'in_vain', reason: inVain };
  const holder = { kind: 'paid', client: paymentHashHex, address: nameSender(inquiry) } as const;
  const quoted = await inquiry.quote(holder);
  if (!quoted.ok) return { kind: 'refuse', reason: quoted.refusal };
  const digested = payment.needsDigest(sale.service) ? await inquiry.digest(holder) : undefined;
  if (digested?.ok === false) return { kind: 'refuse', reason: digested.refusal };
  const late = await standAgain(payment, { inquiry, tools });
  if (late !== undefined) return judgedBad(payment, late);
  return { kind: 'ready', digest: digested?.value };
}

/** Names who sends the request: its IPv6 /48 or IPv4 address; `undefined`: unknown. */
function nameSender({ facts }: Inquiry): string | undefined {
  const { own, network } = namesOf(facts.client());
  return network[0] ?? own[0];
}

function nameAsker({ paymentHash }: ProvedPayment, inquiry: Inquiry): string {
  return `${formatHex(paymentHash)} ${nameSender(inquiry) ?? ''}`;
}

/** Checks again what may have changed meanwhile, apart from the token itself: policies, revocations, keys. */
async function standAgain(payment: ProvedPayment, { inquiry }: TrialOptions): Promise<GatewayRefusal | undefined> {
  const barred = await inquiry.lookAgain();
  const gone = barred ?? findRevocation(payment, inquiry.context());
  if (gone !== undefined) return gone;
  return payment.checkKey();
}

interface GrantedUse extends TrialOptions {
  readonly quote: Quote;
  readonly grant: Grant;
  readonly prove: (() => Promise<GatewayRefusal | undefined>) | undefined;
}

async function useGrant(payment: ProvedPayment, { inquiry, tools, quote, grant, prove }: GrantedUse): Promise<Trial> {
  const { deps, background, lease } = tools;
  const { route } = inquiry.sold;
  const { charge } = grant;
  const paymentHashHex = formatHex(grant.paymentHash);
  const reservationId = formatHex(deps.random(16));
  // Including a pass with a holder's counter: all calls of a pass are counted in one place.
  const isPass = payment.access === 'pass';
  const enter = (use: Use | undefined): Trial => {
    const client = inquiry.facts.client();
    deps.quota.giveBack({ client: client.key, challengeId: grant.challengeId }, background);
    tellPayment(grant, { quote, isFirst: use?.isFirst }, { deps, background });
    const ofToken = isPass ? rateOfToken(paymentHashHex, route.policy.tokenRate) : [];
    const steps = [...ofToken, ...rateOfPass(paymentHashHex, grant.maxPerMinute), ...rateOfRoute(route)];
    // Clients whose address is not known are not one client.
    const { own, network } = namesOf(client);
    const holders = [paymentHashHex, ...own];
    const dispatch: Dispatch = {
      context: inquiry.context(),
      trafficClass: 'paid',
      steps,
      stated: use?.limits ?? [],
      sendByMs: use?.sendByMs,
      // An IPv6 /48 is one voter: its owner has as many addresses as he likes.
      voters: [...holders, ...network],
      holders,
      network: network[0],
    };
    const { passEndsAtSeconds } = grant;
    return { kind: 'enter', quote, dispatch, ...nameCall(grant, reservationId), use, body: inquiry.body(), passEndsAtSeconds };
  };
  if (charge === undefined && prove === undefined) return enter(undefined);
  const tokenRate = charge === undefined || isPass ? undefined : boundOfCharge(charge, route.policy.tokenRate);
  const isGone = () => inquiry.request.signal.aborted;
  const claiming =
    charge === undefined ? provePass(prove!) : reserveUse({ grant, charge, reservationId, lease, prove, tokenRate, isGone }, deps);
  // A client that goes away must not end the Worker between the grant and its release.
  if (charge !== undefined) background(claiming);
  const claimed = await claiming;
  if (claimed.kind === 'granted') return enter(claimed.use);
  if (claimed.isFirst === true) tellPayment(grant, { quote, isFirst: true }, { deps, background });
  return over(paymentHashHex, claimed.reason, payment);
}

async function provePass(prove: () => Promise<GatewayRefusal | undefined>): Promise<Claimed> {
  const reason = await prove();
  return reason === undefined ? { kind: 'granted', use: undefined } : { kind: 'refused', reason };
}

/** A refusal that does not concern the token (a policy) refuses the whole request. */
function judgedBad(payment: ProvedPayment, reason: GatewayRefusal): Exclude<Trial, { kind: 'enter' | 'over' }> {
  if (!mayCostInvoice(reason)) return { kind: 'refuse', reason };
  const usedUp = reason.code === 'token_expired' && payment.isProof ? formatHex(payment.paymentHash) : undefined;
  return { kind: 'not_good', reason, usedUp };
}

/** Classifies a refused claim: the payment is used up, or something blocks it for now. */
function over(paymentHashHex: string, reason: GatewayRefusal, payment: ProvedPayment): Exclude<Trial, { kind: 'enter' | 'not_good' }> {
  if (!mayCostInvoice(reason)) return { kind: 'refuse', reason };
  const wasPaid =
    reason.code === 'payment_spent' || reason.code === 'caveat_exhausted' || (reason.code === 'token_expired' && payment.isProof);
  return { kind: 'over', reason, usedUp: wasPaid ? paymentHashHex : undefined };
}

function mayCostInvoice({ code }: GatewayRefusal): boolean {
  const problemType: ProblemType = PROBLEM_TYPES[code];
  return problemType.mayCostInvoice;
}

/** Returns the least that a call can cost, before its price is known. */
function leastCostOf(price: Price, { access }: ProvedPayment): number {
  return access === 'credit' && isAsked(price) ? Number(price.bounds.minMsat) : 1;
}

function isAsked(price: Price): price is AskedPrice {
  return price.kind === 'function' || price.kind === 'service';
}

function findRevocation({ revocable }: ProvedPayment, { control }: RequestContext): GatewayRefusal | undefined {
  if (control.index?.isRevoked(revocable) !== true) return undefined;
  return { code: 'token_revoked', detail: 'the token, its epoch or its key has been revoked' };
}

function judgeContext(
  { facts, context }: Inquiry,
  { settings, digest }: { settings: Pick<GateSettings, 'skewSeconds' | 'invoiceExpirySeconds'>; digest: string | undefined },
): JudgeContext {
  const { method, host, path } = facts;
  const { control, match, nowMs } = context();
  const nowSeconds = nowMs / 1000;
  const maintenances = control.index?.maintenances ?? [];
  return {
    nowSeconds,
    skewSeconds: settings.skewSeconds,
    invoiceExpirySeconds: settings.invoiceExpirySeconds,
    request: { method, host, path },
    clientAddress: () => facts.client().addressText,
    requestDigest: digest,
    extensionOf: maintenances.length === 0 ? undefined : (life) => extendPass(maintenances, { ...life, match, nowSeconds }),
  };
}

/**
 * Returns the names of a call. For a single call they are the same on every attempt, so that the origin does its work once
 * (M16); other payments get new names per call. Nobody else can send the origin's key in advance.
 */
function nameCall({ claimId, secretId, charge }: Grant, reservationId: string): { readonly callId: string; readonly callKey: string } {
  if (charge?.limit === 1) return { callId: claimId, callKey: secretId };
  const callId = `${claimId}-${reservationId}`;
  return { callId, callKey: callId };
}
