/*
 * LND over its REST interface. Bytes are base64 in bodies and base64url in paths, integers are strings, and a locked wallet
 * is a 500. A look-up of an open invoice includes its preimage, which is never read here. The preimage of each invoice is
 * derived from the order's key, so LND itself refuses a second invoice for it. Effects: calls to the node.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import * as z from 'zod/mini';
import { formatBase64, formatHex, parseBase64, parseHex } from '#protocol/bytes.ts';
import { msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import {
  type InvoiceOrder,
  type InvoiceState,
  type LightningNode,
  type NodeFinding,
  type NodeRefusal,
  type SettledPayment,
} from '../ports.ts';
import { auditMacaroon } from './lnd-macaroon.ts';
import {
  createIdentity,
  derivePreimage,
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
import { type NodeReply, type NodeRequest } from './node-http.ts';

export interface LndOptions extends NodeOptions {
  readonly macaroonHex: string;
  readonly preimageSecret: Uint8Array;
  /** Adds hints to private channels to the invoice: needed by a node without public channels. */
  readonly privateHints: boolean;
}

const ErrorBody = z.looseObject({ code: z.optional(z.number()), message: z.string() });
const AddInvoiceBody = z.looseObject({ payment_request: z.string(), r_hash: z.string() });
const InvoiceBody = z.looseObject({
  payment_request: z.string(),
  r_hash: z.string(),
  state: z.enum(['OPEN', 'ACCEPTED', 'SETTLED', 'CANCELED']),
  creation_date: z.string(),
  expiry: z.string(),
  amt_paid_msat: z.string(),
  settle_date: z.string(),
});
const InfoBody = z.looseObject({
  identity_pubkey: z.string(),
  synced_to_chain: z.boolean(),
  chains: z.array(z.looseObject({ network: z.string() })),
});
const SettledBody = z.looseObject({ r_hash: z.string(), state: z.string(), settle_index: z.string(), settle_date: z.string() });
const StreamedLine = z.looseObject({ result: z.optional(z.unknown()), error: z.optional(ErrorBody) });
const BalanceBody = z.looseObject({ remote_balance: z.optional(z.looseObject({ msat: z.string() })) });
const StateBody = z.looseObject({ state: z.string() });

