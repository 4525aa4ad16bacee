/*
 * Core Lightning over clnrest with a rune. A search without results is an empty list. The order's key is the invoice's label,
 * which the node keeps unique. Effects: calls to the node.
 */
import * as z from 'zod/mini';
import { msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import {
  type FollowOptions,
  type InvoiceOrder,
  type InvoiceState,
  type LightningNode,
  type MintedInvoice,
  type NodeFinding,
  type NodeRefusal,
  type SettledPayment,
} from '../ports.ts';
import {
  ERROR_CODE,
  InvoicesBody,
  isSuccess,
  judgeError,
  type ListedInvoice,
  readErrorCode,
  readMintReply,
  readNextPayment,
  readState,
} from './cln-answers.ts';
import { auditRune } from './cln-rune.ts';
import { findKeyNeeded, findNotVisible, inspectCredential, type CredentialWords } from './credential-findings.ts';
import {
  createIdentity,
  findingOf,
  malformed,
  NO_INBOUND,
  type NodeOptions,
  readAnswer,
  readMsat,
  repeatMint,
  SYNCING,
} from './node-answers.ts';
import { type NodeReply } from './node-http.ts';

export interface ClnOptions extends NodeOptions {
  readonly rune: string;
  /** Requests hints to private channels. Off: the node adds them only if it has no public channel. */
  readonly privateHints: boolean;
}

const InfoBody = z.looseObject({
  id: z.string(),
  network: z.string(),
  warning_bitcoind_sync: z.optional(z.string()),
  warning_lightningd_sync: z.optional(z.string()),
});
const ChannelsBody = z.looseObject({ channels: z.array(z.looseObject({ state: z.string(), receivable_msat: z.optional(z.unknown()) })) });

const NETWORK_NAMES: Readonly<Record<string, string>> = { bitcoin: 'mainnet', testnet: 'testnet', signet: 'signet', regtest: 'regtest' };
/** The node ends a wait itself before a proxy in between does. */
const LONGEST_WAIT_SECONDS = 50;
/** Past payments come one per call; up to this many are collected before they are reported. */
const MOST_GATHERED = 100;
const PAUSE_MS = 1000;

/** Creates the bridge's port on a Core Lightning node. */
export function createClnNode(options: ClnOptions): LightningNode {
  const { client, network, settlement } = options;
  const nodeKeyHex = createIdentity(async () => {
    const info = await read(options, { method: 'getinfo', schema: InfoBody });
    return info.ok ? accept({ keyHex: info.value.id, network: NETWORK_NAMES[info.value.network] }) : info;
  }, options);
  return {
    kind: 'cln',
    network,
    settlement,
    smallestMsat: msat(1n),
    nodeKeyHex,
    mint: (order) => mint(options, order),
    lookUp: (paymentHashHex) => lookUp(options, paymentHashHex),
    waitSettled: (paymentHashHex, { signal }) => waitSettled(options, { paymentHashHex, signal }),
    followSettled: (index, follow) => followSettled(options, { index, ...follow }),
    health: () => checkHealth(options),
    inspect: () => inspect(options, nodeKeyHex),
    close: () => client.close(),
  };
}

interface Call {
  readonly method: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Set for a call that waits: it lasts until the node answers or the signal comes. */
  readonly signal?: AbortSignal;
}

function call({ client, rune }: ClnOptions, { method, parameters = {}, signal }: Call): Promise<Result<NodeReply, NodeRefusal>> {
  return client.send({
    method: 'POST',
    path: `/v1/${method}`,
    headers: { rune, 'content-type': 'application/json' },
    body: JSON.stringify(parameters),
    ...(signal === undefined ? {} : { signal, isLongPoll: true }),
  });
}

async function read<Schema extends z.ZodMiniType>(
  node: ClnOptions,
  { schema, ...asked }: Call & { schema: Schema },
): Promise<Result<z.infer<Schema>, NodeRefusal>> {
  const reply = await call(node, asked);
  if (!reply.ok) return reply;
  return isSuccess(reply.value) ? readAnswer(reply.value.text, schema) : refuse(judgeError(reply.value));
}

async function find(node: ClnOptions, by: { label: string } | { payment_hash: string }): Promise<Result<ListedInvoice, NodeRefusal>> {
  const listed = await read(node, { method: 'listinvoices', parameters: by, schema: InvoicesBody });
  if (!listed.ok) return listed;
  const [invoice, ...others] = listed.value.invoices;
  if (invoice === undefined) return refuse({ code: 'invoice_unknown', detail: 'the node has no invoice with this payment hash' });
  // A node that does not support the filter would list everything.
  const isAsked = 'label' in by ? invoice.label === by.label : invoice.payment_hash === by.payment_hash;
  return others.length > 0 || !isAsked ? malformed() : accept(invoice);
}

async function lookUp(node: ClnOptions, paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>> {
  const found = await find(node, { payment_hash: paymentHashHex });
  return found.ok ? readState(found.value, node.clock.nowSeconds()) : found;
}

async function mint(node: ClnOptions, order: InvoiceOrder): Promise<Result<MintedInvoice, NodeRefusal>> {
  const label = `l402-${order.idempotencyKey}`;
  const parameters = {
    // With its unit: a large amount as a bare number would lose precision in JSON.
    amount_msat: `${order.amountMsat}msat`,
    label,
    description: order.memo,
    expiry: order.expirySeconds,
    ...(node.privateHints ? { exposeprivatechannels: true } : {}),
  };
  const reply = await call(node, { method: 'invoice', parameters });
  if (!reply.ok) return reply;
  if (isSuccess(reply.value)) return readMintReply(reply.value);
  if (readErrorCode(reply.value) !== ERROR_CODE.labelExists) return refuse(judgeError(reply.value));
  const found = await find(node, { label });
  if (!found.ok) return found;
  const state = readState(found.value, node.clock.nowSeconds());
  if (!state.ok || found.value.bolt11 === undefined) return malformed();
  return repeatMint({ invoice: found.value.bolt11, state: state.value }, order);
}

async function waitSettled(
  node: ClnOptions,
  { paymentHashHex, signal }: { paymentHashHex: string; signal: AbortSignal },
): Promise<Result<InvoiceState, NodeRefusal>> {
  const found = await find(node, { payment_hash: paymentHashHex });
  if (!found.ok) return found;
  const state = readState(found.value, node.clock.nowSeconds());
  if (!state.ok || state.value.state !== 'open' || signal.aborted) return state;
  const waited = await call(node, { method: 'waitinvoice', parameters: { label: found.value.label }, signal });
  if (!signal.aborted) {
    if (!waited.ok) return waited;
    const code = readErrorCode(waited.value);
    const isEnd = isSuccess(waited.value) || code === ERROR_CODE.waitExpired || code === ERROR_CODE.waitDeleted;
    if (!isEnd) return refuse(judgeError(waited.value));
  }
  return lookUp(node, paymentHashHex);
}

async function followSettled(
  node: ClnOptions,
  { index, signal, take }: { index: number } & FollowOptions,
): Promise<NodeRefusal | undefined> {
  for (let last = index; ;) {
    const settled: SettledPayment[] = [];
    while (settled.length < MOST_GATHERED) {
      const next = await waitPaid(node, { last, seconds: settled.length === 0 ? LONGEST_WAIT_SECONDS : 0, signal });
      if (signal.aborted) return undefined;
      if (!next.ok) return next.refusal;
      if (next.value === undefined) break;
      settled.push(next.value);
      last = next.value.index;
    }
    // A proxy may have cut the wait short; asking again at once would loop without a pause.
    await (settled.length > 0 ? take(settled) : node.wait(PAUSE_MS, signal));
    if (signal.aborted) return undefined;
  }
}

/** Waits for the next payment after the index `last`; `undefined` if none came in time. */
async function waitPaid(
  node: ClnOptions,
  { last, seconds, signal }: { last: number; seconds: number; signal: AbortSignal },
): Promise<Result<SettledPayment | undefined, NodeRefusal>> {
  const waited = await call(node, { method: 'waitanyinvoice', parameters: { lastpay_index: last, timeout: seconds }, signal });
  return waited.ok ? readNextPayment(waited.value, last) : waited;
}

async function checkHealth(node: ClnOptions): ReturnType<LightningNode['health']> {
  // A rune without getinfo may still list, and an empty list is an answer too.
  const reply = await call(node, { method: 'listinvoices', parameters: { payment_hash: '00'.repeat(32) } });
  return reply.ok && isSuccess(reply.value) ? 'ok' : 'node_unavailable';
}

async function inspect(node: ClnOptions, nodeKeyHex: LightningNode['nodeKeyHex']): Promise<readonly NodeFinding[]> {
  const findings = inspectCredential(auditRune(node.rune, { hasFeed: node.hasFeed }), WORDS);
  const key = await nodeKeyHex();
  if (!key.ok) return [...findings, key.refusal.fault === 'permission_missing' ? KEY_NEEDED : findingOf(key.refusal)];
  const info = await read(node, { method: 'getinfo', schema: InfoBody });
  if (!info.ok) findings.push(notVisible('getinfo', 'sync state and network are not checked beforehand; each invoice still is'));
  else if (info.value.warning_bitcoind_sync !== undefined || info.value.warning_lightningd_sync !== undefined) findings.push(SYNCING);
  const listed = await read(node, { method: 'listpeerchannels', schema: ChannelsBody });
  const canReceive = ({ state, receivable_msat: receivable }: z.infer<typeof ChannelsBody>['channels'][number]): boolean =>
    state === 'CHANNELD_NORMAL' && (readMsat(receivable) ?? 0n) > 0n;
  if (!listed.ok) findings.push(notVisible('listpeerchannels', 'whether the node can receive is not checked'));
  else if (!listed.value.channels.some(canReceive)) findings.push(NO_INBOUND);
  return findings;
}

const KEY_NEEDED = findKeyNeeded('rune', 'getinfo');
const WORDS: CredentialWords = { name: 'rune', rights: 'restrictions', lacks: 'does not allow' };

const notVisible = (method: string, consequence: string) => findNotVisible('rune', { call: method, consequence });
