/*
 * The endpoints, once a request is admitted: mint one invoice or a batch, look up, describe the nodes, health, metrics.
 * Orders are read strictly, and only fields of the contract are sent. Effects: the nodes and the log.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { type z } from 'zod/mini';
import { equalBytes } from '#protocol/bytes.ts';
import { type Network } from '#protocol/invoice.ts';
import { parseMsat } from '#protocol/msat.ts';
import { refuse, type Result } from '#protocol/result.ts';
import { type BridgeAnswer, formatGoodAnswer, formatRefusal } from './answers.ts';
import {
  HealthAnswer,
  LOOK_UP_LIMIT_MS,
  LookupAnswer,
  MINT_LIMIT_MS,
  MintAnswer,
  MintBatchAnswer,
  MintBatchRequest,
  MintRequest,
  NodeAnswer,
  WAY_MS,
} from './contract.ts';
import { parseJson } from './http-listener.ts';
import { type Metrics } from './metrics.ts';
import { type NodePool, type PoolRefusal } from './node-pool.ts';
import { type Log } from './ports.ts';
import { type Caller } from './work-queue.ts';

export interface EndpointOptions {
  readonly pool: NodePool;
  readonly network: Network;
  readonly metrics: Metrics;
  readonly log: Log;
  /** A clock for measuring only. */
  readonly stopwatchMs: () => number;
}

/** Whether the caller is gone. */
export type IsGone = () => boolean;

/** Answers `POST /v1/invoices`. */
export async function answerMint(body: string, options: EndpointOptions, isGone: IsGone): Promise<BridgeAnswer> {
  const parsed = MintRequest.safeParse(parseJson(body));
  if (!parsed.success) return formatRefusal('body_invalid', `these do not fit the contract: ${nameProblemKeys(parsed.error)}`);
  const deadlineMs = options.stopwatchMs() + MINT_LIMIT_MS - WAY_MS;
  const minted = await mint(parsed.data, { waiting: 'client', deadlineMs, isGone }, options);
  if (!minted.ok) return formatRefusal(minted.refusal.code, minted.refusal.detail);
  return { ...formatGoodAnswer(MintAnswer, minted.value), minted: [minted.value.paymentHashHex] };
}

/** A batch stops this long before the time limit, so that its answer arrives and nothing it has made is lost. */
const BATCH_STOPS_MS = 2 * WAY_MS;
/** Nobody waits for a batch: it enters a queue in small groups, so that an order that a client waits for gets its turn soon. */
const ORDERS_AT_ONCE = 8;

/** Answers `POST /v1/invoices/batch`: one result per order, in the same order. If none could be made, the first refusal answers for all. */
export async function answerMintBatch(body: string, options: EndpointOptions, isGone: IsGone): Promise<BridgeAnswer> {
  const parsed = MintBatchRequest.safeParse(parseJson(body));
  if (!parsed.success) return formatRefusal('body_invalid', `these do not fit the contract: ${nameProblemKeys(parsed.error)}`);
  const { orders } = parsed.data;
  if (new Set(orders.map(({ idempotencyKey }) => idempotencyKey)).size < orders.length) {
    return formatRefusal('body_invalid', 'two orders have the same idempotencyKey');
  }
  const deadlineMs = options.stopwatchMs() + MINT_LIMIT_MS - BATCH_STOPS_MS;
  const caller: Caller = { waiting: 'nobody', deadlineMs, isGone };
  const minted: Awaited<ReturnType<typeof mint>>[] = [];
  for (let from = 0; from < orders.length; from += ORDERS_AT_ONCE) {
    // The invoices made so far are worth more than the rest: they are returned before the gateway gives up (M34).
    const isOver = isGone() || options.stopwatchMs() > deadlineMs;
    const some = orders.slice(from, from + ORDERS_AT_ONCE).map((order) => (isOver ? NOT_IN_TIME : mint(order, caller, options)));
    minted.push(...(await Promise.all(some)));
  }
  const made = minted.flatMap((one) => (one.ok ? [one.value.paymentHashHex] : []));
  const [first] = minted;
  if (made.length === 0 && first?.ok === false) return formatRefusal(first.refusal.code, first.refusal.detail);
  const results = minted.map((one) => (one.ok ? one.value : one.refusal));
  return { ...formatGoodAnswer(MintBatchAnswer, { results }), minted: made };
}

