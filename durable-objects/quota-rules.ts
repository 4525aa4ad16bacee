/*
 * What a client without a payment may have: requests, free calls, invoices. A usage records what one of them has used. The same rules
 * apply to the usage of a client, of the larger network around it, and of all clients together (M20). An ask must pass all of
 * them. A refusal is not counted, so a flood of refused requests writes nothing. Pure.
 *
 *   ask ─ too many requests ▶ refused     ─ a free call left ▶ free     ─ too many invoices ▶ refused     ─ else ▶ challenge
 *                                                                         (or the same again: M18)
 */
import { CROWD_RETRY_MS } from './crowd-rules.ts';
import { ISSUED_WEIGHT, type IssuedChallenge } from './issued-rules.ts';
import { type KnownNode, type PoolBounds, type ReadyChallenge } from './pool-rules.ts';
import { takeRates, type RateBound, type RateLog, type RateReading } from './rate-rules.ts';

/** A client as quotas count it, and its larger network: an IPv6 /64 and its /48. */
export interface ClientKey {
  readonly key: string;
  readonly group?: string;
  /** The client's network and the area of that network, as far as known (M35). */
  readonly crowd?: readonly string[];
}

export interface QuotaBounds {
  /** Requests without a verified token. `undefined`: no limit. */
  readonly requests?: RateBound;
  /** Free calls. `undefined`: none. */
  readonly free?: { readonly calls: number; readonly periodMs: number };
  readonly challenges: { readonly perMinute: number; readonly open: number };
}

/** An invoice that was issued and, as far as is known, not paid. */
export interface OpenChallenge {
  readonly id: string;
  readonly atMs: number;
  readonly endsAtMs: number;
}

export interface Usage {
  readonly requests: RateLog;
  readonly challenges: readonly OpenChallenge[];
  readonly free: readonly { readonly scope: string; readonly used: number; readonly endsAtMs: number }[];
  /** For a single client: challenges that may be issued to it again. */
  readonly issued?: readonly IssuedChallenge[];
  /** For a single client: its network and area. */
  readonly crowd?: readonly string[];
  /** After this instant it can be deleted. */
  readonly endsAtMs: number;
}

export interface QuotaAsk {
  /** What free calls are counted for: a route or a service. */
  readonly scope: string;
  /** The id to give to the challenge, if the answer is one; a paid use gives it back by this id. */
  readonly challengeId: string;
  /** How long the invoice can be paid. */
  readonly challengeMs: number;
  /** What would be sold. `undefined`: the price is not known yet. */
  readonly offer?: QuotaOffer | undefined;
  /**
   * Payment hashes presented with the request: their challenges are never issued again. `undefined`: they cannot be read, so
   * no challenge is issued again.
   */
  readonly presented?: readonly string[] | undefined;
}

/** An offer as the object knows it. */
export interface QuotaOffer {
  /** A digest of everything in its tokens and invoices: other terms make another offer. */
  readonly key: string;
  /** The ask comes from a single, known client, which may be issued its existing challenge again when it is over its limits. */
  readonly repeats: boolean;
  /** `undefined`: its challenges are not made in advance. */
  readonly pool?: PoolBounds | undefined;
  /** The node whose invoices can be paid now; `undefined`: unknown. */
  readonly node?: KnownNode | undefined;
}

/** A challenge that is no longer open, because it was paid or could not be made, and the client that asked for it. */
export interface PaidChallenge {
  readonly client: ClientKey;
  readonly challengeId: string;
  /** Without an invoice it is not open, but it still counts in its minute: asking for it had a cost. */
  readonly wasMade?: false;
}

export type QuotaPolicy = 'requests' | 'free' | 'challenges';
export type QuotaReading = RateReading & { readonly policy: QuotaPolicy };

export type QuotaAnswer =
  | { readonly kind: 'free'; readonly readings: readonly QuotaReading[] }
  | {
      readonly kind: 'challenge';
      readonly readings: readonly QuotaReading[];
      /** `undefined`: the caller has to make one. */
      readonly item?: ReadyChallenge;
      /** How many challenges of this offer the receiver of this answer should make in advance. */
      readonly refill?: number;
      /** The client is over its limits and was issued this one before (M18). */
      readonly isRepeated?: true;
    }
  | {
      readonly kind: 'refused';
      readonly by: Exclude<QuotaPolicy, 'free'>;
      /** The client is within its own limits, but the total of all clients is nearly used up. */
      readonly isCrowded?: true;
      readonly retryAfterSeconds: number;
      readonly readings: readonly QuotaReading[];
      /** Offers for which the client has a challenge that could be issued again. */
      readonly held?: readonly string[];
    };

/** One level of counting: the client first, then the groups that contain it. */
export interface QuotaLevel {
  readonly usage: Usage;
  readonly bounds: QuotaBounds;
}

