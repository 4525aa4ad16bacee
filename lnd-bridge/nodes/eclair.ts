/*
 * Eclair: forms in, JSON out, one password for everything. Its errors are unspecific, so a failed order is looked up by the
 * hash of its derived preimage before it counts as failed. A pending invoice includes its preimage, which is never read here.
 * Effects: calls to the node.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import * as z from 'zod/mini';
import { encodeAscii, formatBase64, formatHex } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type InvoiceState, type LightningNode, type NodeFinding, type NodeRefusal } from '../ports.ts';
import {
  createIdentity,
  derivePreimage,
  findingOf,
  malformed,
  type NodeOptions,
  pollSettled,
  readJson,
  readMinted,
  readMsat,
  readSeconds,
  repeatMint,
} from './node-answers.ts';
import { type NodeReply } from './node-http.ts';

export interface EclairOptions extends NodeOptions {
  readonly password: string;
  readonly preimageSecret: Uint8Array;
}

const MintBody = z.looseObject({ serialized: z.string(), paymentHash: z.string() });
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
  const { name, client, network, settlement, clock, wait, password, preimageSecret } = options;
  const headers = {
    authorization: `Basic ${formatBase64(encodeAscii(`:${password}`))}`,
    'content-type': 'application/x-www-form-urlencoded',
  };

  function call(name: string, form: Readonly<Record<string, string>> = {}): Promise<Result<NodeReply, NodeRefusal>> {
    return client.send({ method: 'POST', path: `/${name}`, headers, body: new URLSearchParams(form).toString() });
  }

  async function read<Schema extends z.ZodMiniType>(
    name: string,
    { form = {}, schema }: { form?: Readonly<Record<string, string>>; schema: Schema },
  ): Promise<Result<z.infer<Schema>, NodeRefusal>> {
    const reply = await call(name, form);
    if (!reply.ok) return reply;
    if (reply.value.status !== 200) return refuse(judgeError(reply.value));
    const body = readJson(reply.value.text, schema);
    return body === undefined ? malformed() : accept(body);
  }

  const nodeKeyHex = createIdentity(async () => {
    const info = await read('getinfo', { schema: InfoBody });
    return info.ok ? accept({ keyHex: info.value.nodeId, network: info.value.network }) : info;
  }, options);

  async function find(paymentHashHex: string): Promise<Result<{ invoice: string; state: InvoiceState }, NodeRefusal>> {
    const received = await read('getreceivedinfo', { form: { paymentHash: paymentHashHex }, schema: ReceivedBody });
    if (!received.ok) return received;
    const { invoice, status } = received.value;
    if (invoice.paymentHash !== paymentHashHex) return malformed();
    if (status.type === 'received') {
      const paidMsat = readMsat(status.amount);
      const settledAtSeconds = readSeconds(status.receivedAt?.unix);
      if (paidMsat === undefined || settledAtSeconds === undefined) return malformed();
      return accept({ invoice: invoice.serialized, state: { paymentHashHex, state: 'settled', paidMsat, settledAtSeconds } });
    }
    const facts = parseInvoice(invoice.serialized);
    if (!facts.ok) return malformed();
    const isOver = status.type === 'expired' || facts.value.expiresAtSeconds <= clock.nowSeconds();
    return accept({ invoice: invoice.serialized, state: { paymentHashHex, state: isOver ? 'expired' : 'open' } });
  }

  async function lookUp(paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>> {
    const found = await find(paymentHashHex);
    return found.ok ? accept(found.value.state) : found;
  }

  return {
    kind: 'eclair',
    network,
    settlement,
    smallestMsat: msat(1n),
    nodeKeyHex,
    lookUp,

    async mint(order) {
      const preimage = derivePreimage(preimageSecret, { name, idempotencyKey: order.idempotencyKey });
      const reply = await call('createinvoice', {
        description: order.memo,
        amountMsat: String(order.amountMsat),
        expireIn: String(order.expirySeconds),
        paymentPreimage: formatHex(preimage),
      });
      if (!reply.ok) return reply;
      if (reply.value.status === 200) {
        const minted = readJson(reply.value.text, MintBody);
        return minted === undefined ? malformed() : readMinted(minted.serialized, minted.paymentHash);
      }
      const refusal = judgeError(reply.value);
      if (refusal.fault !== 'node_error' && refusal.code !== 'order_refused') return refuse(refusal);
      // A duplicate has no error code or text of its own: if the invoice exists, this was one.
      const found = await find(formatHex(sha256(preimage)));
      return found.ok ? repeatMint(found.value, order) : refuse(refusal);
    },

    waitSettled: (paymentHashHex, { signal }) => pollSettled(() => lookUp(paymentHashHex), { wait, signal }),
    health: async () => ((await read('getinfo', { schema: InfoBody })).ok ? 'ok' : 'node_unavailable'),

    async inspect() {
      const findings: NodeFinding[] = [ONE_PASSWORD];
      const key = await nodeKeyHex();
      if (!key.ok) return [...findings, findingOf(key.refusal)];
      const balances = await read('usablebalances', { schema: BalancesBody });
      if (!balances.ok) findings.push({ severity: 'note', code: 'not_visible', detail: 'the node does not tell its balances' });
      else if (!balances.value.some(({ canReceive }) => (readMsat(canReceive) ?? 0n) > 0n)) {
        findings.push({
          severity: 'problem',
          code: 'no_inbound',
          detail: 'the node has no inbound liquidity: nobody can pay its invoices',
        });
      }
      return findings;
    },

    close: () => client.close(),
  };
}

const ONE_PASSWORD: NodeFinding = {
  severity: 'warning',
  code: 'credential_too_strong',
  detail: 'Eclair has one password for everything, so whoever takes over the bridge can spend: keep little on the node',
};

function judgeError({ status }: NodeReply): NodeRefusal {
  if (status === 401 || status === 403)
    return { code: 'node_unavailable', fault: 'credential_refused', detail: 'the node refuses the password' };
  if (status === 404) return { code: 'invoice_unknown', detail: 'the node has no invoice with this payment hash' };
  if (status === 408) return { code: 'node_unavailable', fault: 'timeout', detail: 'the Lightning node does not answer in time' };
  if (status === 400) return { code: 'order_refused', detail: 'the node does not make such an invoice' };
  return { code: 'node_unavailable', fault: 'node_error', detail: 'the node answered with an error' };
}
