/*
 * Pushes the payments of one node to the gateway, in sequence and without a gap (M24). Only the gateway stores the index:
 * each turn begins by asking for it, and the node continues from there, so neither side has to remember anything across a
 * restart of the other. Effects: the node, the pushes, log and counters.
 */
import { MOST_SETTLED_IN_PUSH, type SettlementPush } from './contract.ts';
import { describeFault } from './fault-text.ts';
import { type Push } from './gateway-push.ts';
import { type Metrics } from './metrics.ts';
import { type NodeEntry } from './pool-member.ts';
import { type Wait } from './nodes/node-answers.ts';
import { type Clock, type LightningNode, type Log, type SettledPayment } from './ports.ts';

export interface SettlementFeed {
  /** Stops; work in progress is aborted, because the next start continues at the gateway's index. */
  close(): Promise<void>;
}

export interface FeedOptions {
  readonly push: Push;
  readonly clock: Clock;
  readonly wait: Wait;
  readonly log: Log;
  readonly metrics: Metrics;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/**
 * How often a turn is renewed. A node may omit a payment, and a connection may be dead without a sign: continuing from the
 * index recovers what was missed.
 */
export const RENEW_MS = 300_000;
/** The gateway forgets payments of this age. They are skipped, except for the last one, which carries the node's index. */
const OLD_SECONDS = 48 * 3600;

/** The end of a turn: after `broken` the next one waits. */
type TurnEnd = 'renewed' | 'broken';

/** A feed, from its start to its close. */
interface Feed extends FeedOptions {
  readonly node: LightningNode;
  readonly followSettled: NonNullable<LightningNode['followSettled']>;
  /** The node's name in log and metrics. */
  readonly nodeName: string;
  readonly stop: AbortSignal;
  /** Whether this turn has pushed a payment. */
  hasMoved: boolean;
  /** The index after which payments were still missing when the node was asked again: it has none there. */
  gapAfter: number | undefined;
}

/** One turn: from asking the gateway for its index until the turn is renewed or breaks off. */
interface Turn {
  readonly feed: Feed;
  /** The feed's name at the gateway. */
  readonly name: string;
  /** The gateway's index. */
  index: number;
  /** Aborts at the end of the turn. */
  readonly signal: AbortSignal;
  readonly end: (how: TurnEnd) => void;
}

/** Starts the feed of a node; `undefined` if the node has none. */
export function startFeed({ name, node }: Pick<NodeEntry, 'name' | 'node'>, options: FeedOptions): SettlementFeed | undefined {
  const { followSettled } = node;
  if (followSettled === undefined) return undefined;
  const stop = new AbortController();
  const running = run({ ...options, node, followSettled, nodeName: name, stop: stop.signal, hasMoved: false, gapAfter: undefined });
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}

/** Takes turns until the feed is stopped. */
async function run(feed: Feed): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS;
  while (!feed.stop.aborted) {
    feed.hasMoved = false;
    const end = await follow(feed).catch((error: unknown) => {
      feed.log({ event: 'fault', ...describeFault(error) });
      return 'broken' as const;
    });
    if (feed.hasMoved || end === 'renewed') pauseMs = FIRST_PAUSE_MS;
    if (end === 'renewed') continue;
    await feed.wait(pauseMs, feed.stop);
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }
}

/** Takes one turn. */
async function follow(feed: Feed): Promise<TurnEnd> {
  const key = await feed.node.nodeKeyHex();
  if (!key.ok) return fail(feed, { reason: key.refusal.fault ?? key.refusal.code, detail: key.refusal.detail });
  const name = nameFeed(feed.nodeName, key.value);
  const greeted = await feed.push({ feed: name, fromIndex: 0, settled: [] }, feed.stop);
  if (!greeted.ok) return fail(feed, greeted.refusal);
  let turnEnd: TurnEnd = 'broken';
  const over = new AbortController();
  const signal = AbortSignal.any([feed.stop, over.signal]);
  const end = (how: TurnEnd): void => {
    turnEnd = how;
    over.abort();
  };
  void feed.wait(RENEW_MS, signal).then(() => signal.aborted || end('renewed'));
  const turn: Turn = { feed, name, index: greeted.value, signal, end };
  try {
    const refusal = await feed.followSettled(turn.index, { signal, take: (settled) => pushSettled(turn, settled) });
    if (refusal !== undefined && !signal.aborted) return fail(feed, { reason: refusal.fault ?? refusal.code, detail: refusal.detail });
  } finally {
    over.abort();
  }
  return turnEnd;
}

