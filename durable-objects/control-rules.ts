/*
 * What changes rarely and every isolate must know: which origins are down, which tokens, epochs and keys are revoked, what is
 * under maintenance. This is the state of the single control object and how each message changes it. Every list is bounded
 * and every entry ends. An entry that must not be forgotten early is never evicted: a full list answers `full`. Pure.
 */
import { CLOSED_BREAKER, countVote, type Breaker, type BreakerSettings, type OriginVote } from './breaker-rules.ts';

/** What is revoked: one token by its whole identifier, an epoch of a key, or a key with all its epochs (M30). */
export type Revoked =
  | { readonly kind: 'token'; readonly identifierHex: string }
  | { readonly kind: 'epoch'; readonly keyId: number; readonly startHours: number }
  | { readonly kind: 'key'; readonly keyId: number };

export interface Revocation {
  readonly revoked: Revoked;
  /** Not before the last token it covers has ended. */
  readonly endsAtSeconds: number;
}

/** A maintenance period. After its end it is remembered as long as it extends passes. */
export interface Maintenance {
  /** The route as written in the configuration; `*` for all routes. */
  readonly route: string;
  readonly fromSeconds: number;
  /** `undefined`: until the operator ends it. */
  readonly untilSeconds?: number;
  /** Passes that were valid at the start are extended by its duration. */
  readonly extendsPasses: boolean;
}

export interface MaintenanceOrder {
  readonly route: string;
  readonly isOn: boolean;
  readonly untilSeconds?: number;
  readonly extendsPasses?: boolean;
}

/** What an isolate has seen of an origin since its last report. */
export interface OriginReport {
  readonly origin: string;
  readonly settings: BreakerSettings;
  readonly votes: readonly OriginVote[];
}

export interface ControlState {
  /** Increases whenever the snapshot changes. */
  readonly version: number;
  readonly breakers: ReadonlyMap<string, Breaker>;
  readonly revocations: readonly Revocation[];
  readonly maintenances: readonly Maintenance[];
}

/** The copy of the state that isolates keep. */
export interface ControlSnapshot {
  readonly version: number;
  /** Origins whose breaker is not closed; it is half open from `openUntilMs` on. */
  readonly breakers: readonly { readonly origin: string; readonly openUntilMs: number }[];
  readonly revocations: readonly Revocation[];
  readonly maintenances: readonly Maintenance[];
}

/** Empty when the isolate already has the latest version. */
export interface SnapshotAnswer {
  readonly snapshot?: ControlSnapshot;
}

/** `full` and `malformed`: nothing was recorded. */
export type ControlAnswer = 'recorded' | 'full' | 'malformed';

export const EMPTY_CONTROL: ControlState = { version: 0, breakers: new Map(), revocations: [], maintenances: [] };
export const MOST_ORIGINS = 256;
/** To revoke more tokens, revoke their epoch or key. A full snapshot takes some 400 KB. */
export const MOST_REVOCATIONS = 2000;
export const MOST_MAINTENANCES = 128;
/** No key of a token is in use for longer: an epoch and its grace period last at most a leap year each. */
export const LONGEST_REVOCATION_SECONDS = 3 * 366 * 86_400;
/** How long an ended maintenance that extends passes is remembered. */
export const MAINTENANCE_MEMORY_SECONDS = 31 * 86_400;
const LONGEST_ROUTE = 512;

/** Adds a revocation, or extends one. */
export function revoke(
  state: ControlState,
  { revoked, endsAtSeconds }: Revocation,
  nowSeconds: number,
): { readonly answer: ControlAnswer; readonly state: ControlState } {
  const name = nameRevoked(revoked);
  const isEndPossible = endsAtSeconds > nowSeconds && endsAtSeconds <= nowSeconds + LONGEST_REVOCATION_SECONDS;
  if (name === undefined || !isEndPossible) return { answer: 'malformed', state };
  const known = state.revocations.find((candidate) => nameRevoked(candidate.revoked) === name);
  if (known !== undefined && known.endsAtSeconds >= endsAtSeconds) return { answer: 'recorded', state };
  const others = state.revocations.filter((candidate) => candidate !== known);
  // A clock can be set back: ended revocations are kept as long as there is space.
  const kept = others.length < MOST_REVOCATIONS ? others : others.filter((candidate) => candidate.endsAtSeconds > nowSeconds);
  if (kept.length >= MOST_REVOCATIONS) return { answer: 'full', state };
  return { answer: 'recorded', state: change(state, { revocations: [...kept, { revoked, endsAtSeconds }] }) };
}

