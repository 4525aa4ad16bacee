/*
 * Pushes the payments of one node to the gateway, in sequence and without a gap (M24). Only the gateway stores the index:
 * each turn begins by asking for it, and the node continues from there, so neither side has to remember anything across a
 * restart of the other. Effects: the node, the pushes, log and counters.
 */
import { MOST_SETTLED_IN_PUSH, type SettlementPush } from './contract.ts';
import { describeFault } from './fault-text.ts';
import { type Push } from './gateway-push.ts';
import { type Metrics } from './metrics.ts';
import { type NodeEntry } from './node-pool.ts';
import { type Wait } from './nodes/node-answers.ts';
import { type Clock, type Log, type SettledPayment } from './ports.ts';

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
type Turn = 'renewed' | 'broken';

/** Starts the feed of a node; `undefined` if the node has none. */
export function startFeed({ name, node }: Pick<NodeEntry, 'name' | 'node'>, options: FeedOptions): SettlementFeed | undefined {
  const { push, clock, wait, log, metrics } = options;
  const { followSettled } = node;
  if (followSettled === undefined) return undefined;
  const stop = new AbortController();
  let hasMoved = false;
  /** The index after which payments were still missing when the node was asked again: it has none there. */
  let gapAfter: number | undefined;

  function fail(reason: string, detail: string): Turn {
    if (stop.signal.aborted) return 'broken';
    metrics.countPushFailure({ node: name, reason });
    log({ event: 'feed_failed', node: name, reason, detail });
    return 'broken';
  }

  async function follow(): Promise<Turn> {
    const key = await node.nodeKeyHex();
    if (!key.ok) return fail(key.refusal.fault ?? key.refusal.code, key.refusal.detail);
    const feed = nameFeed(name, key.value);
    const greeted = await push({ feed, fromIndex: 0, settled: [] }, stop.signal);
    if (!greeted.ok) return fail(greeted.refusal.reason, greeted.refusal.detail);
    let index = greeted.value;
    let turn: Turn = 'broken';
    const over = new AbortController();
    const signal = AbortSignal.any([stop.signal, over.signal]);
    const end = (how: Turn): void => {
      turn = how;
      over.abort();
    };
    void wait(RENEW_MS, signal).then(() => signal.aborted || end('renewed'));

    async function take(settled: readonly SettledPayment[]): Promise<void> {
      const beforeOf = (at: number): number => settled[at - 1]?.index ?? index;
      // A feed at index 0 accepts any first payment.
      const isGap = (before: number, next: number): boolean => next !== before + 1 && before !== 0 && before !== gapAfter;
      const gapAt = settled.findIndex((payment, at) => isGap(beforeOf(at), payment.index));
      const whole = gapAt === -1 ? settled : settled.slice(0, gapAt);
      const gap = gapAt === -1 ? undefined : beforeOf(gapAt);
      for (const part of splitPush(whole, clock.nowSeconds())) {
        if (signal.aborted) return;
        const taken = await push({ feed, fromIndex: index, settled: part }, signal);
        const last = part.at(-1)!;
        if (!taken.ok) {
          if (!signal.aborted) fail(taken.refusal.reason, taken.refusal.detail);
          return end('broken');
        }
        if (taken.value !== last.index) {
          fail('elsewhere', 'the gateway stands elsewhere: going on from there');
          return end('broken');
        }
        index = last.index;
        hasMoved = true;
        metrics.countPush(name, { payments: part.length, index, lagSeconds: Math.max(0, clock.nowSeconds() - last.settledAtSeconds) });
      }
      if (gap === undefined) return;
      gapAfter = gap;
      end('renewed');
    }

    try {
      const refusal = await followSettled!(index, { signal, take });
      if (refusal !== undefined && !signal.aborted) return fail(refusal.fault ?? refusal.code, refusal.detail);
    } finally {
      over.abort();
    }
    return turn;
  }

  async function run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!stop.signal.aborted) {
      hasMoved = false;
      const turn = await follow().catch((error: unknown) => {
        log({ event: 'fault', ...describeFault(error) });
        return 'broken' as const;
      });
      if (hasMoved || turn === 'renewed') pauseMs = FIRST_PAUSE_MS;
      if (turn === 'renewed') continue;
      await wait(pauseMs, stop.signal);
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    }
  }

  const running = run();
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
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
