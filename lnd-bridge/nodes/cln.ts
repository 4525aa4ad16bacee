/*
 * Core Lightning over clnrest with a rune. Success is 201, an error of the node is a 500 with a code in its body, and a
 * search without results is an empty list. The order's key is the invoice's label, which the node keeps unique. Effects:
 * calls to the node.
 */
import * as z from 'zod/mini';
import { msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import {
  type InvoiceOrder,
  type InvoiceState,
  type LightningNode,
  type MintedInvoice,
  type NodeFinding,
  type NodeRefusal,
  type SettledPayment,
} from '../ports.ts';
import { auditRune } from './cln-rune.ts';
import {
  createIdentity,
  findingOf,
  malformed,
  type NodeOptions,
  readIndex,
  readJson,
  readMinted,
  readMsat,
  readSeconds,
  repeatMint,
} from './node-answers.ts';
import { findKeyNeeded, findNotVisible, inspectCredential, type CredentialWords } from './credential-findings.ts';
import { type NodeReply } from './node-http.ts';

export interface ClnOptions extends NodeOptions {
  readonly rune: string;
  /** Requests hints to private channels. Off: the node adds them only if it has no public channel. */
  readonly privateHints: boolean;
}

const ErrorBody = z.looseObject({ code: z.number(), message: z.optional(z.string()) });
const MintBody = z.looseObject({ bolt11: z.string(), payment_hash: z.string() });
const InvoicesBody = z.looseObject({
  invoices: z.array(
    z.looseObject({
      label: z.string(),
      payment_hash: z.string(),
      bolt11: z.optional(z.string()),
      status: z.enum(['unpaid', 'paid', 'expired']),
      expires_at: z.number(),
      amount_received_msat: z.optional(z.unknown()),
      paid_at: z.optional(z.number()),
    }),
  ),
});
const PaidBody = z.looseObject({ payment_hash: z.string().check(z.regex(/^[0-9a-f]{64}$/)), pay_index: z.number(), paid_at: z.number() });
type ListedInvoice = z.infer<typeof InvoicesBody>['invoices'][number];
const InfoBody = z.looseObject({
  id: z.string(),
  network: z.string(),
  warning_bitcoind_sync: z.optional(z.string()),
  warning_lightningd_sync: z.optional(z.string()),
});
const ChannelsBody = z.looseObject({ channels: z.array(z.looseObject({ state: z.string(), receivable_msat: z.optional(z.unknown()) })) });

const LABEL_EXISTS = 900;
const WAIT_DELETED = -1;
const WAIT_EXPIRED = 903;
const WAIT_OVER = 904;
/** The node ends a wait itself before a proxy in between does. */
const LONGEST_WAIT_SECONDS = 50;
/** Past payments come one per call; up to this many are collected before they are reported. */
const MOST_GATHERED = 100;
const PAUSE_MS = 1000;
const UNKNOWN_METHOD = -32_601;
const BAD_PARAMETERS = -32_602;

/** Creates the bridge's port on a Core Lightning node. */
export function createClnNode(options: ClnOptions): LightningNode {
  const { client, network, settlement, clock, wait, rune, privateHints, hasFeed } = options;

  async function call(
    method: string,
    { parameters = {}, signal }: { parameters?: Readonly<Record<string, unknown>>; signal?: AbortSignal } = {},
  ): Promise<Result<NodeReply, NodeRefusal>> {
    return client.send({
      method: 'POST',
      path: `/v1/${method}`,
      headers: { rune, 'content-type': 'application/json' },
      body: JSON.stringify(parameters),
      ...(signal === undefined ? {} : { signal, isLongPoll: true }),
    });
  }

  async function read<Schema extends z.ZodMiniType>(
    method: string,
    { parameters, schema }: { parameters?: Readonly<Record<string, unknown>>; schema: Schema },
  ): Promise<Result<z.infer<Schema>, NodeRefusal>> {
    const reply = await call(method, parameters === undefined ? {} : { parameters });
    if (!reply.ok) return reply;
    if (!isSuccess(reply.value)) return refuse(judgeError(reply.value));
    const body = readJson(reply.value.text, schema);
    return body === undefined ? malformed() : accept(body);
  }

  const nodeKeyHex = createIdentity(async () => {
    const info = await read('getinfo', { schema: InfoBody });
    return info.ok ? accept({ keyHex: info.value.id, network: NETWORK_NAMES[info.value.network] }) : info;
  }, options);

  async function find(by: { label: string } | { payment_hash: string }): Promise<Result<ListedInvoice, NodeRefusal>> {
    const listed = await read('listinvoices', { parameters: by, schema: InvoicesBody });
    if (!listed.ok) return listed;
    const [invoice, ...others] = listed.value.invoices;
    if (invoice === undefined) return refuse({ code: 'invoice_unknown', detail: 'the node has no invoice with this payment hash' });
    // A node that does not support the filter would list everything.
    const isAsked = 'label' in by ? invoice.label === by.label : invoice.payment_hash === by.payment_hash;
    return others.length > 0 || !isAsked ? malformed() : accept(invoice);
  }

  function readState(invoice: ListedInvoice): InvoiceState | undefined {
    const paymentHashHex = invoice.payment_hash;
    if (invoice.status === 'paid') {
      const paidMsat = readMsat(invoice.amount_received_msat);
      const settledAtSeconds = readSeconds(invoice.paid_at);
      if (paidMsat === undefined || settledAtSeconds === undefined) return undefined;
      return { paymentHashHex, state: 'settled', paidMsat, settledAtSeconds };
    }
    const isOver = invoice.status === 'expired' || invoice.expires_at <= clock.nowSeconds();
    return { paymentHashHex, state: isOver ? 'expired' : 'open' };
  }

  async function lookUp(paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>> {
    const found = await find({ payment_hash: paymentHashHex });
    if (!found.ok) return found;
    const state = readState(found.value);
    return state === undefined ? malformed() : accept(state);
  }

  async function mint(order: InvoiceOrder): Promise<Result<MintedInvoice, NodeRefusal>> {
    const label = `l402-${order.idempotencyKey}`;
    const parameters = {
      // With its unit: a large amount as a bare number would lose precision in JSON.
      amount_msat: `${order.amountMsat}msat`,
      label,
      description: order.memo,
      expiry: order.expirySeconds,
      ...(privateHints ? { exposeprivatechannels: true } : {}),
    };
    const reply = await call('invoice', { parameters });
    if (!reply.ok) return reply;
    if (isSuccess(reply.value)) {
      const minted = readJson(reply.value.text, MintBody);
      return minted === undefined ? malformed() : readMinted(minted.bolt11, minted.payment_hash);
    }
    if (readJson(reply.value.text, ErrorBody)?.code !== LABEL_EXISTS) return refuse(judgeError(reply.value));
    const found = await find({ label });
    if (!found.ok) return found;
    const state = readState(found.value);
    if (state === undefined || found.value.bolt11 === undefined) return malformed();
    return repeatMint({ invoice: found.value.bolt11, state }, order);
  }

  return {
    kind: 'cln',
    network,
    settlement,
    smallestMsat: msat(1n),
    nodeKeyHex,
    mint,
    lookUp,

    async waitSettled(paymentHashHex, { signal }) {
      const found = await find({ payment_hash: paymentHashHex });
      if (!found.ok) return found;
      const state = readState(found.value);
      if (state === undefined) return malformed();
      if (state.state !== 'open' || signal.aborted) return accept(state);
      const waited = await call('waitinvoice', { parameters: { label: found.value.label }, signal });
      if (!signal.aborted) {
        if (!waited.ok) return waited;
        const code = isSuccess(waited.value) ? undefined : readJson(waited.value.text, ErrorBody)?.code;
        if (!isSuccess(waited.value) && code !== WAIT_EXPIRED && code !== WAIT_DELETED) return refuse(judgeError(waited.value));
      }
      return lookUp(paymentHashHex);
    },

    async followSettled(index, { signal, take }) {
      for (let last = index; ;) {
        const settled: SettledPayment[] = [];
        while (settled.length < MOST_GATHERED) {
          const next = await waitPaid(last, { seconds: settled.length === 0 ? LONGEST_WAIT_SECONDS : 0, signal });
          if (signal.aborted) return undefined;
          if (!next.ok) return next.refusal;
          if (next.value === undefined) break;
          settled.push(next.value);
          last = next.value.index;
        }
        // A proxy may have cut the wait short; asking again at once would loop without a pause.
        await (settled.length > 0 ? take(settled) : wait(PAUSE_MS, signal));
        if (signal.aborted) return undefined;
      }
    },

    async health() {
      // A rune without getinfo may still list, and an empty list is an answer too.
      const reply = await call('listinvoices', { parameters: { payment_hash: '00'.repeat(32) } });
      return reply.ok && isSuccess(reply.value) ? 'ok' : 'node_unavailable';
    },

    inspect,
    close: () => client.close(),
  };

  /** Waits for the next payment after this index; `undefined` if none came in time. */
  async function waitPaid(
    last: number,
    { seconds, signal }: { seconds: number; signal: AbortSignal },
  ): Promise<Result<SettledPayment | undefined, NodeRefusal>> {
    const waited = await call('waitanyinvoice', { parameters: { lastpay_index: last, timeout: seconds }, signal });
    if (!waited.ok) return waited;
    if (!isSuccess(waited.value)) {
      return readJson(waited.value.text, ErrorBody)?.code === WAIT_OVER ? accept(undefined) : refuse(judgeError(waited.value));
    }
    const paid = readJson(waited.value.text, PaidBody);
    const index = readIndex(paid?.pay_index);
    const settledAtSeconds = readSeconds(paid?.paid_at);
    if (paid === undefined || index === undefined || index <= last || settledAtSeconds === undefined) return malformed();
    return accept({ index, paymentHashHex: paid.payment_hash, settledAtSeconds });
  }

  async function inspect(): Promise<readonly NodeFinding[]> {
    const findings = inspectCredential(auditRune(rune, { hasFeed }), WORDS);
    const key = await nodeKeyHex();
    if (!key.ok) return [...findings, key.refusal.fault === 'permission_missing' ? KEY_NEEDED : findingOf(key.refusal)];
    const info = await read('getinfo', { schema: InfoBody });
    if (!info.ok) findings.push(notVisible('getinfo', 'sync state and network are not checked beforehand; each invoice still is'));
    else if (info.value.warning_bitcoind_sync !== undefined || info.value.warning_lightningd_sync !== undefined) {
      findings.push({
        severity: 'problem',
        code: 'syncing',
        detail: 'the node is still catching up with the chain: payments may not reach it',
      });
    }
    const channels = await read('listpeerchannels', { schema: ChannelsBody });
    if (!channels.ok) findings.push(notVisible('listpeerchannels', 'whether the node can receive is not checked'));
    else if (
      !channels.value.channels.some((channel) => channel.state === 'CHANNELD_NORMAL' && (readMsat(channel.receivable_msat) ?? 0n) > 0n)
    ) {
      findings.push({ severity: 'problem', code: 'no_inbound', detail: 'the node has no inbound liquidity: nobody can pay its invoices' });
    }
    return findings;
  }
}

const NETWORK_NAMES: Readonly<Record<string, string>> = { bitcoin: 'mainnet', testnet: 'testnet', signet: 'signet', regtest: 'regtest' };

const KEY_NEEDED = findKeyNeeded('rune', 'getinfo');
const WORDS: CredentialWords = { name: 'rune', rights: 'restrictions', lacks: 'does not allow' };

const notVisible = (call: string, consequence: string) => findNotVisible('rune', { call, consequence });

/** Whether the call succeeded. clnrest answers 201; some versions and proxies 200. */
function isSuccess({ status }: NodeReply): boolean {
  return status === 201 || status === 200;
}

function judgeError({ status, text }: NodeReply): NodeRefusal {
  const body = readJson(text, ErrorBody);
  const down = (fault: NodeRefusal['fault'] & string, detail: string): NodeRefusal => ({ code: 'node_unavailable', fault, detail });
  if (status === 401 || status === 403) {
    return /not permitted/i.test(body?.message ?? '')
      ? down('permission_missing', 'the rune does not allow this call')
      : down('credential_refused', 'the node refuses the rune');
  }
  if (body?.code === UNKNOWN_METHOD) return down('node_error', 'the node does not know this call: is its version too old?');
  if (body?.code === BAD_PARAMETERS) return { code: 'order_refused', detail: 'the node does not make such an invoice' };
  return down('node_error', 'the node answered with an error');
}
