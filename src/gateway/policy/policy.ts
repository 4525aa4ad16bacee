/*
 * The policies of a route: who may come at all, and when nobody is served. Those that need only the request and the control
 * snapshot are judged here, in one fixed order, before any credential is examined or any invoice made. A policy that lacks a
 * fact it needs refuses. Pure.
 */
import { cidrContains, type Cidr } from '#protocol/cidr.ts';
import { type PassLife } from '#schemes/scheme.ts';
import {
  type BreakerSettings,
  type ControlIndex,
  type ControlView,
  type Maintenance,
  type QuotaBounds,
  type RateBound,
  type RateCount,
} from '../../ports.ts';
import { type ClientAddressSource, type ClientFacts } from '../request/client-key.ts';
import { HALF_OPEN_MS, type HalfOpenTrial, type HalfOpenTrials } from './half-open.ts';
import { type PolicyRefusal } from '../answers/policy-refusals.ts';

/**
 * The order of the policies. The first four are judged here. `revocation` belongs to the verification of a credential,
 * `quota` is asked if no credential was good, `rate` and `concurrency` come right before the origin.
 */
export const POLICY_ORDER = ['lists', 'control', 'maintenance', 'breaker', 'revocation', 'quota', 'rate', 'concurrency'] as const;
export type Policy = (typeof POLICY_ORDER)[number];

/** Clients by address, country or network; one match suffices. */
export interface ClientList {
  readonly cidrs: readonly Cidr[];
  readonly countries: ReadonlySet<string>;
  readonly asns: ReadonlySet<number>;
}

/** The limits of one client, and of all together. */
export interface QuotaSettings {
  readonly bounds: QuotaBounds;
  readonly totals: QuotaBounds;
}

/** The policies of one route. An omitted policy is off. */
export interface PolicySettings {
  readonly allow?: ClientList;
  readonly block?: ClientList;
  readonly hasMaintenance: boolean;
  readonly hasBreaker: boolean;
  readonly hasConcurrency: boolean;
  /** For clients that have not paid. */
  readonly quota: QuotaSettings & {
    /** A client over its limits may be issued its existing challenge again (M18). */
    readonly repeats: boolean;
    /** For clients whose payment is used up (M19). */
    readonly paid: QuotaSettings;
  };
  /** For each payment. */
  readonly tokenRate?: RateBound;
  /** For calls that go to the origin. */
  readonly rate?: { readonly bound: RateBound; readonly count: RateCount };
}

/** The policies of the whole gateway. */
export interface GatewayPolicySettings {
  readonly clientAddress: ClientAddressSource | undefined;
  readonly refreshSeconds: number;
  readonly staleMaxSeconds: number;
  readonly stale: StalePolicy['stale'];
  readonly isolates: number;
  readonly rate: PolicySettings['rate'];
  readonly breaker: (BreakerSettings & { readonly slowHeadMs: number; readonly probePath: string | undefined }) | undefined;
  readonly concurrency: { readonly most: number; readonly mostWaiting: number; readonly waitMs: number } | undefined;
}

export interface PolicyFacts {
  readonly client: () => ClientFacts;
  readonly control: ControlView;
  /** The route as written in the configuration. */
  readonly match: string;
  /** A free route needs no snapshot: nothing on it can be revoked. */
  readonly isSold: boolean;
  /** The name of the origin. */
  readonly origin: string;
  readonly nowMs: number;
}

export interface StalePolicy {
  /** `serve`: an outdated or missing snapshot is no reason to refuse (M30). */
  readonly stale: 'refuse' | 'serve';
}

/** The traffic classes of calls to a half-open origin. Each has its own turns: no crowd in one can starve another (M22). */
export type TrafficClass = 'free' | 'free_call' | 'unpaid' | 'paid';

const CONTROL_RETRY_SECONDS = 5;
const MAINTENANCE_RETRY_SECONDS = 60;
/** Maintenance extends a pass by at most this: keys are not kept for passes without an end. */
export const LONGEST_EXTENSION_SECONDS = 7 * 86_400;

type Judge = (facts: PolicyFacts, settings: PolicySettings, policy: StalePolicy) => PolicyRefusal | undefined;

const JUDGES: Readonly<Partial<Record<Policy, Judge>>> = {
  lists: ({ client }, settings) =>
    settings.allow === undefined && settings.block === undefined ? undefined : judgeLists(client(), settings),
  control: ({ control, isSold }, _settings, { stale }) =>
    isSold && control.isStale && stale === 'refuse'
      ? { code: 'control_unknown', detail: 'the control object cannot be reached', retryAfterSeconds: CONTROL_RETRY_SECONDS }
      : undefined,
  maintenance: ({ control, match, nowMs }, { hasMaintenance }) =>
    hasMaintenance && control.index !== undefined ? judgeMaintenance(control.index, { match, nowSeconds: nowMs / 1000 }) : undefined,
  breaker: (facts, { hasBreaker }) => (hasBreaker ? judgeBreaker(facts) : undefined),
};

