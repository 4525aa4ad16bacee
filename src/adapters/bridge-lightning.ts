/*
 * The Lightning port over HTTP to the bridge: signed requests, and answers whose signature belongs to this very request and
 * whose form is exactly the contract's (M28). Over the public network, or through a binding to a service or a VPC. Effects:
 * one fetch per call.
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
import { checkAnswer, signRequest, type BridgeKey } from '#lnd-bridge/request-auth.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Clock, type InvoiceOrder, type KnownNode, type Lightning, type Random } from '../ports.ts';
import { type ServiceBinding } from './pricing-service.ts';

/** Far above the largest answer of the contract about one invoice. */
const LARGEST_ANSWER = 16_384;
/** The same for a batch. */
const LARGEST_BATCH_ANSWER = MOST_ORDERS_IN_BATCH * 5000;
/** What a bridge accepts by default, in bytes: orders beyond it are left out. */
const LARGEST_BATCH = 16_384;

export interface BridgeOptions {
  /** Without a trailing slash. */
  readonly url: string;
  /** A binding through which the bridge is reached; it makes the host of the URL irrelevant. */
  readonly binding?: ServiceBinding | undefined;
  readonly key: BridgeKey;
  readonly clock: Clock;
  readonly random: Random;
}

interface BridgeCall<Answer> {
  readonly method: 'GET' | 'POST';
  readonly pathAndQuery: string;
  /** Empty: no body. */
  readonly body: string;
  readonly limitMs: number;
  /** In bytes. Default: that of one invoice. */
  readonly largestAnswer?: number;
  /** From the contract. */
  readonly schema: { readonly safeParse: (value: unknown) => { readonly success: boolean; readonly data?: Answer | undefined } };
}

/** How old the knowledge of the current node may be, and how often it is asked for. Each invoice brings it too. */
const NODE_KNOWN_MS = 300_000;
const NODE_ASKED_MS = 60_000;
/** The part of its key that distinguishes nodes. */
const NODE_NAME_DIGITS = 18;
const LARGEST_NODE_ANSWER = 65_536;

const STATES = { open: 'open', settled: 'settled', expired: 'gone', canceled: 'gone' } as const;

/** Creates the Lightning port of the bridge at this URL. */
export function createBridgeLightning({ url, binding, key, clock, random }: BridgeOptions): Lightning {
  async function call<Answer>({ limitMs, largestAnswer = LARGEST_ANSWER, schema, ...request }: BridgeCall<Answer>): Promise<Answer> {
    const { method, pathAndQuery, body } = request;
    const nonceHex = formatHex(random(16));
    const send: ServiceBinding['fetch'] = (address, init) => (binding === undefined ? fetch(address, init) : binding.fetch(address, init));
    const response = await send(`${url}${pathAndQuery}`, {
      method,
      headers: { 'content-type': 'application/json', ...signRequest(request, { key, nowSeconds: Math.floor(clock() / 1000), nonceHex }) },
      body: body === '' ? null : body,
      redirect: 'manual',
      signal: AbortSignal.timeout(limitMs),
    });
    const text = await response.text();
    if (text.length > largestAnswer) throw new Error('the bridge sent an answer that is too large');
    const header = (name: string) => response.headers.get(name);
    if (!checkAnswer({ status: response.status, body: text, nonceHex, header }, key)) {
      // The most common mistake when setting up a bridge: it signs nothing for keys that it does not know.
      const hint = response.status === 401 ? ': do BRIDGE_KEY_ID, BRIDGE_SECRET and the clocks agree with those of the bridge?' : '';
      throw new Error(`the bridge answered ${response.status} without a signature of its own${hint}`);
    }
    if (response.status !== 200) throw new Error(`the bridge answered ${response.status}`);
    const { data } = schema.safeParse(JSON.parse(text));
    if (data === undefined) throw new Error('the bridge sent an answer that is not of the contract');
    return data;
  }

  let node: KnownNode | undefined;
  let askedAtMs: number | undefined;
  const learn = (nodeKeyHex: string | undefined): string | undefined => {
    if (nodeKeyHex === undefined) return undefined;
    node = { name: nodeKeyHex.slice(0, NODE_NAME_DIGITS), learnedAtMs: clock() };
    return node.name;
  };
  const askForNode = async () => {
    const bounds = { limitMs: LOOK_UP_LIMIT_MS, largestAnswer: LARGEST_NODE_ANSWER };
    const { nodes } = await call({ method: 'GET', pathAndQuery: '/v1/node', body: '', ...bounds, schema: NodeAnswer });
    // Invoices come from the first node that is usable.
    learn(nodes.find(({ status, breaker }) => status === 'ok' && breaker === 'closed')?.nodeKeyHex);
  };

  return {
    currentNode(background) {
      const nowMs = clock();
      const isOld = node === undefined || Math.abs(nowMs - node.learnedAtMs) >= NODE_KNOWN_MS;
      if (isOld && (askedAtMs === undefined || Math.abs(nowMs - askedAtMs) >= NODE_ASKED_MS)) {
        askedAtMs = nowMs;
        // Without an answer the node stays unknown, and nothing is dropped.
        background(askForNode().catch(() => undefined));
      }
      return node;
    },
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