const NOT_IN_TIME = refuse<PoolRefusal>({ code: 'queue_full', detail: 'the Lightning node could not do it in time' });

async function mint(order: MintRequest, caller: Caller, { pool, log }: EndpointOptions): Promise<Result<MintAnswer, PoolRefusal>> {
  const amountMsat = parseMsat(order.amountMsat);
  if (amountMsat === undefined || amountMsat === 0n) {
    return refuse({ code: 'amount_invalid', detail: 'the amount is from 1 msat to 21 million bitcoin' });
  }
  const minted = await pool.mint({ ...order, amountMsat }, caller);
  if (!minted.ok) return minted;
  const { paymentHashHex } = minted.value.minted;
  log({ event: 'invoice_minted', amountMsat: String(amountMsat), paymentHashHex, node: minted.value.name });
  return { ok: true, value: { ...minted.value.minted, settlement: pool.settlement } };
}

/** Answers `GET /v1/invoices/:hash`. */
export async function answerLookUp(paymentHashHex: string, { pool, stopwatchMs }: EndpointOptions, isGone: IsGone): Promise<BridgeAnswer> {
  const deadlineMs = stopwatchMs() + LOOK_UP_LIMIT_MS - WAY_MS;
  const looked = await pool.lookUp(paymentHashHex, { waiting: 'client', deadlineMs, isGone });
  if (!looked.ok) return formatRefusal(looked.refusal.code, looked.refusal.detail);
  const { paidMsat, ...state } = looked.value;
  return formatGoodAnswer(LookupAnswer, { ...state, ...(paidMsat === undefined ? {} : { paidMsat: String(paidMsat) }) });
}

/** Answers `GET /v1/node`: what the gateway can rely on. */
export async function answerNode({ pool, network }: EndpointOptions): Promise<BridgeAnswer> {
  const statuses = await pool.statuses();
  const nodes = statuses.map((node) => ({
    name: node.name,
    backend: node.backend,
    status: node.status,
    breaker: node.breaker,
    settlement: node.settlement,
    smallestMsat: String(node.smallestMsat),
    nodeKeyHex: node.nodeKeyHex,
  }));
  return formatGoodAnswer(NodeAnswer, { network, settlement: pool.settlement, nodes });
}

/** Answers `GET /healthz`: open to all, so it says only what a monitor needs. The bridge is healthy while one node is. */
export async function answerHealth({ pool, network }: EndpointOptions): Promise<BridgeAnswer> {
  const statuses = await pool.statuses();
  const able = statuses.find(({ status }) => status === 'ok');
  const status = able === undefined ? 'node_unavailable' : 'ok';
  const nodes = statuses.map((node) => ({ name: node.name, backend: node.backend, status: node.status, breaker: node.breaker }));
  const backend = (able ?? statuses[0]!).backend;
  const answer = formatGoodAnswer(HealthAnswer, { status, network, backend, ...(nodes.length > 1 ? { nodes } : {}) });
  return able === undefined ? { ...answer, status: 503, headers: { 'retry-after': '5' } } : answer;
}

/**
 * Answers `GET /metrics`: behind a separate token, because it reveals business figures. Without a token in the settings it
 * does not exist.
 */
export function answerMetrics(
  authorization: string | undefined,
  { metrics, pool, token }: Pick<EndpointOptions, 'metrics' | 'pool'> & { readonly token: string },
): BridgeAnswer {
  const given = /^Bearer ([A-Za-z0-9_-]+)$/i.exec(authorization ?? '')?.[1];
  // Hashes have equal lengths, so the comparison does not reveal even the token's length.
  if (given === undefined || !equalBytes(sha256(utf8ToBytes(given)), sha256(utf8ToBytes(token)))) {
    return { ...formatRefusal('token_wrong', 'the token for metrics is missing or wrong'), headers: { 'www-authenticate': 'Bearer' } };
  }
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
  return { status: 200, body: metrics.format(pool.gauges()), headers };
}

/** Lists the contract's own field names; unknown names are only mentioned, because a name could be anything. */
function nameProblemKeys(error: z.core.$ZodError): string {
  const names = error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys') return 'unknown keys';
    return issue.path.length === 0 ? 'the body' : issue.path.map(String).join('.');
  });
  return [...new Set(names)].slice(0, 20).join(', ');
}
