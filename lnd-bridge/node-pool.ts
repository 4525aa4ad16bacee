/*
 * The nodes behind the bridge, in the order of the settings: the first available one makes the invoice, and an invoice
 * belongs to the node that made it. All nodes share one rate limit. Effects: the nodes, the log, the counters.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { createRateLimit, type RateLimit } from './admission.ts';
import { type CheckedInvoice } from './checked-node.ts';
import { type NodeGauges } from './metrics.ts';
import { createPoolMember, isNodeFailure, type MemberOptions, type NodeEntry, type NodeStatus, type PoolMember } from './pool-member.ts';
import { type Clock, type InvoiceOrder, type InvoiceState, type LightningNode, type NodeRefusal } from './ports.ts';
import { type Caller, type QueueRefusal } from './work-queue.ts';

export interface NodePoolOptions extends MemberOptions {
  readonly maxMintsPerSecond: number;
}

export interface PoolRefusal extends Pick<NodeRefusal, 'detail'> {
  readonly code: NodeRefusal['code'] | 'queue_full' | 'amount_invalid' | 'rate_exceeded';
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

/** The share of the invoices per second that is reserved for waiting clients. */
const KEPT_FOR_CLIENTS = 0.25;

/** The owner is remembered for this many of the latest invoices; for older ones every node is asked. */
const MOST_OWNERS = 100_000;

/** What the pool's calls share. */
interface PoolState {
  readonly members: readonly PoolMember[];
  readonly clock: Clock;
  readonly rate: RateLimit;
  readonly maxMintsPerSecond: number;
  readonly ownerByHash: Owners;
  readonly ownerByKey: Owners;
}

/** Creates the pool of these nodes; at least one. */
export function createNodePool(entries: readonly NodeEntry[], options: NodePoolOptions): NodePool {
  const { clock, maxMintsPerSecond } = options;
  const members = entries.map((entry) => createPoolMember(entry, options));
  const pool: PoolState = {
    members,
    clock,
    rate: createRateLimit(maxMintsPerSecond),
    maxMintsPerSecond,
    ownerByHash: createOwners(members.length),
    ownerByKey: createOwners(members.length),
  };
  const withLock = createKeyLock();
  return {
    settlement: members.some(({ node }) => node.settlement === 'strict') ? 'strict' : 'preimage',
    // One at a time per key: a repeat that overtakes the first would make a second invoice on another node.
    mint: (order, caller) => withLock(order.idempotencyKey, () => mint(pool, { order, caller })),
    lookUp: (paymentHashHex, caller) => lookUp(pool, { paymentHashHex, caller }),
    statuses: () => Promise.all(members.map((member) => member.readStatus())),
    gauges: () => members.map((member) => member.readGauges()),
  };
}

async function mint(pool: PoolState, { order, caller }: { order: InvoiceOrder; caller: Caller | undefined }): ReturnType<NodePool['mint']> {
  const { members, clock, rate, maxMintsPerSecond, ownerByHash, ownerByKey } = pool;
  const keepFree = caller?.waiting !== 'nobody' ? 0 : Math.ceil(maxMintsPerSecond * KEPT_FOR_CLIENTS);
  if (!rate.take(clock.nowSeconds(), keepFree)) {
    return refuse({ code: 'rate_exceeded', detail: `at most ${maxMintsPerSecond} invoices a second are made here` });
  }
  const owner = ownerByKey.get(order.idempotencyKey);
  const fitting = members.filter(({ name, node }) => (owner ?? name) === name && order.amountMsat % node.smallestMsat === 0n);
  if (fitting.length === 0) {
    const [first] = members;
    return refuse({ code: 'amount_invalid', detail: `this node knows whole multiples of ${first!.node.smallestMsat} msat only` });
  }
  let refusal: PoolRefusal | undefined;
  for (const member of fitting) {
    const asked = await member.mint(order, caller);
    if (!asked.ok) return turnAway(asked.refusal);
    const minted = asked.value;
    if (minted.ok) {
      ownerByHash.set(minted.value.paymentHashHex, member.name);
      ownerByKey.set(order.idempotencyKey, member.name);
      return accept({ minted: minted.value, name: member.name });
    }
    refusal = { code: minted.refusal.code, detail: minted.refusal.detail };
    if (!isNodeFailure(minted.refusal)) return refuse(refusal);
  }
  return refuse(refusal!);
}

async function lookUp(
  { members, ownerByHash }: PoolState,
  { paymentHashHex, caller }: { paymentHashHex: string; caller: Caller | undefined },
): ReturnType<NodePool['lookUp']> {
  const owner = ownerByHash.get(paymentHashHex);
  let refusal: PoolRefusal | undefined;
  for (const member of members) {
    if (owner !== undefined && member.name !== owner) continue;
    const asked = await member.lookUp(paymentHashHex, caller);
    if (!asked.ok) return turnAway(asked.refusal);
    const looked = asked.value;
    if (looked.ok) return looked;
    // As long as one node cannot be asked, the invoice is not known to be unknown.
    if (refusal === undefined || refusal.code === 'invoice_unknown') refusal = { code: looked.refusal.code, detail: looked.refusal.detail };
  }
  return refuse(refusal!);
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

/** Creates a lock for each key: tasks of one key run one after another, those of different keys at once. */
function createKeyLock(): <Value>(key: string, task: () => Promise<Value>) => Promise<Value> {
  const pending = new Map<string, Promise<unknown>>();
  return async (key, task) => {
    const before = pending.get(key);
    const after = (async () => {
      await before;
      return task();
    })();
    const finished = after.catch(() => undefined);
    pending.set(key, finished);
    try {
      return await after;
    } finally {
      if (pending.get(key) === finished) pending.delete(key);
    }
  };
}

function turnAway(refusal: QueueRefusal): ReturnType<typeof refuse<PoolRefusal>> {
  const detail = refusal === 'full' ? 'too many requests wait for the Lightning node' : 'the Lightning node could not do it in time';
  return refuse({ code: 'queue_full', detail });
}
