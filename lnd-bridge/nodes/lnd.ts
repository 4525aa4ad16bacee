/*
 * LND over its REST interface. A locked wallet is a 500, and bytes in a path are base64url. The preimage of each invoice is
 * derived from the order's key, so LND itself refuses a second invoice for it. Effects: calls to the node.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import * as z from 'zod/mini';
import { formatBase64, formatHex, parseHex } from '#protocol/bytes.ts';
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
import { findKeyNeeded, findNotVisible, inspectCredential, type CredentialWords } from './credential-findings.ts';
import { isDuplicate, judgeError, readInvoice, readMintReply, readStreamedPayment, readStreamedState } from './lnd-answers.ts';
import { auditMacaroon } from './lnd-macaroon.ts';
import {
  createIdentity,
  derivePreimage,
  findingOf,
  type FoundInvoice,
  NO_INBOUND,
  type NodeOptions,
  readAnswer,
  readJson,
  readMsat,
  repeatMint,
  SYNCING,
} from './node-answers.ts';
import { type NodeReply, type NodeRequest } from './node-http.ts';

export interface LndOptions extends NodeOptions {
  readonly macaroonHex: string;
  readonly preimageSecret: Uint8Array;
  /** Adds hints to private channels to the invoice: needed by a node without public channels. */
  readonly privateHints: boolean;
}

const InfoBody = z.looseObject({
  identity_pubkey: z.string(),
  synced_to_chain: z.boolean(),
  chains: z.array(z.looseObject({ network: z.string() })),
});
const BalanceBody = z.looseObject({ remote_balance: z.optional(z.looseObject({ msat: z.string() })) });
const StateBody = z.looseObject({ state: z.string() });

