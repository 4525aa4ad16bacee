/*
 * The control port: this isolate's snapshot of the control object, refreshed in the background of requests at a fixed
 * interval, which also sends what the isolate has seen of its origins. Only a request that finds no snapshot, or a very old
 * one, waits for the refresh; while the object is unreachable nobody waits. Effects: object calls, a timer.
 */
import { type BreakerSettings, type OriginOutcome } from '#durable-objects/breaker-rules.ts';
import { type Control as ControlObject } from '#durable-objects/control.ts';
import { nameRevoked, type ControlSnapshot, type OriginReport, type SnapshotAnswer } from '#durable-objects/control-rules.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Background, type Clock, type Control, type ControlIndex, type Log, type Random, type Wait } from '../ports.ts';
import { collectVotes, type CastVotes } from './origin-votes.ts';

export interface ControlOptions {
  readonly refreshSeconds: number;
  /** An older snapshot counts as missing (M30). */
  readonly staleMaxSeconds: number;
  /** `undefined`: no reports. */
  readonly breaker: BreakerSettings | undefined;
  /** Probes an origin, if the seller has configured a path for it. */
  readonly probe?: ((origin: string) => Promise<OriginOutcome>) | undefined;
  readonly clock: Clock;
  readonly wait: Wait;
  readonly random: Random;
  readonly log: Log;
}

/** There is one object per gateway. */
const OBJECT_NAME = 'control/1';
/** A refresh that takes longer has failed. */
const LONGEST_REFRESH_MS = 2000;
/** The delay if failures of an origin have to be reported. */
const HURRIED_REFRESH_MS = 1000;
/** The first delay after a failure. It doubles each time, so that an overloaded object can recover. */
const FIRST_RETRY_MS = 1000;
export const LONGEST_RETRY_MS = 15_000;
/** How often an isolate reports that a quota shard is in use. */
const NOTE_AGAIN_MS = 600_000;
const MOST_PROBES = 4;

/** Creates the control port for the control object of a namespace. */
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

/** Keeps the snapshot that `exchange` fetches: it sends reports, and receives a snapshot if there is one newer than `version`. */
export function keepSnapshot(
  exchange: (reports: readonly OriginReport[], version: number) => Promise<SnapshotAnswer>,
  { refreshSeconds, staleMaxSeconds, breaker, probe, clock, wait, random, log }: ControlOptions,
): Pick<Control, 'read' | 'report'> {
  let snapshot: ControlSnapshot | undefined;
  let index: ControlIndex | undefined;
  let refreshedAtMs = 0;
  const pending = collectVotes();
  const retry = createBackOff(random);

  const send = async (votes: CastVotes) => {
    const reports = breaker === undefined ? [] : [...votes].map(([origin, cast]) => ({ origin, settings: breaker, votes: cast }));
    const answer = await withLimit(exchange(reports, snapshot?.version ?? -1), wait);
    if (answer.snapshot !== undefined) {
      snapshot = answer.snapshot;
      index = indexSnapshot(snapshot);
    } else if (snapshot === undefined) {
      throw new Error('the control object sent no snapshot');
    }
    refreshedAtMs = clock();
    retry.clear();
  };

  const lookForItself = async (votes: CastVotes) => {
    if (probe === undefined || snapshot === undefined) return;
    const seen = await probeOrigins(listSuspects(votes, snapshot, clock()), probe);
    if (seen.size > 0) await send(seen);
  };

  const refresh = async () => {
    const votes = pending.take();
    try {
      await send(votes);
      await lookForItself(votes);
    } catch (error) {
      retry.grow();
      log('fault', { at: 'control.refresh', message: error instanceof Error ? error.message : 'unknown' });
    }
  };

  const refreshes = runOneAtATime(refresh, clock);
  const startIfDue = (background: Background) => {
    const intervalMs = retry.ms ?? (pending.hasBadNews ? HURRIED_REFRESH_MS : refreshSeconds * 1000);
    if (refreshes.msSinceStart() >= intervalMs) void refreshes.start(background);
  };
  const isStale = () => index === undefined || msBetween(clock(), refreshedAtMs) > staleMaxSeconds * 1000;

  return {
    read(background) {
      if (isStale() && retry.ms === undefined) {
        return withLimit(refreshes.start(background), wait)
          .catch(() => undefined)
          .then(() => ({ index, isStale: isStale() }));
      }
      startIfDue(background);
      return { index, isStale: isStale() };
    },
    report({ origin, ...vote }, background) {
      pending.add(origin, vote);
      if (pending.hasBadNews) startIfDue(background);
    },
  };
}

/** Runs one refresh at a time, unless the request that started it was cut off together with it. */
function runOneAtATime(refresh: () => Promise<void>, clock: Clock) {
  let startedAtMs = 0;
  let refreshing: Promise<void> | undefined;
  return {
    start(background: Background): Promise<void> {
      const nowMs = clock();
      if (refreshing !== undefined && msBetween(nowMs, startedAtMs) < 2 * LONGEST_REFRESH_MS) return refreshing;
      startedAtMs = nowMs;
      const started = refresh().finally(() => {
        if (refreshing === started) refreshing = undefined;
      });
      refreshing = started;
      background(started);
      return started;
    },
    /** The time since the latest start, finished or not. */
    msSinceStart: () => msBetween(clock(), startedAtMs),
  };
}

/** Lists the origins to probe: those that have just failed, and those whose breaker waits for a good call to close it. */
function listSuspects(votes: CastVotes, { breakers }: ControlSnapshot, nowMs: number): readonly string[] {
  const failed = [...votes].filter(([, cast]) => cast.some(({ outcome }) => outcome === 'failed')).map(([origin]) => origin);
  const halfOpen = breakers.filter(({ openUntilMs }) => openUntilMs <= nowMs).map(({ origin }) => origin);
  return [...new Set([...failed, ...halfOpen])].slice(0, MOST_PROBES);
}

async function probeOrigins(origins: readonly string[], probe: NonNullable<ControlOptions['probe']>): Promise<CastVotes> {
  return new Map(await Promise.all(origins.map(async (origin) => [origin, [{ outcome: await probe(origin), voters: [] }]] as const)));
}

/** The delay after failures. Half of it is random, so that isolates that failed together do not retry together. */
function createBackOff(random: Random) {
  let failures = 0;
  let ms: number | undefined;
  return {
    /** `undefined`: the last try did not fail. */
    get ms() {
      return ms;
    },
    grow() {
      const mostMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10));
      ms = mostMs / 2 + (mostMs / 2) * (random(1)[0]! / 255);
      failures += 1;
    },
    clear() {
      failures = 0;
      ms = undefined;
    },
  };
}

/** Returns the absolute difference: after a clock is set back, old data must not stay valid until it has caught up. */
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
