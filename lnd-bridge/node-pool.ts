/*
 * The nodes behind the bridge, in the order of the settings: the first available one makes the invoice, and an invoice
 * belongs to the node that made it. Each node has its own queue (back-pressure) and breaker; all share one rate limit.
 * Effects: the nodes, the log, the counters.
 */
import { type Network } from '#protocol/invoice.ts';
import { type Msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { createRateLimit } from './admission.ts';
import { type CheckedInvoice, type CheckedNode, createCheckedNode } from './checked-node.ts';
import { describeFault } from './fault-text.ts';
import { type Metrics, type NodeGauges } from './metrics.ts';
import { createNodeBreaker, type NodeBreaker } from './node-breaker.ts';
import { type Clock, type InvoiceOrder, type InvoiceState, type LightningNode, type Log, type NodeRefusal } from './ports.ts';
import { createWorkQueue, type Caller, type QueueRefusal, type WorkQueue } from './work-queue.ts';

/** One node of the bridge. */
export interface NodeEntry {
  /** Unique; used in log, metrics and health. */
  readonly name: string;
  readonly node: LightningNode;
  /** Concurrent calls. */
  readonly concurrency: number;
}

export interface NodePoolOptions {
  readonly network: Network;
  readonly maxSkewSeconds: number;
  /** Most calls waiting for one node. */
  readonly queueCapacity: number;
  readonly maxMintsPerSecond: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** A clock for measuring only. */
  readonly stopwatchMs: () => number;
}

export interface PoolRefusal extends Pick<NodeRefusal, 'detail'> {
  readonly code: NodeRefusal['code'] | 'queue_full' | 'amount_invalid' | 'rate_exceeded';
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

export interface NodePool {
  /** One strict node makes the whole pool strict (M24): the node of the next invoice is not known in advance. */
  readonly settlement: LightningNode['settlement'];
  mint(order: InvoiceOrder, caller?: Caller): Promise<Result<{ readonly minted: CheckedInvoice; readonly name: string }, PoolRefusal>>;
  lookUp(paymentHashHex: string, caller?: Caller): Promise<Result<InvoiceState, PoolRefusal>>;
  /** Asks every node for its state. */
  statuses(): Promise<readonly NodeStatus[]>;
  gauges(): readonly NodeGauges[];
}

interface Member extends NodeEntry {
  readonly checked: CheckedNode;
  readonly queue: WorkQueue;
  readonly breaker: NodeBreaker;
}

/** The share of the invoices per second that is reserved for waiting clients. */
const KEPT_FOR_CLIENTS = 0.25;

/** The owner is remembered for this many of the latest invoices; for older ones every node is asked. */
const MOST_OWNERS = 100_000;

/** Creates the pool of these nodes; at least one. */
export function createNodePool(entries: readonly NodeEntry[], options: NodePoolOptions): NodePool {
  const { clock, log, metrics, queueCapacity, stopwatchMs } = options;
  const members = entries.map((entry): Member => {
    const queue = createWorkQueue({ concurrency: entry.concurrency, capacity: queueCapacity, nowMs: stopwatchMs });
    return { ...entry, checked: createCheckedNode(entry.node, options), queue, breaker: createNodeBreaker() };
  });
  const rate = createRateLimit(options.maxMintsPerSecond);
  const ownerByHash = createOwners(members.length);
  const ownerByKey = createOwners(members.length);
  const pending = new Map<string, Promise<unknown>>();

  /**
   * Makes one call to one node, counted by its breaker. A node whose breaker is open refuses at once, even if it opened while
   * the call was queued.
   */
  async function ask<Value>(
    { name, breaker }: Member,
    operation: 'mint' | 'look_up',
    call: () => Promise<Result<Value, NodeRefusal>>,
  ): Promise<Result<Value, NodeRefusal>> {
    if (!breaker.admit(clock.nowSeconds()))
      return refuse({ code: 'node_unavailable', detail: 'the Lightning node has failed and is left alone for a while' });
    const answer = await call();
    if (answer.ok || (answer.refusal.code !== 'node_unavailable' && answer.refusal.code !== 'node_answer_wrong')) {
      breaker.succeed();
      return answer;
    }
    const { code, detail, fault } = answer.refusal;
    metrics.countFailure({ node: name, operation, reason: fault ?? code });
    if (fault !== undefined) log({ event: 'node_failed', node: name, operation, fault, detail });
    if (breaker.fail(clock.nowSeconds()) === 'opened') log({ event: 'breaker_opened', node: name });
    return answer;
  }

  async function mintNow(order: InvoiceOrder, caller: Caller | undefined): ReturnType<NodePool['mint']> {
    const keepFree = caller?.waiting !== 'nobody' ? 0 : Math.ceil(options.maxMintsPerSecond * KEPT_FOR_CLIENTS);
    if (!rate.take(clock.nowSeconds(), keepFree)) {
      return refuse({ code: 'rate_exceeded', detail: `at most ${options.maxMintsPerSecond} invoices a second are made here` });
    }
    const owner = ownerByKey.get(order.idempotencyKey);
    const fitting = members.filter(({ name, node }) => (owner ?? name) === name && order.amountMsat % node.smallestMsat === 0n);
    if (fitting.length === 0) {
      const [first] = members;
      return refuse({ code: 'amount_invalid', detail: `this node knows whole multiples of ${first!.node.smallestMsat} msat only` });
    }
    let refusal: PoolRefusal | undefined;
    for (const member of fitting) {
      const asked = await member.queue.run(async () => {
        const startMs = stopwatchMs();
        const minted = await ask(member, 'mint', () => member.checked.mint(order));
        if (minted.ok) metrics.countMint(member.name, stopwatchMs() - startMs);
        return minted;
      }, caller);
      if (!asked.ok) return turnAway(asked.refusal);
      const minted = asked.value;
      if (minted.ok) {
        ownerByHash.set(minted.value.paymentHashHex, member.name);
        ownerByKey.set(order.idempotencyKey, member.name);
        return accept({ minted: minted.value, name: member.name });
      }
      refusal = { code: minted.refusal.code, detail: minted.refusal.detail };
      // Only a fault of the node itself is a reason to ask another one.
      if (refusal.code !== 'node_unavailable' && refusal.code !== 'node_answer_wrong') return refuse(refusal);
    }
    return refuse(refusal!);
  }

  return {
    settlement: members.some(({ node }) => node.settlement === 'strict') ? 'strict' : 'preimage',

    async mint(order, caller) {
      // One at a time per key: a repeat that overtakes the first would make a second invoice on another node.
      const before = pending.get(order.idempotencyKey);
      const after = (async () => {
        await before;
        return mintNow(order, caller);
      })();
      const settled = after.catch(() => undefined);
      pending.set(order.idempotencyKey, settled);
      try {
        return await after;
      } finally {
        if (pending.get(order.idempotencyKey) === settled) pending.delete(order.idempotencyKey);
      }
    },

    async lookUp(paymentHashHex, caller) {
      const owner = ownerByHash.get(paymentHashHex);
      let refusal: PoolRefusal | undefined;
      for (const member of members) {
        if (owner !== undefined && member.name !== owner) continue;
        const asked = await member.queue.run(() => ask(member, 'look_up', () => member.checked.lookUp(paymentHashHex)), caller);
        if (!asked.ok) return turnAway(asked.refusal);
        const looked = asked.value;
        if (looked.ok) return looked;
        // As long as one node cannot be asked, the invoice is not known to be unknown.
        if (refusal === undefined || refusal.code === 'invoice_unknown')
          refusal = { code: looked.refusal.code, detail: looked.refusal.detail };
      }
      return refuse(refusal!);
    },

    statuses: () =>
      Promise.all(
        members.map(async ({ name, node, breaker }) => {
          const status = await node.health().catch((error: unknown) => {
            log({ event: 'fault', ...describeFault(error) });
            return 'node_unavailable' as const;
          });
          const breakerState = breaker.isOpen(clock.nowSeconds()) ? 'open' : 'closed';
          const { kind: backend, settlement, smallestMsat } = node;
          const key = status === 'ok' ? await node.nodeKeyHex().catch(() => undefined) : undefined;
          const nodeKeyHex = key?.ok === true ? key.value : undefined;
          return { name, backend, status, breaker: breakerState, settlement, smallestMsat, nodeKeyHex };
        }),
      ),

    gauges: () =>
      members.map(({ name, queue, breaker }) => {
        return { name, waiting: queue.waiting, running: queue.running, isBreakerOpen: breaker.isOpen(clock.nowSeconds()) };
      }),
  };
}

interface Owners {
  get(key: string): string | undefined;
  set(key: string, name: string): void;
}

/** Remembers the latest owners; a bridge with one node needs no memory for this. */
function createOwners(nodes: number): Owners {
  const owners = new Map<string, string>();
  return {
    get: (key) => owners.get(key),
    set(key, name) {
      if (nodes === 1) return;
      if (owners.size >= MOST_OWNERS) owners.delete(owners.keys().next().value!);
      owners.set(key, name);
    },
  };
}

function turnAway(refusal: QueueRefusal): ReturnType<typeof refuse<PoolRefusal>> {
  const detail = refusal === 'full' ? 'too many requests wait for the Lightning node' : 'the Lightning node could not do it in time';
  return refuse({ code: 'queue_full', detail });
}