/** Pushes these payments up to the first gap, and ends the turn there: the next one asks the node again. */
async function pushSettled(turn: Turn, settled: readonly SettledPayment[]): Promise<void> {
  const { feed } = turn;
  const { push, clock, metrics, nodeName } = feed;
  const { whole, gap } = splitAtGap(settled, { index: turn.index, gapAfter: feed.gapAfter });
  for (const part of splitPush(whole, clock.nowSeconds())) {
    if (turn.signal.aborted) return;
    const taken = await push({ feed: turn.name, fromIndex: turn.index, settled: part }, turn.signal);
    const last = part.at(-1)!;
    if (!taken.ok) {
      if (!turn.signal.aborted) fail(feed, taken.refusal);
      return turn.end('broken');
    }
    if (taken.value !== last.index) {
      fail(feed, { reason: 'elsewhere', detail: 'the gateway stands elsewhere: going on from there' });
      return turn.end('broken');
    }
    turn.index = last.index;
    feed.hasMoved = true;
    const lagSeconds = Math.max(0, clock.nowSeconds() - last.settledAtSeconds);
    metrics.countPush(nodeName, { payments: part.length, index: turn.index, lagSeconds });
  }
  if (gap === undefined) return;
  feed.gapAfter = gap;
  turn.end('renewed');
}

/** Reports a failure, unless it comes from the stop. */
function fail({ stop, metrics, log, nodeName }: Feed, { reason, detail }: { reason: string; detail: string }): 'broken' {
  if (stop.aborted) return 'broken';
  metrics.countPushFailure({ node: nodeName, reason });
  log({ event: 'feed_failed', node: nodeName, reason, detail });
  return 'broken';
}

/** Takes the payments that follow the index without a gap; `gap` is the index after which one is missing. */
function splitAtGap(
  settled: readonly SettledPayment[],
  { index, gapAfter }: { index: number; gapAfter: number | undefined },
): { whole: readonly SettledPayment[]; gap: number | undefined } {
  const beforeOf = (at: number): number => settled[at - 1]?.index ?? index;
  // A feed at index 0 accepts any first payment.
  const isGap = (before: number, next: number): boolean => next !== before + 1 && before !== 0 && before !== gapAfter;
  const gapAt = settled.findIndex((payment, at) => isGap(beforeOf(at), payment.index));
  return gapAt === -1 ? { whole: settled, gap: undefined } : { whole: settled.slice(0, gapAt), gap: beforeOf(gapAt) };
}

/** Names a feed. A node that restarts its numbering under the same name and key needs a new name from its operator. */
function nameFeed(name: string, keyHex: string | undefined): string {
  return keyHex === undefined ? name : `${name}-${keyHex.slice(0, 16)}`;
}

/** Splits payments into pushes, without those that the gateway would forget. Only the fields named here are sent (M28). */
function* splitPush(settled: readonly SettledPayment[], nowSeconds: number): Iterable<SettlementPush['settled']> {
  const wanted = settled.filter(({ settledAtSeconds }, at) => settledAtSeconds > nowSeconds - OLD_SECONDS || at === settled.length - 1);
  for (let at = 0; at < wanted.length; at += MOST_SETTLED_IN_PUSH) {
    yield wanted
      .slice(at, at + MOST_SETTLED_IN_PUSH)
      .map(({ index, paymentHashHex, settledAtSeconds }) => ({ index, paymentHashHex, settledAtSeconds }));
  }
}
