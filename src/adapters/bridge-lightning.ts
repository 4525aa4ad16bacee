/*
 * The Lightning port over HTTP to the bridge (bridge-call.ts): what is ordered and looked up there, and which node makes its
 * invoices. Effects: one fetch per call.
 */
import {
  LOOK_UP_LIMIT_MS,
  LookupAnswer,
  MINT_LIMIT_MS,
  MintAnswer,
  MintBatchAnswer,
  MOST_ORDERS_IN_BATCH,
  NodeAnswer,
  type MintBatchRequest,
  type MintRequest,
} from '#lnd-bridge/contract.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Background, type Clock, type InvoiceOrder, type KnownNode, type Lightning } from '../ports.ts';
import { createBridgeCall, type BridgeCall, type BridgeOptions } from './bridge-call.ts';

/** In bytes, far above the largest answer of the contract about a batch. */
const LARGEST_BATCH_ANSWER = MOST_ORDERS_IN_BATCH * 5000;
/** What a bridge accepts by default, in bytes: orders beyond it are left out. */
const LARGEST_BATCH = 16_384;

/** How old the knowledge of the current node may be, and how often it is asked for. Each invoice brings it too. */
const NODE_KNOWN_MS = 300_000;
const NODE_ASKED_MS = 60_000;
/** The part of its key that distinguishes nodes. */
const NODE_NAME_DIGITS = 18;
const LARGEST_NODE_ANSWER = 65_536;

const STATES = { open: 'open', settled: 'settled', expired: 'gone', canceled: 'gone' } as const;

/** Creates the Lightning port of the bridge at this URL. */
export function createBridgeLightning(options: BridgeOptions): Lightning {
  const call = createBridgeCall(options);
  const { current, learn } = watchNode(call, options.clock);
  return {
    currentNode: current,
    async mint(order) {
      const body = JSON.stringify(formatOrder(order));
      const limitMs = MINT_LIMIT_MS;
      const minted = await call({ method: 'POST', pathAndQuery: '/v1/invoices', body, limitMs, schema: MintAnswer });
      const { invoice, settlement } = minted;
      return { invoice, settlement, node: learn(minted.nodeKeyHex) };
    },
    async mintBatch(orders) {
      const body = formatBatch(orders);
      const pathAndQuery = '/v1/invoices/batch';
      const bounds = { limitMs: MINT_LIMIT_MS, largestAnswer: LARGEST_BATCH_ANSWER };
      const { results } = await call({ method: 'POST', pathAndQuery, body, ...bounds, schema: MintBatchAnswer });
      return orders.map((_, index) => {
        const result = results[index];
        if (result === undefined || !('invoice' in result)) return undefined;
        return { invoice: result.invoice, settlement: result.settlement, node: learn(result.nodeKeyHex) };
      });
    },
    async lookUp(paymentHash) {
      const asked = formatHex(paymentHash);
      const pathAndQuery = `/v1/invoices/${asked}`;
      const answer = await call({ method: 'GET', pathAndQuery, body: '', limitMs: LOOK_UP_LIMIT_MS, schema: LookupAnswer });
      if (answer.paymentHashHex !== asked) throw new Error('the bridge answered for another invoice');
      return STATES[answer.state];
    },
  };
}

/** Keeps the node that makes the invoices now. Each invoice tells it; without invoices the bridge is asked. */
function watchNode(call: BridgeCall, clock: Clock) {
  let node: KnownNode | undefined;
  let askedAtMs: number | undefined;
  /** Returns the name under which the node is known. */
  const learn = (nodeKeyHex: string | undefined): string | undefined => {
    if (nodeKeyHex === undefined) return undefined;
    node = { name: nodeKeyHex.slice(0, NODE_NAME_DIGITS), learnedAtMs: clock() };
    return node.name;
  };
  const ask = async () => {
    const bounds = { limitMs: LOOK_UP_LIMIT_MS, largestAnswer: LARGEST_NODE_ANSWER };
    const { nodes } = await call({ method: 'GET', pathAndQuery: '/v1/node', body: '', ...bounds, schema: NodeAnswer });
    // Invoices come from the first node that is usable.
    learn(nodes.find(({ status, breaker }) => status === 'ok' && breaker === 'closed')?.nodeKeyHex);
  };
  const current = (background: Background): KnownNode | undefined => {
    const nowMs = clock();
    const isOld = node === undefined || Math.abs(nowMs - node.learnedAtMs) >= NODE_KNOWN_MS;
    if (isOld && (askedAtMs === undefined || Math.abs(nowMs - askedAtMs) >= NODE_ASKED_MS)) {
      askedAtMs = nowMs;
      // Without an answer the node stays unknown, and nothing is dropped.
      background(ask().catch(() => undefined));
    }
    return node;
  };
  return { current, learn };
}

function formatOrder({ amountMsat, ...order }: InvoiceOrder): MintRequest {
  return { amountMsat: String(amountMsat), ...order };
}

/** Formats as many orders, from the first on, as fit in one request; at least one. */
function formatBatch(orders: readonly InvoiceOrder[]): string {
  const fitting = orders.slice(0, MOST_ORDERS_IN_BATCH).map(formatOrder);
  for (;;) {
    const body = JSON.stringify({ orders: fitting } satisfies MintBatchRequest);
    if (fitting.length <= 1 || new TextEncoder().encode(body).length <= LARGEST_BATCH) return body;
    fitting.pop();
  }
}
