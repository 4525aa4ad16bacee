/*
 * One node of the pool: its checked calls, its queue (back-pressure), its breaker. Failures are counted and logged here.
 * Effects: the node, the log, the counters.
 */
import { type Msat } from '#protocol/msat.ts';
import { refuse, type Result } from '#protocol/result.ts';
import { type CheckedInvoice, type CheckedNodeOptions, createCheckedNode } from './checked-node.ts';
import { describeFault } from './fault-text.ts';
import { type Metrics, type NodeGauges } from './metrics.ts';
import { createNodeBreaker, type NodeBreaker } from './node-breaker.ts';
import { type InvoiceOrder, type InvoiceState, type LightningNode, type NodeRefusal } from './ports.ts';
import { createWorkQueue, type Caller, type QueueRefusal } from './work-queue.ts';

/** One node of the bridge. */
export interface NodeEntry {
  /** Unique; used in log, metrics and health. */
  readonly name: string;
  readonly node: LightningNode;
  /** Concurrent calls. */
  readonly concurrency: number;
}

export interface MemberOptions extends CheckedNodeOptions {
  /** Most calls waiting for one node. */
  readonly queueCapacity: number;
  readonly metrics: Metrics;
  /** A clock for measuring only. */
  readonly stopwatchMs: () => number;
}

export interface NodeStatus {
  readonly name: string;
  readonly backend: string;
  readonly status: 'ok' | 'node_unavailable';
  readonly breaker: 'closed' | 'open';
  readonly settlement: LightningNode['settlement'];
  readonly smallestMsat: Msat;
  /** `undefined`: its backend cannot tell it, or it does not answer. */
  readonly nodeKeyHex: string | undefined;
}

/** The outer result is the queue's, the inner one the node's. */
type Queued<Value> = Promise<Result<Result<Value, NodeRefusal>, QueueRefusal>>;

export interface PoolMember extends NodeEntry {
  mint(order: InvoiceOrder, caller?: Caller): Queued<CheckedInvoice>;
  lookUp(paymentHashHex: string, caller?: Caller): Queued<InvoiceState>;
  /** Asks the node for its state. */
  readStatus(): Promise<NodeStatus>;
  readGauges(): NodeGauges;
}

/** Whether the node itself has failed, and not the order: only then is it a reason to ask another one. */
export function isNodeFailure({ code }: Pick<NodeRefusal, 'code'>): boolean {
  return code === 'node_unavailable' || code === 'node_answer_wrong';
}

/** Creates a member of the pool. */
export function createPoolMember(entry: NodeEntry, options: MemberOptions): PoolMember {
  const { clock, metrics, queueCapacity, stopwatchMs } = options;
  const { name, node, concurrency } = entry;
  const queue = createWorkQueue({ concurrency, capacity: queueCapacity, nowMs: stopwatchMs });
  const checked = createCheckedNode(node, options);
  const breaker = createNodeBreaker();
  const guarded: Guarded = { ...options, name, breaker };
  return {
    ...entry,

    mint: (order, caller) =>
      queue.run(async () => {
        const startMs = stopwatchMs();
        const minted = await ask(guarded, { operation: 'mint', call: () => checked.mint(order) });
        if (minted.ok) metrics.countMint(name, stopwatchMs() - startMs);
        return minted;
      }, caller),

    lookUp: (paymentHashHex, caller) =>
      queue.run(() => ask(guarded, { operation: 'look_up', call: () => checked.lookUp(paymentHashHex) }), caller),

    readStatus: () => readStatus(node, guarded),

    readGauges: () => {
      return { name, waiting: queue.waiting, running: queue.running, isBreakerOpen: breaker.isOpen(clock.nowSeconds()) };
    },
  };
}

interface Guarded extends Pick<MemberOptions, 'clock' | 'log' | 'metrics'> {
  readonly name: string;
  readonly breaker: NodeBreaker;
}

/**
 * Makes one call to the node, counted by its breaker. A node whose breaker is open refuses at once, even if it opened while
 * the call was queued.
 */
async function ask<Value>(
  { name, breaker, clock, log, metrics }: Guarded,
  { operation, call }: { operation: 'mint' | 'look_up'; call: () => Promise<Result<Value, NodeRefusal>> },
): Promise<Result<Value, NodeRefusal>> {
  if (!breaker.admit(clock.nowSeconds()))
    return refuse({ code: 'node_unavailable', detail: 'the Lightning node has failed and is left alone for a while' });
  const answer = await call();
  if (answer.ok || !isNodeFailure(answer.refusal)) {
    breaker.succeed();
    return answer;
  }
  const { code, detail, fault } = answer.refusal;
  metrics.countFailure({ node: name, operation, reason: fault ?? code });
  if (fault !== undefined) log({ event: 'node_failed', node: name, operation, fault, detail });
  if (breaker.fail(clock.nowSeconds()) === 'opened') log({ event: 'breaker_opened', node: name });
  return answer;
}

async function readStatus(node: LightningNode, { name, breaker, clock, log }: Guarded): Promise<NodeStatus> {
  const status = await node.health().catch((error: unknown) => {
    log({ event: 'fault', ...describeFault(error) });
    return 'node_unavailable' as const;
  });
  const breakerState = breaker.isOpen(clock.nowSeconds()) ? 'open' : 'closed';
  const { kind: backend, settlement, smallestMsat } = node;
  const key = status === 'ok' ? await node.nodeKeyHex().catch(() => undefined) : undefined;
  const nodeKeyHex = key?.ok === true ? key.value : undefined;
  return { name, backend, status, breaker: breakerState, settlement, smallestMsat, nodeKeyHex };
}