export interface QuotaDecision {
  readonly answer: QuotaAnswer;
  /** The new usages, in order; `undefined` if refused. */
  readonly usages?: readonly Usage[];
  /** The usages if the client gets its existing challenge again: one more request, no new challenge. */
  readonly repeatUsages?: readonly Usage[];
  /** The challenge that the new usages count as open. */
  readonly challenge?: OpenChallenge;
}

export const NO_USAGE: Usage = { requests: [], challenges: [], free: [], endsAtMs: 0 };
/** A /48 holds 65,536 clients of one owner: together they get this many times the limits of one (M20). */
export const GROUP_FACTOR = 10;
/** Most routes with free calls for one client. Further routes get none. */
export const MOST_FREE_SCOPES = 64;
export const MINUTE_MS = 60_000;

/** Decides one request without a verified token. `isCrowded`: the client must leave the remaining capacity to others. */
export function askQuota(levels: readonly QuotaLevel[], ask: QuotaAsk & { readonly isCrowded?: boolean }, nowMs: number): QuotaDecision {
  const live = levels.map(({ usage, bounds }) => ({ usage: cleanUsage(usage, nowMs), bounds }));
  const limited = live.filter(({ bounds }) => bounds.requests !== undefined);
  const requests = takeRates(
    limited.map(({ usage, bounds }) => ({ log: usage.requests, bound: bounds.requests! })),
    nowMs,
  );
  if (!requests.allowed) return refuseAsk('requests', requests.retryAfterSeconds);
  const own = live[0]?.bounds.requests === undefined ? [] : [{ policy: 'requests' as const, ...requests.readings[0]! }];
  const counted = live.map((level): QuotaLevel => {
    const log = requests.logs?.[limited.indexOf(level)];
    if (log === undefined) return level;
    const { usage, bounds } = level;
    return { bounds, usage: keep(usage, { requests: log }, nowMs + bounds.requests!.windowMs) };
  });

  const free = takeFree(counted, ask, nowMs);
  if (free !== undefined) return { answer: { kind: 'free', readings: [...own, free.reading] }, usages: free.usages };

  const waits = counted.map((level) => challengeWaitMs(level, nowMs));
  const waitMs = Math.max(...waits, ask.isCrowded === true ? CROWD_RETRY_MS : 0);
  if (waitMs > 0) {
    const { answer } = refuseAsk('challenges', seconds(waitMs));
    const isOthers = answer.kind === 'refused' && (waits[0] ?? 0) === 0;
    return { answer: isOthers ? { ...answer, isCrowded: true } : answer, repeatUsages: counted.map(({ usage }) => usage) };
  }
  const challenge = { id: ask.challengeId, atMs: nowMs, endsAtMs: nowMs + ask.challengeMs };
  const usages = counted.map(({ usage }) =>
    keep(usage, { challenges: [...usage.challenges, challenge] }, Math.max(challenge.endsAtMs, nowMs + MINUTE_MS)),
  );
  return {
    answer: { kind: 'challenge', readings: [...own, readChallenges({ ...counted[0]!, usage: usages[0]! }, nowMs)] },
    usages,
    challenge,
  };
}

/** Returns the usage with a ready challenge in place of the one that it counts. */
export function countReady(usage: Usage, challenge: OpenChallenge, { id, endsAtMs }: ReadyChallenge): Usage {
  const ready = { id, atMs: challenge.atMs, endsAtMs };
  // The challenge was counted last.
  return keep(usage, { challenges: [...usage.challenges.slice(0, -1), ready] }, endsAtMs);
}

/** Returns the usage without a paid challenge; `undefined` if it does not hold that challenge. */
export function giveBackChallenge(usage: Usage, { challengeId, wasMade }: Omit<PaidChallenge, 'client'>): Usage | undefined {
  const found = usage.challenges.find(({ id }) => id === challengeId);
  if (found === undefined) return undefined;
  const left = wasMade !== false ? [] : [{ ...found, endsAtMs: found.atMs }];
  return {
    ...keepIssued(usage, (issued) => issued.filter(({ item }) => item.id !== challengeId)),
    challenges: usage.challenges.flatMap((challenge) => (challenge === found ? left : [challenge])),
  };
}

/** Returns the limits of a larger network. */
export function widenBounds({ requests, free, challenges }: QuotaBounds): QuotaBounds {
  return {
    ...(requests === undefined ? {} : { requests: { ...requests, limit: requests.limit * GROUP_FACTOR } }),
    ...(free === undefined ? {} : { free: { ...free, calls: free.calls * GROUP_FACTOR } }),
    challenges: { perMinute: challenges.perMinute * GROUP_FACTOR, open: challenges.open * GROUP_FACTOR },
  };
}

/** Returns how many items a usage holds. */
export function weighUsage({ requests, challenges, free, issued = [] }: Usage): number {
  return 1 + requests.length + challenges.length + free.length + issued.length * ISSUED_WEIGHT;
}