/** Begins or ends a maintenance. Beginning one that is under way changes its end. */
export function setMaintenance(
  state: ControlState,
  order: MaintenanceOrder,
  nowSeconds: number,
): { readonly answer: ControlAnswer; readonly state: ControlState } {
  const { route, isOn, untilSeconds, extendsPasses = false } = order;
  if (route === '' || route.length > LONGEST_ROUTE) return { answer: 'malformed', state };
  if (untilSeconds !== undefined && untilSeconds <= nowSeconds) return { answer: 'malformed', state };
  const remembered = state.maintenances.filter((maintenance) => !isForgotten(maintenance, nowSeconds));
  const current = remembered.find((maintenance) => maintenance.route === route && isUnderWay(maintenance, nowSeconds));
  const others = remembered.filter((maintenance) => maintenance !== current);
  if (!isOn) {
    const ended = current?.extendsPasses === true ? [{ ...current, untilSeconds: nowSeconds }] : [];
    return { answer: 'recorded', state: current === undefined ? state : change(state, { maintenances: [...others, ...ended] }) };
  }
  if (others.length >= MOST_MAINTENANCES) return { answer: 'full', state };
  const maintenance = {
    route,
    fromSeconds: current?.fromSeconds ?? nowSeconds,
    ...(untilSeconds === undefined ? {} : { untilSeconds }),
    extendsPasses,
  };
  return { answer: 'recorded', state: change(state, { maintenances: [...others, maintenance] }) };
}

/** Counts the votes that isolates have reported for origins. */
export function countReports(state: ControlState, reports: readonly OriginReport[], nowMs: number): ControlState {
  const breakers = new Map(state.breakers);
  let hasChanged = false;
  for (const { origin, settings, votes } of reports) {
    const before = breakers.get(origin);
    if (before === undefined && breakers.size >= MOST_ORIGINS) {
      // A closed breaker holds nothing but its window, so it can be evicted.
      const closed = [...breakers].find(([, { openUntilMs }]) => openUntilMs === 0);
      if (closed === undefined) continue;
      breakers.delete(closed[0]);
    }
    const after = votes.reduce((breaker, vote) => countVote(breaker, vote, { settings, nowMs }), before ?? CLOSED_BREAKER);
    breakers.set(origin, after);
    hasChanged ||= after.openUntilMs !== (before?.openUntilMs ?? 0);
  }
  return hasChanged ? change(state, { breakers }) : { ...state, breakers };
}

/** Returns the snapshot for isolates. */
export function takeSnapshot({ version, breakers, revocations, maintenances }: ControlState, nowSeconds: number): ControlSnapshot {
  return {
    version,
    breakers: [...breakers].flatMap(([origin, { openUntilMs }]) => (openUntilMs === 0 ? [] : [{ origin, openUntilMs }])),
    revocations: revocations.filter(({ endsAtSeconds }) => endsAtSeconds > nowSeconds),
    maintenances: maintenances.filter((maintenance) => !isForgotten(maintenance, nowSeconds)),
  };
}

/** Returns a unique name for a thing that can be revoked; `undefined` if it is not valid. */
export function nameRevoked(revoked: Revoked): string | undefined {
  switch (revoked.kind) {
    case 'token':
      return /^[0-9a-f]{132}$/.test(revoked.identifierHex) ? `token ${revoked.identifierHex}` : undefined;
    case 'epoch':
      return isByte(revoked.keyId) && Number.isInteger(revoked.startHours) && revoked.startHours >= 0
        ? `epoch ${revoked.keyId} ${revoked.startHours}`
        : undefined;
    case 'key':
      return isByte(revoked.keyId) ? `key ${revoked.keyId}` : undefined;
    default:
      // Isolates and objects may run different versions: an unknown kind is not recorded.
      return undefined;
  }
}

function isByte(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 255;
}

function change(state: ControlState, changes: Partial<ControlState>): ControlState {
  return { ...state, ...changes, version: state.version + 1 };
}

function isUnderWay({ untilSeconds }: Maintenance, nowSeconds: number): boolean {
  return untilSeconds === undefined || untilSeconds > nowSeconds;
}

function isForgotten({ untilSeconds, extendsPasses }: Maintenance, nowSeconds: number): boolean {
  if (untilSeconds === undefined) return false;
  return untilSeconds + (extendsPasses ? MAINTENANCE_MEMORY_SECONDS : 0) <= nowSeconds;
}
