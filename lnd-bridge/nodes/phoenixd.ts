/*
 * phoenixd: forms in, JSON out, errors in plain text, whole satoshis only. It chooses the preimage itself and does not
 * recognize a repeated order, so the order's key is the external id and is looked up before a new invoice is made. Every
 * look-up includes the preimage, which is never read here. Effects: calls to the node.
 */
import * as z from 'zod/mini';
import { encodeAscii, formatBase64 } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type InvoiceState, type LightningNode, type NodeFinding, type NodeRefusal } from '../ports.ts';
import {
  createIdentity,
  findingOf,
  malformed,
  type NodeOptions,
  pollSettled,
  readJson,
  readMinted,
  readSeconds,
  repeatMint,
} from './node-answers.ts';
import { type NodeReply } from './node-http.ts';

export interface PhoenixdOptions extends NodeOptions {
  /** The limited-access password is enough. */
  readonly password: string;
}

const MintBody = z.looseObject({ serialized: z.string(), paymentHash: z.string() });
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
  const { client, network, settlement, clock, wait, password } = options;
  const authorization = `Basic ${formatBase64(encodeAscii(`l402:${password}`))}`;

  /** Sends a request once: phoenixd cannot recognize a repeated order. */
  function post(path: string, form: Readonly<Record<string, string>>): Promise<Result<NodeReply, NodeRefusal>> {
    const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
    return client.send({ method: 'POST', isOnce: true, path, headers, body: new URLSearchParams(form).toString() });
  }

  async function get<Schema extends z.ZodMiniType>(path: string, schema: Schema): Promise<Result<z.infer<Schema>, NodeRefusal>> {
    const reply = await client.send({ method: 'GET', path, headers: { authorization } });
    if (!reply.ok) return reply;
    if (reply.value.status !== 200) return refuse(judgeError(reply.value));
    const body = readJson(reply.value.text, schema);
    return body === undefined ? malformed() : accept(body);
  }

  const nodeKeyHex = createIdentity(async () => {
    const info = await get('/getinfo', InfoBody);
    return info.ok ? accept({ keyHex: info.value.nodeId, network: info.value.chain.toLowerCase() }) : info;
  }, options);

  function readState(payment: z.infer<typeof Payment>): InvoiceState | undefined {
    const paymentHashHex = payment.paymentHash;
    if (payment.isPaid) {
      // Milliseconds, unlike all other times here.
      const settledAtSeconds = readSeconds(Math.floor((payment.completedAt ?? Number.NaN) / 1000));
      if (settledAtSeconds === undefined || !Number.isSafeInteger(payment.receivedSat) || payment.receivedSat < 0) return undefined;
      return { paymentHashHex, state: 'settled', paidMsat: msat(BigInt(payment.receivedSat) * 1000n), settledAtSeconds };
    }
    const facts = parseInvoice(payment.invoice ?? '');
    if (!facts.ok) return undefined;
    const isOver = payment.isExpired === true || facts.value.expiresAtSeconds <= clock.nowSeconds();
    return { paymentHashHex, state: isOver ? 'expired' : 'open' };
  }

  async function lookUp(paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>> {
    const payment = await get(`/payments/incoming/${paymentHashHex}`, Payment);
    if (!payment.ok) return payment;
    const state = payment.value.paymentHash === paymentHashHex ? readState(payment.value) : undefined;
    return state === undefined ? malformed() : accept(state);
  }

  return {
    kind: 'phoenixd',
    network,
    settlement,
    smallestMsat: msat(1000n),
    nodeKeyHex,
    lookUp,

    async mint(order) {
      if (order.amountMsat % 1000n !== 0n) return refuse({ code: 'order_refused', detail: 'the node knows whole satoshi only' });
      if (order.memo.length > LONGEST_DESCRIPTION) {
        return refuse({ code: 'order_refused', detail: `the node takes memos of at most ${LONGEST_DESCRIPTION} characters` });
      }
      const externalId = `l402-${order.idempotencyKey}`;
      const earlier = await get(`/payments/incoming?externalId=${externalId}&all=true`, z.array(Payment));
      if (!earlier.ok) return earlier;
      const [found] = earlier.value;
      if (found !== undefined) {
        const state = readState(found);
        return state === undefined || !found.invoice ? malformed() : repeatMint({ invoice: found.invoice, state }, order);
      }
      const reply = await post('/createinvoice', {
        amountSat: String(order.amountMsat / 1000n),
        description: order.memo,
        expirySeconds: String(order.expirySeconds),
        externalId,
      });
      if (!reply.ok) return reply;
      if (reply.value.status !== 200) return refuse(judgeError(reply.value));
      const minted = readJson(reply.value.text, MintBody);
      return minted === undefined ? malformed() : readMinted(minted.serialized, minted.paymentHash);
    },

    waitSettled: (paymentHashHex, { signal }) => pollSettled(() => lookUp(paymentHashHex), { wait, signal }),
    health: async () => ((await get('/getinfo', InfoBody)).ok ? 'ok' : 'node_unavailable'),

    async inspect() {
      const findings: NodeFinding[] = [];
      const key = await nodeKeyHex();
      if (!key.ok) return [findingOf(key.refusal)];
      // Without an invoice nothing can be paid: phoenixd refuses the limited password, but tells the full one what is
      // missing.
      const paying = await post('/payinvoice', {});
      if (paying.ok && paying.value.status === 400) findings.push(FULL_PASSWORD);
      else if (!paying.ok || (paying.value.status !== 401 && paying.value.status !== 403)) findings.push(UNKNOWN_PASSWORD);
      const info = await get('/getinfo', InfoBody);
      if (info.ok && !info.value.channels.some(({ inboundLiquiditySat }) => (inboundLiquiditySat ?? 0) > 0)) {
        findings.push({
          severity: 'warning',
          code: 'no_inbound',
          detail: 'the node has no channel with inbound liquidity: the first payments may become fee credit until one is opened',
        });
      }
      return findings;
    },

    close: () => client.close(),
  };
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

/** Judges an error by its status; the text is for people and changes. */
function judgeError({ status }: NodeReply): NodeRefusal {
  if (status === 401 || status === 403)
    return { code: 'node_unavailable', fault: 'credential_refused', detail: 'the node refuses the password' };
  if (status === 404) return { code: 'invoice_unknown', detail: 'the node has no invoice with this payment hash' };
  if (status === 400) return { code: 'order_refused', detail: 'the node does not make such an invoice' };
  return { code: 'node_unavailable', fault: 'node_error', detail: 'the node answered with an error' };
}
