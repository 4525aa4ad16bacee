/*
 * The control port: this isolate's snapshot of the control object, refreshed in the background of requests on a stated
 * interval, and what the isolate has seen of its origins, sent along. Only a request that finds no snapshot, or one left
 * over from long ago, waits for it; while the object cannot be reached nobody waits. Effects: object calls, a timer.
 */
import { type BreakerSettings, type OriginOutcome, type OriginVote } from '#durable-objects/breaker-rules.ts';
import { type Control as ControlObject } from '#durable-objects/control.ts';
import { nameRevoked, type ControlSnapshot, type OriginReport, type SnapshotAnswer } from '#durable-objects/control-rules.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Background, type Clock, type Control, type ControlIndex, type Log, type Random, type Wait } from '../ports.ts';

export interface ControlOptions {
  readonly refreshSeconds: number;
  /** A snapshot that is older is as good as none (M30). */
  readonly staleMaxSeconds: number;
  /** Nothing: nobody reports. */
  readonly breaker: BreakerSettings | undefined;
  /** Looks at an origin for itself, where the seller has named a path for it. */
  readonly probe?: ((origin: string) => Promise<OriginOutcome>) | undefined;
  readonly clock: Clock;
  readonly wait: Wait;
  readonly random: Random;
  readonly log: Log;
}

/** The object is one for a gateway. */
const OBJECT_NAME = 'control/1';
/** A refresh that takes longer has failed. */
const LONGEST_REFRESH_MS = 2000;
/** When failures of an origin are to be reported. */
const HURRIED_REFRESH_MS = 1000;
/** After a failure: twice as long after each, so that an object that is down is not kept down by all that ask for it. */
const FIRST_RETRY_MS = 1000;
export const LONGEST_RETRY_MS = 15_000;
/** How often an isolate says that a place of the quota is in use. */
const NOTE_AGAIN_MS = 600_000;
/** Votes of one isolate on one origin between two refreshes. */
const MOST_PENDING_VOTES = 256;
const MOST_PROBES = 4;

/** The control object of a namespace, as this isolate knows it. */
export function createDurableControl(namespace: DurableObjectNamespace<ControlObject>, options: ControlOptions): Control {
  const stub = () => namespace.get(namespace.idFromName(OBJECT_NAME));
  const noted = new Map<number, number>();
  const exchange = (reports: readonly OriginReport[], version: number): Promise<SnapshotAnswer> =>
    reports.length === 0 ? stub().read(version) : stub().report(reports, version);
  return {
    ...keepSnapshot(exchange, options),
    revoke: async (revocation) => stub().revoke(revocation),
    setMaintenance: async (order) => stub().setMaintenance(order),
    noteStocked(shard, background) {
      const nowMs = options.clock();
      const notedAtMs = noted.get(shard);
      if (notedAtMs !== undefined && msBetween(nowMs, notedAtMs) < NOTE_AGAIN_MS) return;
      noted.set(shard, nowMs);
      background(
        stub()
          .noteStocked(shard)
          .catch(() => void noted.delete(shard)),
      );
    },
    stockedShards: async () => stub().stockedShards(),
  };
}

