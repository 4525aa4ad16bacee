/*
 * Eclair: forms in, JSON out, one password for everything. Its errors are unspecific, so a failed order is looked up by the
 * hash of its derived preimage before it counts as failed. A pending invoice includes its preimage, which is never read here.
 * Effects: calls to the node.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import * as z from 'zod/mini';
import { encodeAscii, formatBase64, formatHex } from '#protocol/bytes.ts';
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
import { judgeError as judgeCommonError, readMintReply, readReply, readUnpaid } from './acinq-answers.ts';
import {
  createIdentity,
  derivePreimage,
  findingOf,
  type FoundInvoice,
  malformed,
  NO_INBOUND,
  type NodeOptions,
  pollSettled,
  readMsat,
  readSettled,
  repeatMint,
} from './node-answers.ts';
import { type NodeReply } from './node-http.ts';

export interface EclairOptions extends NodeOptions {
  readonly password: string;
  readonly preimageSecret: Uint8Array;
}

const ReceivedBody = z.looseObject({
  invoice: z.looseObject({ serialized: z.string(), paymentHash: z.string() }),
  status: z.looseObject({
    type: z.enum(['pending', 'expired', 'received']),
    amount: z.optional(z.unknown()),
    receivedAt: z.optional(z.looseObject({ unix: z.number() })),
  }),
});
const InfoBody = z.looseObject({ nodeId: z.string(), network: z.string() });
const BalancesBody = z.array(z.looseObject({ canReceive: z.unknown() }));

/** Creates the bridge's port on an Eclair node. */
export function createEclairNode(options: EclairOptions): LightningNode {
  const { client, network, settlement, wait } = options;
  const nodeKeyHex = createIdentity(async () => {
    const info = await read(options, { method: 'getinfo', schema: InfoBody });
    return info.ok ? accept({ keyHex: info.value.nodeId, network: info.value.network }) : info;
  }, options);
  return {
    kind: 'eclair',
    network,
    settlement,
    smallestMsat: msat(1n),
    nodeKeyHex,
    mint: (order) => mint(options, order),
    lookUp: (paymentHashHex) => lookUp(options, paymentHashHex),
    waitSettled: (paymentHashHex, { signal }) => pollSettled(() => lookUp(options, paymentHashHex), { wait, signal }),
    health: async () => ((await read(options, { method: 'getinfo', schema: InfoBody })).ok ? 'ok' : 'node_unavailable'),
    inspect: () => inspect(options, nodeKeyHex),
    close: () => client.close(),
  };
}

interface Call {
  readonly method: string;
  readonly form?: Readonly<Record<string, string>>;
}

function call({ client, password }: EclairOptions, { method, form = {} }: Call): Promise<Result<NodeReply, NodeRefusal>> {
  const headers = {
    authorization: `Basic ${formatBase64(encodeAscii(`:${password}`))}`,
    'content-type': 'application/x-www-form-urlencoded',
  };
  return client.send({ method: 'POST', path: `/${method}`, headers, body: new URLSearchParams(form).toString() });
}

async function read<Schema extends z.ZodMiniType>(
  node: EclairOptions,
  { schema, ...asked }: Call & { schema: Schema },
): Promise<Result<z.infer<Schema>, NodeRefusal>> {
  const reply = await call(node, asked);
  return reply.ok ? readReply(reply.value, { schema, judge: judgeError }) : reply;
}

async function find(node: EclairOptions, paymentHashHex: string): Promise<Result<FoundInvoice, NodeRefusal>> {
  const received = await read(node, { method: 'getreceivedinfo', form: { paymentHash: paymentHashHex }, schema: ReceivedBody });
  if (!received.ok) return received;
  const { invoice, status } = received.value;
  if (invoice.paymentHash !== paymentHashHex) return malformed();
  const unpaid = { paymentHashHex, isExpired: status.type === 'expired', nowSeconds: node.clock.nowSeconds() };
  const state =
    status.type === 'received'
      ? readSettled(paymentHashHex, { paid: status.amount, settledAt: status.receivedAt?.unix })
      : readUnpaid(invoice.serialized, unpaid);
  return state.ok ? accept({ invoice: invoice.serialized, state: state.value }) : state;
}

async function lookUp(node: EclairOptions, paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>> {
  const found = await find(node, paymentHashHex);
  return found.ok ? accept(found.value.state) : found;
}

async function mint(node: EclairOptions, order: InvoiceOrder): Promise<Result<MintedInvoice, NodeRefusal>> {
  const preimage = derivePreimage(node.preimageSecret, { name: node.name, idempotencyKey: order.idempotencyKey });
  const form = {
    description: order.memo,
    amountMsat: String(order.amountMsat),
    expireIn: String(order.expirySeconds),
    paymentPreimage: formatHex(preimage),
  };
  const reply = await call(node, { method: 'createinvoice', form });
  if (!reply.ok) return reply;
  if (reply.value.status === 200) return readMintReply(reply.value);
  const refusal = judgeError(reply.value);
  if (refusal.fault !== 'node_error' && refusal.code !== 'order_refused') return refuse(refusal);
  // A duplicate has no error code or text of its own: if the invoice exists, this was one.
  const found = await find(node, formatHex(sha256(preimage)));
  return found.ok ? repeatMint(found.value, order) : refuse(refusal);
}

async function inspect(node: EclairOptions, nodeKeyHex: LightningNode['nodeKeyHex']): Promise<readonly NodeFinding[]> {
  const findings: NodeFinding[] = [ONE_PASSWORD];
  const key = await nodeKeyHex();
  if (!key.ok) return [...findings, findingOf(key.refusal)];
  const balances = await read(node, { method: 'usablebalances', schema: BalancesBody });
  if (!balances.ok) findings.push({ severity: 'note', code: 'not_visible', detail: 'the node does not tell its balances' });
  else if (!balances.value.some(({ canReceive }) => (readMsat(canReceive) ?? 0n) > 0n)) findings.push(NO_INBOUND);
  return findings;
}

const ONE_PASSWORD: NodeFinding = {
  severity: 'warning',
  code: 'credential_too_strong',
  detail: 'Eclair has one password for everything, so whoever takes over the bridge can spend: keep little on the node',
};

function judgeError(reply: NodeReply): NodeRefusal {
  if (reply.status === 408) return { code: 'node_unavailable', fault: 'timeout', detail: 'the Lightning node does not answer in time' };
  return judgeCommonError(reply);
}