/** Creates the bridge's port on an LND node. */
export function createLndNode(options: LndOptions): LightningNode {
  const { name, client, network, settlement, clock, macaroonHex, preimageSecret, privateHints, hasFeed } = options;
  const headers = { 'grpc-metadata-macaroon': macaroonHex };

  const nodeKeyHex = createIdentity(async () => {
    const info = await readInfo();
    if (!info.ok) return info;
    const [chain] = info.value.chains;
    return accept({ keyHex: info.value.identity_pubkey, network: chain?.network });
  }, options);

  /** Returns a successful reply, or the meaning of its error. */
  async function ask(request: NodeRequest): Promise<Result<NodeReply, NodeRefusal>> {
    const reply = await client.send({ ...request, headers });
    if (!reply.ok || reply.value.status === 200) return reply;
    return refuse(judgeError(reply.value));
  }

  async function readInfo(): Promise<Result<z.infer<typeof InfoBody>, NodeRefusal>> {
    const reply = await ask({ method: 'GET', path: '/v1/getinfo' });
    if (!reply.ok) return reply;
    const info = readJson(reply.value.text, InfoBody);
    return info === undefined ? malformed() : accept(info);
  }

  async function find(paymentHashHex: string): Promise<Result<{ invoice: string; state: InvoiceState }, NodeRefusal>> {
    const reply = await ask({ method: 'GET', path: `/v1/invoice/${paymentHashHex}` });
    return reply.ok ? readInvoice(reply.value.text, paymentHashHex) : reply;
  }

  function readInvoice(text: string, paymentHashHex: string): Result<{ invoice: string; state: InvoiceState }, NodeRefusal> {
    const body = readJson(text, InvoiceBody);
    const hash = body === undefined ? undefined : parseBase64(body.r_hash);
    if (body === undefined || hash === undefined || formatHex(hash) !== paymentHashHex) return malformed();
    const state = readState(body, paymentHashHex);
    return state === undefined ? malformed() : accept({ invoice: body.payment_request, state });
  }

  function readState(body: z.infer<typeof InvoiceBody>, paymentHashHex: string): InvoiceState | undefined {
    if (body.state === 'SETTLED') {
      const paidMsat = readMsat(body.amt_paid_msat);
      const settledAtSeconds = readSeconds(body.settle_date);
      if (paidMsat === undefined || settledAtSeconds === undefined) return undefined;
      return { paymentHashHex, state: 'settled', paidMsat, settledAtSeconds };
    }
    const createdAt = readSeconds(body.creation_date);
    const life = readSeconds(body.expiry);
    if (createdAt === undefined || life === undefined) return undefined;
    // LND leaves an invoice OPEN for a while after its end, and then cancels it.
    if (createdAt + life <= clock.nowSeconds()) return { paymentHashHex, state: 'expired' };
    return { paymentHashHex, state: body.state === 'CANCELED' ? 'canceled' : 'open' };
  }

  async function mint(order: InvoiceOrder): ReturnType<LightningNode['mint']> {
    const preimage = derivePreimage(preimageSecret, { name, idempotencyKey: order.idempotencyKey });
    const body = JSON.stringify({
      memo: order.memo,
      value_msat: String(order.amountMsat),
      expiry: String(order.expirySeconds),
      private: privateHints,
      r_preimage: formatBase64(preimage),
    });
    const reply = await client.send({ method: 'POST', path: '/v1/invoices', body, headers });
    if (!reply.ok) return reply;
    if (reply.value.status !== 200) {
      if (!isDuplicate(reply.value.text)) return refuse(judgeError(reply.value));
      const found = await find(formatHex(sha256(preimage)));
      return found.ok ? repeatMint(found.value, order) : found;
    }
    const minted = readJson(reply.value.text, AddInvoiceBody);
    const hash = minted === undefined ? undefined : parseBase64(minted.r_hash);
    return minted === undefined || hash === undefined ? malformed() : readMinted(minted.payment_request, formatHex(hash));
  }

  async function lookUp(paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>> {
    const found = await find(paymentHashHex);
    return found.ok ? accept(found.value.state) : found;
  }

  return {
    kind: 'lnd',
    network,
    settlement,
    smallestMsat: msat(1n),
    nodeKeyHex,
    mint,
    lookUp,

    async waitSettled(paymentHashHex, { signal }) {
      const hash = formatBase64(parseHex(paymentHashHex)!).replaceAll('+', '-').replaceAll('/', '_');
      const isFinal = (line: string): boolean => {
        const looked = readStreamed(line, paymentHashHex);
        return !looked.ok || looked.value.state !== 'open';
      };
      const reply = await ask({ method: 'GET', path: `/v2/invoices/subscribe/${hash}`, signal, isLongPoll: true, until: isFinal });
      if (signal.aborted) return lookUp(paymentHashHex);
      if (!reply.ok) return reply;
      return readStreamed(reply.value.text, paymentHashHex);
    },

    async followSettled(index, { signal, take }) {
      const broken = new AbortController();
      let refusal: NodeRefusal | undefined;
      const onLines = async (lines: readonly string[]): Promise<void> => {
        const settled: SettledPayment[] = [];
        for (const line of lines) {
          const read = readSettled(line);
          if (!read.ok) {
            refusal = read.refusal;
            break;
          }
          if (read.value !== undefined) settled.push(read.value);
        }
        if (settled.length > 0) await take(settled);
        if (refusal !== undefined) broken.abort();
      };
      const until = AbortSignal.any([signal, broken.signal]);
      // LND repeats everything after the index, except for index 0, which means from now on.
      const reply = await ask({
        method: 'GET',
        path: `/v1/invoices/subscribe?settle_index=${index}`,
        signal: until,
        isLongPoll: true,
        onLines,
      });
      return signal.aborted ? undefined : (refusal ?? (reply.ok ? undefined : reply.refusal));
    },

    async health() {
      // The state says more than a mint would, and needs no permission; it exists since LND 0.13.
      const reply = await client.send({ method: 'GET', path: '/v1/state' });
      const state = reply.ok && reply.value.status === 200 ? readJson(reply.value.text, StateBody)?.state : undefined;
      return state === 'SERVER_ACTIVE' || state === 'RPC_ACTIVE' ? 'ok' : 'node_unavailable';
    },

    inspect,
    close: () => client.close(),
  };

  /** Reads an item of a stream. An error before or between items takes the place of an item. */
  function readStreamed(line: string, paymentHashHex: string): Result<InvoiceState, NodeRefusal> {
    const item = readJson(line, StreamedLine);
    if (item?.error !== undefined) return refuse(judgeError({ status: 500, text: JSON.stringify(item.error) }));
    const read = readInvoice(JSON.stringify(item?.result ?? null), paymentHashHex);
    return read.ok ? accept(read.value.state) : read;
  }

  /** Reads a payment from a stream; `undefined` for invoices that were only created, which the stream reports too. */
  function readSettled(line: string): Result<SettledPayment | undefined, NodeRefusal> {
    const item = readJson(line, StreamedLine);
    if (item?.error !== undefined) return refuse(judgeError({ status: 500, text: JSON.stringify(item.error) }));
    const body = readJson(JSON.stringify(item?.result ?? null), SettledBody);
    if (body !== undefined && body.state !== 'SETTLED') return accept(undefined);
    const hash = body === undefined ? undefined : parseBase64(body.r_hash);
    const index = readIndex(body?.settle_index);
    const settledAtSeconds = readSeconds(body?.settle_date);
    if (hash?.length !== 32 || index === undefined || settledAtSeconds === undefined) return malformed();
    return accept({ index, paymentHashHex: formatHex(hash), settledAtSeconds });
  }

  async function inspect(): Promise<readonly NodeFinding[]> {
    const findings = inspectCredential(auditMacaroon(macaroonHex, { hasFeed }), WORDS);
    const key = await nodeKeyHex();
    if (!key.ok) return [...findings, key.refusal.fault === 'permission_missing' ? KEY_NEEDED : findingOf(key.refusal)];
    const info = await readInfo();
    if (info.ok && !info.value.synced_to_chain) {
      findings.push({
        severity: 'problem',
        code: 'syncing',
        detail: 'the node is still catching up with the chain: payments may not reach it',
      });
    }
    if (!info.ok) findings.push(notVisible('getinfo', 'sync state and network are not checked beforehand; each invoice still is'));
    const reply = await ask({ method: 'GET', path: '/v1/balance/channels' });
    const balance = reply.ok ? readJson(reply.value.text, BalanceBody) : undefined;
    if (balance === undefined) findings.push(notVisible('ChannelBalance', 'whether the node can receive is not checked'));
    else if ((readMsat(balance.remote_balance?.msat ?? '0') ?? 0n) === 0n) {
      findings.push({ severity: 'problem', code: 'no_inbound', detail: 'the node has no inbound liquidity: nobody can pay its invoices' });
    }
    return findings;
  }
}

const KEY_NEEDED = findKeyNeeded('macaroon', 'GetInfo');
const WORDS: CredentialWords = { name: 'macaroon', rights: 'permissions', lacks: 'lacks' };

const notVisible = (call: string, consequence: string) => findNotVisible('macaroon', { call, consequence });

/** Whether an order is a duplicate. LND uses its general error code for this, so the text decides. */
function isDuplicate(text: string): boolean {
  return /payment hash already exists/i.test(readJson(text, ErrorBody)?.message ?? '');
}

/** Judges an error by its text: most come with the general code 2 and status 500. */
function judgeError({ text }: NodeReply): NodeRefusal {
  const body = readJson(text, ErrorBody);
  const message = body?.message ?? '';
  const down = (fault: NodeRefusal['fault'] & string, detail: string): NodeRefusal => ({ code: 'node_unavailable', fault, detail });
  if (/wallet (locked|not created)/i.test(message)) return down('wallet_locked', 'the wallet of the node is locked');
  if (/process of starting up|waiting to start/i.test(message)) return down('starting', 'the node is starting up');
  if (/permission denied/i.test(message)) return down('permission_missing', 'the macaroon does not allow this call');
  if (/macaroon|verification failed|root key/i.test(message) || body?.code === 16) {
    return down('credential_refused', 'the node refuses the macaroon');
  }
  if (body?.code === 5 || /unable to locate invoice|no existing invoices/i.test(message)) {
    return { code: 'invoice_unknown', detail: 'the node has no invoice with this payment hash' };
  }
  if (body?.code === 3 || /memo too large|invoice too large|expiry/i.test(message)) {
    return { code: 'order_refused', detail: 'the node does not make such an invoice' };
  }
  return down('node_error', 'the node answered with an error');
}
