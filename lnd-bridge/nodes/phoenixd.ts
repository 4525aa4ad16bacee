/*
 * phoenixd: forms in, JSON out, errors in plain text, whole satoshis only. It chooses the preimage itself and does not
 * recognize a repeated order, so the order's key is the external id and is looked up before a new invoice is made. Every
 * look-up includes the preimage, which is never read here. Effects: calls to the node.
 */
import * as z from 'zod/mini';
import { encodeAscii, formatBase64 } from '#protocol/bytes.ts';
import { msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import {
  type InvoiceOrder,
  type InvoiceState,
  type LightningNode,
  type MintedInvoice,
  type NodeFinding,
  type NodeRefusal,
} from '../ports.ts';
import { judgeError, readMintReply, readReply, readUnpaid } from './acinq-answers.ts';
import { createIdentity, findingOf, malformed, type NodeOptions, pollSettled, readSeconds, repeatMint } from './node-answers.ts';
import { type NodeReply } from './node-http.ts';

export interface PhoenixdOptions extends NodeOptions {
  /** The limited-access password is enough. */
  readonly password: string;
}

/** Absent if the node has no value; some versions write null instead. */
const Payment = z.looseObject({
  paymentHash: z.string(),
  invoice: z.nullish(z.string()),
  isPaid: z.boolean(),
  isExpired: z.nullish(z.boolean()),
  receivedSat: z.number(),
  completedAt: z.nullish(z.number()),
});
const InfoBody = z.looseObject({
  nodeId: z.string(),
  chain: z.string(),
  channels: z.array(z.looseObject({ inboundLiquiditySat: z.nullish(z.number()) })),
});

/** In UTF-16 units, as phoenixd counts. */
const LONGEST_DESCRIPTION = 128;

/** Creates the bridge's port on a phoenixd. */
export function createPhoenixdNode(options: PhoenixdOptions): LightningNode {
  const { client, network, settlement, wait } = options;
  const nodeKeyHex = createIdentity(async () => {
    const info = await get(options, { path: '/getinfo', schema: InfoBody });
    return info.ok ? accept({ keyHex: info.value.nodeId, network: info.value.chain.toLowerCase() }) : info;
  }, options);
  return {
    kind: 'phoenixd',
    network,
    settlement,
    smallestMsat: msat(1000n),
    nodeKeyHex,
    mint: (order) => mint(options, order),
    lookUp: (paymentHashHex) => lookUp(options, paymentHashHex),
    waitSettled: (paymentHashHex, { signal }) => pollSettled(() => lookUp(options, paymentHashHex), { wait, signal }),
    health: async () => ((await get(options, { path: '/getinfo', schema: InfoBody })).ok ? 'ok' : 'node_unavailable'),
    inspect: () => inspect(options, nodeKeyHex),
    close: () => client.close(),
  };
}

function formatAuthorization({ password }: PhoenixdOptions): string {
  return `Basic ${formatBase64(encodeAscii(`l402:${password}`))}`;
}

/** Sends a request once: phoenixd cannot recognize a repeated order. */
function post(
  node: PhoenixdOptions,
  { path, form }: { path: string; form: Readonly<Record<string, string>> },
): Promise<Result<NodeReply, NodeRefusal>> {
  const headers = { authorization: formatAuthorization(node), 'content-type': 'application/x-www-form-urlencoded' };
  return node.client.send({ method: 'POST', isOnce: true, path, headers, body: new URLSearchParams(form).toString() });
}

async function get<Schema extends z.ZodMiniType>(
  node: PhoenixdOptions,
  { path, schema }: { path: string; schema: Schema },
): Promise<Result<z.infer<Schema>, NodeRefusal>> {
  const reply = await node.client.send({ method: 'GET', path, headers: { authorization: formatAuthorization(node) } });
  return reply.ok ? readReply(reply.value, { schema }) : reply;
}

function readState(payment: z.infer<typeof Payment>, nowSeconds: number): Result<InvoiceState, NodeRefusal> {
  const paymentHashHex = payment.paymentHash;
  if (!payment.isPaid) return readUnpaid(payment.invoice ?? '', { paymentHashHex, isExpired: payment.isExpired === true, nowSeconds });
  // Milliseconds, unlike all other times here.
  const settledAtSeconds = readSeconds(Math.floor((payment.completedAt ?? Number.NaN) / 1000));
  if (settledAtSeconds === undefined || !Number.isSafeInteger(payment.receivedSat) || payment.receivedSat < 0) return malformed();
  return accept({ paymentHashHex, state: 'settled', paidMsat: msat(BigInt(payment.receivedSat) * 1000n), settledAtSeconds });
}

async function lookUp(node: PhoenixdOptions, paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>> {
  const payment = await get(node, { path: `/payments/incoming/${paymentHashHex}`, schema: Payment });
  if (!payment.ok) return payment;
  return payment.value.paymentHash === paymentHashHex ? readState(payment.value, node.clock.nowSeconds()) : malformed();
}

async function mint(node: PhoenixdOptions, order: InvoiceOrder): Promise<Result<MintedInvoice, NodeRefusal>> {
  if (order.amountMsat % 1000n !== 0n) return refuse({ code: 'order_refused', detail: 'the node knows whole satoshi only' });
  if (order.memo.length > LONGEST_DESCRIPTION) {
    return refuse({ code: 'order_refused', detail: `the node takes memos of at most ${LONGEST_DESCRIPTION} characters` });
  }
  const externalId = `l402-${order.idempotencyKey}`;
  const earlier = await get(node, { path: `/payments/incoming?externalId=${externalId}&all=true`, schema: z.array(Payment) });
  if (!earlier.ok) return earlier;
  const [found] = earlier.value;
  if (found !== undefined) {
    const state = readState(found, node.clock.nowSeconds());
    return !state.ok || !found.invoice ? malformed() : repeatMint({ invoice: found.invoice, state: state.value }, order);
  }
  const form = {
    amountSat: String(order.amountMsat / 1000n),
    description: order.memo,
    expirySeconds: String(order.expirySeconds),
    externalId,
  };
  const reply = await post(node, { path: '/createinvoice', form });
  if (!reply.ok) return reply;
  return reply.value.status === 200 ? readMintReply(reply.value) : refuse(judgeError(reply.value));
}

async function inspect(node: PhoenixdOptions, nodeKeyHex: LightningNode['nodeKeyHex']): Promise<readonly NodeFinding[]> {
  const findings: NodeFinding[] = [];
  const key = await nodeKeyHex();
  if (!key.ok) return [findingOf(key.refusal)];
  // Without an invoice nothing can be paid: phoenixd refuses the limited password, but tells the full one what is
  // missing.
  const paying = await post(node, { path: '/payinvoice', form: {} });
  if (paying.ok && paying.value.status === 400) findings.push(FULL_PASSWORD);
  else if (!paying.ok || (paying.value.status !== 401 && paying.value.status !== 403)) findings.push(UNKNOWN_PASSWORD);
  const info = await get(node, { path: '/getinfo', schema: InfoBody });
  if (info.ok && !info.value.channels.some(({ inboundLiquiditySat }) => (inboundLiquiditySat ?? 0) > 0)) findings.push(FEE_CREDIT);
  return findings;
}

const FULL_PASSWORD: NodeFinding = {
  severity: 'warning',
  code: 'credential_too_strong',
  detail: 'this is the full password and can spend: use http-password-limited-access from phoenix.conf',
};

const UNKNOWN_PASSWORD: NodeFinding = {
  severity: 'warning',
  code: 'credential_too_strong',
  detail: 'the node does not tell whether this password can spend: it may be able to',
};

const FEE_CREDIT: NodeFinding = {
  severity: 'warning',
  code: 'no_inbound',
  detail: 'the node has no channel with inbound liquidity: the first payments may become fee credit until one is opened',
};
