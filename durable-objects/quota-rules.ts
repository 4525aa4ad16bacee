/*
 * What one who has not paid may have: so many requests, so many free calls, so many invoices. A usage count says what has been
 * used; the same rules hold for the usage count of a client, of the larger network it is in, and of all clients together (M20).
 * An ask passes under all of them or under none, and what is refused is not counted: a flood of refusals writes nothing.
 * Pure.
 *
 *   ask ─ too many requests ▶ refused     ─ a free call left ▶ free     ─ too many invoices ▶ refused     ─ else ▶ challenge
 *                                                                         (or the same again: M18)
 */
import { CROWD_RETRY_MS } from './crowd-rules.ts';
import { ISSUED_WEIGHT, type IssuedChallenge } from './issued-rules.ts';
import { type KnownNode, type PoolBounds, type ReadyChallenge } from './pool-rules.ts';
import { takeRates, type RateBound, type RateLog, type RateReading } from './rate-rules.ts';

/** A client as quotas count it, and the larger network it is in: an IPv6 /64 and its /48. */
export interface ClientKey {
  readonly key: string;
  readonly group?: string;
  /** Whom it comes from: its network, and the area that is in; only as far as that is known (M35). */
  readonly crowd?: readonly string[];
}

export interface QuotaBounds {
  /** Requests without a verified token. No bound if left out. */
  readonly requests?: RateBound;
  /** Calls that are given away. None if left out. */
  readonly free?: { readonly calls: number; readonly periodMs: number };
  readonly challenges: { readonly perMinute: number; readonly open: number };
}

/** An invoice that has been offered and, as far as we know, not been paid. */
export interface OpenChallenge {
  readonly id: string;
  readonly atMs: number;
  readonly endsAtMs: number;
}

export interface Usage {
  readonly requests: RateLog;
  readonly challenges: readonly OpenChallenge[];
  readonly free: readonly { readonly scope: string; readonly used: number; readonly endsAtMs: number }[];
  /** Of a single client: challenges that it may be given again. */
  readonly issued?: readonly IssuedChallenge[];
  /** Of a single client: whom it comes from. */
  readonly crowd?: readonly string[];
  /** From then on nothing of it counts any more. */
  readonly endsAtMs: number;
}

export interface QuotaAsk {
  /** What free calls are counted for: a route or a service. */
  readonly scope: string;
  /** Names the challenge, should it come to one; a paid use gives it back by this name. */
  readonly challengeId: string;
  /** How long the invoice can be paid. */
  readonly challengeMs: number;
  /** What would be sold. Nothing: the price is not known yet. */
  readonly offer?: QuotaOffer | undefined;
  /** Payment hashes that the request shows: their challenges are never given again. Nothing: they cannot be told, so none is. */
  readonly presented?: readonly string[] | undefined;
}

/** An offer as the object knows it. */
export interface QuotaOffer {
  /** A digest of everything that stands in its tokens and invoices: other terms are another offer. */
  readonly key: string;
  /** The client is one client, and may be given the challenge again that it has already, when it is over its bounds. */
  readonly repeats: boolean;
  /** Nothing: its challenges are not made beforehand. */
  readonly pool?: PoolBounds | undefined;
  /** Whose invoices can be paid now; `undefined`: nobody knows. */
  readonly node?: KnownNode | undefined;
}

/** A challenge that nobody will pay any more, because it was paid or could not be made, and who had asked for it. */
export interface PaidChallenge {
  readonly client: ClientKey;
  readonly challengeId: string;
  /** Without an invoice it is not open, but one of its minute all the same: asking for it has cost something. */
  readonly wasMade?: false;
}

export type QuotaPolicy = 'requests' | 'free' | 'challenges';
export type QuotaReading = RateReading & { readonly policy: QuotaPolicy };

export type QuotaAnswer =
  | { readonly kind: 'free'; readonly readings: readonly QuotaReading[] }
  | {
      readonly kind: 'challenge';
      readonly readings: readonly QuotaReading[];
      /** Nothing: one has to be made. */
      readonly item?: ReadyChallenge;
      /** So many challenges of this offer are to be made beforehand, by whoever gets this answer. */
      readonly refill?: number;
      /** The client is over its bounds and had this one already (M18). */
      readonly isRepeated?: true;
    }
  | {
      readonly kind: 'refused';
      readonly by: Exclude<QuotaPolicy, 'free'>;
      /** Its own bounds would have let the client have it: what all have together is nearly used up. */
      readonly isCrowded?: true;
      readonly retryAfterSeconds: number;
      readonly readings: readonly QuotaReading[];
      /** Offers whose challenge the client has already and could be given again. */
      readonly held?: readonly string[];
    };