/** Returns the refusal of the first policy that applies, of those judged before credentials. */
export function judgePolicy(facts: PolicyFacts, settings: PolicySettings, policy: StalePolicy): PolicyRefusal | undefined {
  for (const name of POLICY_ORDER) {
    const refusal = JUDGES[name]?.(facts, settings, policy);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Judges the lists, block before allow. A client is refused if a block list needs a fact that is unknown about it. */
export function judgeLists(client: ClientFacts, { allow, block }: Pick<PolicySettings, 'allow' | 'block'>): PolicyRefusal | undefined {
  const blocked = block !== undefined && (lacksFacts(client, block) || isListed(client, block));
  if (!blocked && (allow === undefined || isListed(client, allow))) return undefined;
  return { code: 'client_blocked', detail: 'this route is not open to this client' };
}

function isListed({ address, country, asn }: ClientFacts, { cidrs, countries, asns }: ClientList): boolean {
  return (
    (address !== undefined && cidrs.some((cidr) => cidrContains(cidr, address))) ||
    (country !== undefined && countries.has(country)) ||
    (asn !== undefined && asns.has(asn))
  );
}

function lacksFacts({ address, country, asn }: ClientFacts, { cidrs, countries, asns }: ClientList): boolean {
  return (
    (cidrs.length > 0 && address === undefined) || (countries.size > 0 && country === undefined) || (asns.size > 0 && asn === undefined)
  );
}

function judgeMaintenance(
  { maintenances }: ControlIndex,
  { match, nowSeconds }: { match: string; nowSeconds: number },
): PolicyRefusal | undefined {
  const current = maintenances.filter(
    ({ route, fromSeconds, untilSeconds = Infinity }) => isFor(route, match) && fromSeconds <= nowSeconds && nowSeconds < untilSeconds,
  );
  if (current.length === 0) return undefined;
  const untilSeconds = Math.max(...current.map((maintenance) => maintenance.untilSeconds ?? nowSeconds + MAINTENANCE_RETRY_SECONDS));
  return {
    code: 'maintenance',
    detail: 'this route is under maintenance',
    retryAfterSeconds: Math.max(1, Math.ceil(untilSeconds - nowSeconds)),
  };
}

function judgeBreaker({ control, origin, nowMs }: PolicyFacts): PolicyRefusal | undefined {
  const openUntilMs = control.index?.openUntilMs.get(origin);
  // A half-open breaker is left to the traffic classes.
  if (openUntilMs === undefined || nowMs >= openUntilMs) return undefined;
  return originDown(Math.max(1, Math.ceil((openUntilMs - nowMs) / 1000)));
}

/** Whether a call would be a trial of a half-open origin. */
export function isTrial({ control, origin }: PolicyFacts, { hasBreaker }: PolicySettings): boolean {
  return hasBreaker && control.index?.openUntilMs.has(origin) === true;
}

/**
 * Whether a request may go on to an origin that is half open: asked when it is known in which traffic class it comes, and for whom,
 * and last of all. `looksOnly`: no turn is taken yet.
 */
export function judgeTrial(
  facts: PolicyFacts,
  settings: PolicySettings,
  {
    halfOpen,
    looksOnly = false,
    ...by
  }: Pick<HalfOpenTrial, 'trafficClass' | 'holders'> & { halfOpen: HalfOpenTrials; looksOnly?: boolean },
): PolicyRefusal | undefined {
  if (!isTrial(facts, settings)) return undefined;
  const trial = { ...by, origin: facts.origin };
  const isAllowed = looksOnly ? halfOpen.isFree(trial, facts.nowMs) : halfOpen.take(trial, facts.nowMs);
  return isAllowed ? undefined : originDown(HALF_OPEN_MS / 1000);
}

function originDown(retryAfterSeconds: number): PolicyRefusal {
  return { code: 'origin_down', detail: 'the origin has been failing', retryAfterSeconds };
}

/**
 * Returns how much later a pass ends than it says: the maintenance time between its sale and its end (M38). Only for tokens
 * without a claim row: the end of a row does not wait for its token (M2).
 */
export function extendPass(
  maintenances: readonly Maintenance[],
  { match, soldAtSeconds, validUntilSeconds, nowSeconds }: PassLife & { readonly match: string; readonly nowSeconds: number },
): number {
  const stretches = maintenances
    .filter(({ route, extendsPasses }) => extendsPasses && isFor(route, match))
    .toSorted((left, right) => left.fromSeconds - right.fromSeconds);
  let extension = 0;
  // Two simultaneous maintenances, of the route and of all routes, extend a pass by their combined period, not by the sum.
  let countedUntil = soldAtSeconds;
  for (const { fromSeconds, untilSeconds = Infinity } of stretches) {
    if (validUntilSeconds + extension <= fromSeconds) break;
    const from = Math.max(fromSeconds, countedUntil);
    const until = Math.min(untilSeconds, nowSeconds);
    if (until <= from) continue;
    extension += until - from;
    countedUntil = until;
  }
  return Math.min(extension, LONGEST_EXTENSION_SECONDS);
}

function isFor(route: string, match: string): boolean {
  return route === '*' || route === match;
}