/** Reports only what was exceeded, not whose limit it was: a client must not learn how busy others are. */
function refuseAsk(by: 'requests' | 'challenges', retryAfterSeconds: number): QuotaDecision {
  return { answer: { kind: 'refused', by, retryAfterSeconds, readings: [{ policy: by, remaining: 0, resetSeconds: retryAfterSeconds }] } };
}

function keepIssued(usage: Usage, change: (issued: readonly IssuedChallenge[]) => readonly IssuedChallenge[]): Usage {
  return usage.issued === undefined ? usage : { ...usage, issued: change(usage.issued) };
}

/** Copies nothing unless something has ended: the usage of all clients is long, and every ask reads it. */
function cleanUsage(usage: Usage, nowMs: number): Usage {
  const { challenges, free } = usage;
  const isLive = ({ atMs, endsAtMs }: OpenChallenge) => endsAtMs > nowMs || isRecent(atMs, nowMs);
  return {
    ...keepIssued(usage, (issued) => issued.filter(({ item }) => item.endsAtMs > nowMs)),
    challenges: challenges.every(isLive) ? challenges : challenges.filter(isLive),
    free: free.filter(({ endsAtMs }) => endsAtMs > nowMs),
  };
}

function keep(usage: Usage, change: Partial<Usage>, endsAtMs: number): Usage {
  return { ...usage, ...change, endsAtMs: Math.max(usage.endsAtMs, endsAtMs) };
}

/** Takes a free call at every level; `undefined` if one of them has none left. */
function takeFree(
  levels: readonly QuotaLevel[],
  { scope }: QuotaAsk,
  nowMs: number,
): { readonly usages: readonly Usage[]; readonly reading: QuotaReading } | undefined {
  const usages: Usage[] = [];
  let reading: QuotaReading | undefined;
  for (const { usage, bounds } of levels) {
    const use = usage.free.find((candidate) => candidate.scope === scope);
    const used = use?.used ?? 0;
    if (bounds.free === undefined || used >= bounds.free.calls) return undefined;
    if (use === undefined && usage.free.length >= MOST_FREE_SCOPES) return undefined;
    const endsAtMs = use?.endsAtMs ?? nowMs + bounds.free.periodMs;
    const others = usage.free.filter((candidate) => candidate !== use);
    usages.push(keep(usage, { free: [...others, { scope, used: used + 1, endsAtMs }] }, endsAtMs));
    reading ??= { policy: 'free', remaining: bounds.free.calls - used - 1, resetSeconds: seconds(endsAtMs - nowMs) };
  }
  return reading === undefined ? undefined : { usages, reading };
}

/** Returns the time until one more challenge may be issued; 0: now. */
function challengeWaitMs({ usage, bounds }: QuotaLevel, nowMs: number): number {
  const { recent, open } = countChallenges(usage, nowMs);
  const { perMinute, open: mostOpen } = bounds.challenges;
  // After a limit was lowered, more than one challenge has to end first.
  const minuteWait = recent < perMinute ? 0 : instantAt(recentInstants(usage, nowMs), recent - perMinute, nowMs) + MINUTE_MS - nowMs;
  const openWait = open < mostOpen ? 0 : instantAt(openEnds(usage, nowMs), open - mostOpen, nowMs + MINUTE_MS) - nowMs;
  return Math.max(minuteWait, openWait);
}

function readChallenges(level: QuotaLevel, nowMs: number): QuotaReading {
  const { recent, open } = countChallenges(level.usage, nowMs);
  const { perMinute, open: mostOpen } = level.bounds.challenges;
  const remaining = Math.max(0, Math.min(perMinute - recent, mostOpen - open));
  const untilMs =
    remaining > 0 ? instantAt(recentInstants(level.usage, nowMs), 0, nowMs) + MINUTE_MS - nowMs : challengeWaitMs(level, nowMs);
  return { policy: 'challenges', remaining, resetSeconds: seconds(untilMs) };
}

/** Counts in one pass: every ask pays this cost at the usage of all clients. */
export function countChallenges({ challenges }: Usage, nowMs: number): { readonly recent: number; readonly open: number } {
  let recent = 0;
  let open = 0;
  for (const { atMs, endsAtMs } of challenges) {
    if (isRecent(atMs, nowMs)) recent += 1;
    if (endsAtMs > nowMs) open += 1;
  }
  return { recent, open };
}

function isRecent(atMs: number, nowMs: number): boolean {
  return atMs > nowMs - MINUTE_MS;
}

function recentInstants({ challenges }: Usage, nowMs: number): RateLog {
  return challenges.flatMap(({ atMs }) => (isRecent(atMs, nowMs) ? [atMs] : []));
}

function openEnds({ challenges }: Usage, nowMs: number): RateLog {
  return challenges.flatMap(({ endsAtMs }) => (endsAtMs > nowMs ? [endsAtMs] : [])).toSorted((left, right) => left - right);
}

function instantAt(instants: RateLog, index: number, otherwise: number): number {
  return instants[index] ?? otherwise;
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