/** The client first, then whatever it is a part of. */
export interface QuotaLevel {
  readonly usage: Usage;
  readonly bounds: QuotaBounds;
}

export interface QuotaDecision {
  readonly answer: QuotaAnswer;
  /** The new usage counts, in order; none when refused. */
  readonly usages?: readonly Usage[];
  /** The usage counts if the client is given a challenge again that it has: a request, and no new challenge. */
  readonly repeatUsages?: readonly Usage[];
  /** What the usage counts now count as open. */
  readonly challenge?: OpenChallenge;
}

export const NO_USAGE: Usage = { requests: [], challenges: [], free: [], endsAtMs: 0 };
/** A /48 holds 65,536 clients of its owner's making: together they get this many times what one gets (M20). */
export const GROUP_FACTOR = 10;
/** Routes with free calls, for one client. More get none. */
export const MOST_FREE_SCOPES = 64;
export const MINUTE_MS = 60_000;

/** Decides about one request without a verified token. `isCrowded`: the client has to leave what is left to others. */
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

/** The usage count with one that was ready in the place of the challenge that it counts. */
export function countReady(usage: Usage, challenge: OpenChallenge, { id, endsAtMs }: ReadyChallenge): Usage {
  const ready = { id, atMs: challenge.atMs, endsAtMs };
  // It was counted last.
  return keep(usage, { challenges: [...usage.challenges.slice(0, -1), ready] }, endsAtMs);
}

/** The usage count without a challenge that was paid; nothing if it holds no such challenge. */
export function giveBackChallenge(usage: Usage, { challengeId, wasMade }: Omit<PaidChallenge, 'client'>): Usage | undefined {
  const found = usage.challenges.find(({ id }) => id === challengeId);
  if (found === undefined) return undefined;
  const left = wasMade !== false ? [] : [{ ...found, endsAtMs: found.atMs }];
  return {
    ...keepIssued(usage, (issued) => issued.filter(({ item }) => item.id !== challengeId)),
    challenges: usage.challenges.flatMap((challenge) => (challenge === found ? left : [challenge])),
  };
}

/** The bounds of a larger network. */
export function widenBounds({ requests, free, challenges }: QuotaBounds): QuotaBounds {
  return {
    ...(requests === undefined ? {} : { requests: { ...requests, limit: requests.limit * GROUP_FACTOR } }),
    ...(free === undefined ? {} : { free: { ...free, calls: free.calls * GROUP_FACTOR } }),
    challenges: { perMinute: challenges.perMinute * GROUP_FACTOR, open: challenges.open * GROUP_FACTOR },
  };
}

/** How many things a usage count remembers. */
export function weighUsage({ requests, challenges, free, issued = [] }: Usage): number {
  return 1 + requests.length + challenges.length + free.length + issued.length * ISSUED_WEIGHT;
}

/** Says only what was exceeded, and not whether it was the client's own bound: how busy others are is nobody's business. */
function refuseAsk(by: 'requests' | 'challenges', retryAfterSeconds: number): QuotaDecision {
  return { answer: { kind: 'refused', by, retryAfterSeconds, readings: [{ policy: by, remaining: 0, resetSeconds: retryAfterSeconds }] } };
}

function keepIssued(usage: Usage, change: (issued: readonly IssuedChallenge[]) => readonly IssuedChallenge[]): Usage {
  return usage.issued === undefined ? usage : { ...usage, issued: change(usage.issued) };
}

/** Nothing is copied where nothing has ended: a usage count of all clients is long, and everyone asks it. */
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

/** A free call of everyone concerned; nothing if one of them has none left. */
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

/** Until one more challenge may be offered; 0 if it may be now. */
function challengeWaitMs({ usage, bounds }: QuotaLevel, nowMs: number): number {
  const { recent, open } = countChallenges(usage, nowMs);
  const { perMinute, open: mostOpen } = bounds.challenges;
  // After a bound has been lowered more than one has to go.
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

/** In one pass: this is what every ask costs at the usage count of all clients. */
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