/** Creates the bridge's port on an LND node. */
export function createLndNode(options: LndOptions): LightningNode {
  const { client, network, settlement } = options;
  const nodeKeyHex = createIdentity(async () => {
    const info = await readInfo(options);
    return info.ok ? accept({ keyHex: info.value.identity_pubkey, network: info.value.chains[0]?.network }) : info;
  }, options);
  return {
    kind: 'lnd',
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

function send({ client, macaroonHex }: LndOptions, request: NodeRequest): Promise<Result<NodeReply, NodeRefusal>> {
  return client.send({ ...request, headers: { 'grpc-metadata-macaroon': macaroonHex } });
}

/** Returns a successful reply, or the meaning of its error. */
async function ask(node: LndOptions, request: NodeRequest): Promise<Result<NodeReply, NodeRefusal>> {
  const reply = await send(node, request);
  if (!reply.ok || reply.value.status === 200) return reply;
  return refuse(judgeError(reply.value));
}

async function readInfo(node: LndOptions): Promise<Result<z.infer<typeof InfoBody>, NodeRefusal>> {
  const reply = await ask(node, { method: 'GET', path: '/v1/getinfo' });
  return reply.ok ? readAnswer(reply.value.text, InfoBody) : reply;
}

async function find(node: LndOptions, paymentHashHex: string): Promise<Result<FoundInvoice, NodeRefusal>> {
  const reply = await ask(node, { method: 'GET', path: `/v1/invoice/${paymentHashHex}` });
  return reply.ok ? readInvoice(reply.value.text, { paymentHashHex, nowSeconds: node.clock.nowSeconds() }) : reply;
}

async function lookUp(node: LndOptions, paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>> {
  const found = await find(node, paymentHashHex);
  return found.ok ? accept(found.value.state) : found;
}

async function mint(node: LndOptions, order: InvoiceOrder): Promise<Result<MintedInvoice, NodeRefusal>> {
  const preimage = derivePreimage(node.preimageSecret, { name: node.name, idempotencyKey: order.idempotencyKey });
  const body = JSON.stringify({
    memo: order.memo,
    value_msat: String(order.amountMsat),
    expiry: String(order.expirySeconds),
    private: node.privateHints,
    r_preimage: formatBase64(preimage),
  });
  const reply = await send(node, { method: 'POST', path: '/v1/invoices', body });
  if (!reply.ok) return reply;
  if (reply.value.status === 200) return readMintReply(reply.value);
  if (!isDuplicate(reply.value.text)) return refuse(judgeError(reply.value));
  const found = await find(node, formatHex(sha256(preimage)));
  return found.ok ? repeatMint(found.value, order) : found;
}

async function waitSettled(
  node: LndOptions,
  { paymentHashHex, signal }: { paymentHashHex: string; signal: AbortSignal },
): Promise<Result<InvoiceState, NodeRefusal>> {
  const hash = formatBase64(parseHex(paymentHashHex)!).replaceAll('+', '-').replaceAll('/', '_');
  const readLine = (line: string) => readStreamedState(line, { paymentHashHex, nowSeconds: node.clock.nowSeconds() });
  const isFinal = (line: string): boolean => {
    const looked = readLine(line);
    return !looked.ok || looked.value.state !== 'open';
  };
  const reply = await ask(node, { method: 'GET', path: `/v2/invoices/subscribe/${hash}`, signal, isLongPoll: true, until: isFinal });
  if (signal.aborted) return lookUp(node, paymentHashHex);
  return reply.ok ? readLine(reply.value.text) : reply;
}

async function followSettled(
  node: LndOptions,
  { index, signal, take }: { index: number } & FollowOptions,
): Promise<NodeRefusal | undefined> {
  const broken = new AbortController();
  let refusal: NodeRefusal | undefined;
  const onLines = async (lines: readonly string[]): Promise<void> => {
    const settled: SettledPayment[] = [];
    for (const line of lines) {
      const read = readStreamedPayment(line);
      if (!read.ok) {
        refusal = read.refusal;
        break;
      }
      if (read.value !== undefined) settled.push(read.value);
    }
    if (settled.length > 0) await take(settled);
    if (refusal !== undefined) broken.abort();
  };
  // LND repeats everything after the index, except for index 0, which means from now on.
  const reply = await ask(node, {
    method: 'GET',
    path: `/v1/invoices/subscribe?settle_index=${index}`,
    signal: AbortSignal.any([signal, broken.signal]),
    isLongPoll: true,
    onLines,
  });
  return signal.aborted ? undefined : (refusal ?? (reply.ok ? undefined : reply.refusal));
}

async function checkHealth({ client }: LndOptions): ReturnType<LightningNode['health']> {
  // The state says more than a mint would, and needs no permission; it exists since LND 0.13.
  const reply = await client.send({ method: 'GET', path: '/v1/state' });
  const state = reply.ok && reply.value.status === 200 ? readJson(reply.value.text, StateBody)?.state : undefined;
  return state === 'SERVER_ACTIVE' || state === 'RPC_ACTIVE' ? 'ok' : 'node_unavailable';
}

async function inspect(node: LndOptions, nodeKeyHex: LightningNode['nodeKeyHex']): Promise<readonly NodeFinding[]> {
  const findings = inspectCredential(auditMacaroon(node.macaroonHex, { hasFeed: node.hasFeed }), WORDS);
  const key = await nodeKeyHex();
  if (!key.ok) return [...findings, key.refusal.fault === 'permission_missing' ? KEY_NEEDED : findingOf(key.refusal)];
  const info = await readInfo(node);
  if (!info.ok) findings.push(notVisible('getinfo', 'sync state and network are not checked beforehand; each invoice still is'));
  else if (!info.value.synced_to_chain) findings.push(SYNCING);
  const reply = await ask(node, { method: 'GET', path: '/v1/balance/channels' });
  const balance = reply.ok ? readJson(reply.value.text, BalanceBody) : undefined;
  if (balance === undefined) findings.push(notVisible('ChannelBalance', 'whether the node can receive is not checked'));
  else if ((readMsat(balance.remote_balance?.msat ?? '0') ?? 0n) === 0n) findings.push(NO_INBOUND);
  return findings;
}

const KEY_NEEDED = findKeyNeeded('macaroon', 'GetInfo');
const WORDS: CredentialWords = { name: 'macaroon', rights: 'permissions', lacks: 'lacks' };

const notVisible = (call: string, consequence: string) => findNotVisible('macaroon', { call, consequence });