/** Keeps a snapshot that `exchange` gets: reports go there, and what is newer than `version` comes back. */
export function keepSnapshot(
  exchange: (reports: readonly OriginReport[], version: number) => Promise<SnapshotAnswer>,
  { refreshSeconds, staleMaxSeconds, breaker, probe, clock, wait, random, log }: ControlOptions,
): Pick<Control, 'read' | 'report'> {
  let snapshot: ControlSnapshot | undefined;
  let index: ControlIndex | undefined;
  let refreshedAtMs = 0;
  let startedAtMs = 0;
  let failures = 0;
  let retryMs = 0;
  let hasBadNews = false;
  let refreshing: Promise<void> | undefined;
  let pending = new Map<string, Map<string, OriginVote>>();

  const send = async (votes: ReadonlyMap<string, readonly OriginVote[]>) => {
    const reports = breaker === undefined ? [] : [...votes].map(([origin, cast]) => ({ origin, settings: breaker, votes: cast }));
    const answer = await withLimit(exchange(reports, snapshot?.version ?? -1), wait);
    if (answer.snapshot !== undefined) {
      snapshot = answer.snapshot;
      index = indexSnapshot(snapshot);
    } else if (snapshot === undefined) {
      throw new Error('the control object sent no snapshot');
    }
    refreshedAtMs = clock();
    failures = 0;
  };

  const lookForItself = async (suspects: readonly string[]) => {
    if (probe === undefined || snapshot === undefined) return;
    const halfOpen = snapshot.breakers.filter(({ openUntilMs }) => openUntilMs <= clock()).map(({ origin }) => origin);
    const origins = [...new Set([...suspects, ...halfOpen])].slice(0, MOST_PROBES);
    const seen = await Promise.all(origins.map(async (origin) => [origin, [{ outcome: await probe(origin), voters: [] }]] as const));
    if (seen.length > 0) await send(new Map(seen));
  };

  const refresh = async () => {
    const votes = new Map([...pending].map(([origin, cast]) => [origin, [...cast.values()]]));
    pending = new Map();
    hasBadNews = false;
    try {
      await send(votes);
      await lookForItself([...votes].filter(([, cast]) => cast.some(({ outcome }) => outcome === 'failed')).map(([origin]) => origin));
    } catch (error) {
      retryMs = backOffMs(failures, random);
      failures += 1;
      log('fault', { at: 'control.refresh', message: error instanceof Error ? error.message : 'unknown' });
    }
  };

  /** One refresh at a time, unless the request that began it was cut off with it. */
  const startRefresh = (background: Background): Promise<void> => {
    const nowMs = clock();
    if (refreshing !== undefined && msBetween(nowMs, startedAtMs) < 2 * LONGEST_REFRESH_MS) return refreshing;
    startedAtMs = nowMs;
    const started = refresh().finally(() => {
      if (refreshing === started) refreshing = undefined;
    });
    refreshing = started;
    background(started);
    return started;
  };

  const isStaleAt = (nowMs: number) => index === undefined || msBetween(nowMs, refreshedAtMs) > staleMaxSeconds * 1000;

  return {
    read(background) {
      const nowMs = clock();
      const isStale = isStaleAt(nowMs);
      if (isStale && failures === 0) {
        return withLimit(startRefresh(background), wait)
          .catch(() => undefined)
          .then(() => ({ index, isStale: isStaleAt(clock()) }));
      }
      const intervalMs = failures > 0 ? retryMs : hasBadNews ? HURRIED_REFRESH_MS : refreshSeconds * 1000;
      if (msBetween(nowMs, startedAtMs) >= intervalMs) void startRefresh(background);
      return { index, isStale };
    },
    report({ origin, ...vote }, background) {
      const cast = pending.get(origin) ?? new Map<string, OriginVote>();
      pending.set(origin, cast);
      const voter = vote.voters.join(' ');
      // News is worth more than what is old: a busy origin that has just gone down must not look well until the next refresh.
      if (cast.size >= MOST_PENDING_VOTES && !cast.has(voter)) cast.delete(cast.keys().next().value!);
      // The latest vote of a voter is the one that counts, and it counts in its place.
      cast.delete(voter);
      cast.set(voter, vote);
      hasBadNews ||= vote.outcome !== 'ok';
      const hurriedMs = failures > 0 ? retryMs : HURRIED_REFRESH_MS;
      if (hasBadNews && msBetween(clock(), startedAtMs) >= hurriedMs) void startRefresh(background);
    },
  };
}

/** Half of it is chance: isolates that have failed together do not come back together. */
function backOffMs(failures: number, random: Random): number {
  const mostMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10));
  return mostMs / 2 + (mostMs / 2) * (random(1)[0]! / 255);
}

/** A clock that is set back must not keep what was known until it has caught up. */
function msBetween(oneMs: number, otherMs: number): number {
  return Math.abs(oneMs - otherMs);
}

function indexSnapshot({ breakers, revocations, maintenances }: ControlSnapshot): ControlIndex {
  const revoked = new Set(revocations.map((revocation) => nameRevoked(revocation.revoked)));
  const hasTokens = revocations.some((revocation) => revocation.revoked.kind === 'token');
  return {
    openUntilMs: new Map(breakers.map(({ origin, openUntilMs }) => [origin, openUntilMs])),
    maintenances,
    isRevoked: ({ identifier, keyId, epochStartHours }) =>
      revoked.size > 0 &&
      (revoked.has(nameRevoked({ kind: 'key', keyId })) ||
        revoked.has(nameRevoked({ kind: 'epoch', keyId, startHours: epochStartHours })) ||
        (hasTokens && revoked.has(nameRevoked({ kind: 'token', identifierHex: formatHex(identifier) })))),
  };
}

async function withLimit<Value>(work: Promise<Value>, wait: Wait): Promise<Value> {
  const done = new AbortController();
  const late = wait(LONGEST_REFRESH_MS, done.signal).then((): never => {
    throw new Error('the control object did not answer in time');
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}
