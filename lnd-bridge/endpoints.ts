/*
 * What each endpoint does once a request is let in: mint, look up, health. Reads the order strictly, asks the node,
 * and holds the node's answer against the order before passing it on. Effects: the node and the log.
 */
import { type z } from 'zod/mini';
import { type Network } from '#protocol/invoice.ts';
import { type Msat, parseMsat } from '#protocol/msat.ts';
import { type BridgeAnswer, formatNodeAnswer, formatRefusal } from './answers.ts';
import { HealthAnswer, LookupAnswer, MintAnswer, MintRequest } from './contract.ts';
import { describeFault } from './fault-text.ts';
import { parseJson } from './http-listener.ts';
import { findMintedFlaw } from './minted-check.ts';
import { type Clock, type LightningNode, type Log, type NodeRefusal } from './ports.ts';

export interface EndpointOptions {
  readonly node: LightningNode;
  readonly network: Network;
  readonly maxSkewSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** `POST /v1/invoices` */
export async function answerMint(body: string, options: EndpointOptions): Promise<BridgeAnswer> {
  const { node, network, maxSkewSeconds, clock, log } = options;
  const parsed = MintRequest.safeParse(parseJson(body));
  if (!parsed.success) return formatRefusal('body_invalid', `these do not fit the contract: ${nameProblemKeys(parsed.error)}`);
  const amountMsat = parseMsat(parsed.data.amountMsat);
  if (amountMsat === undefined || amountMsat === 0n)
    return formatRefusal('amount_invalid', 'the amount is from 1 msat to 21 million bitcoin');
  if (amountMsat % node.smallestMsat !== 0n) {
    return formatRefusal('amount_invalid', `this node knows whole multiples of ${node.smallestMsat} msat only`);
  }
  const order = { ...parsed.data, amountMsat };
  return askNode(log, async () => {
    const nodeKeyHex = await node.nodeKeyHex();
    if (!nodeKeyHex.ok) return refuseForNode(nodeKeyHex.refusal);
    const minted = await node.mint(order);
    if (!minted.ok) return refuseForNode(minted.refusal);
    const answer = formatNodeAnswer(MintAnswer, minted.value);
    if (answer.refused !== undefined) return answer;
    const expected = { order, network, nodeKeyHex: nodeKeyHex.value, nowSeconds: clock.nowSeconds(), maxSkewSeconds };
    const flaw = findMintedFlaw(minted.value, expected);
    if (flaw !== undefined) return formatRefusal('node_answer_wrong', flaw);
    log({ event: 'invoice_minted', amountMsat: String(amountMsat), paymentHashHex: minted.value.paymentHashHex, node: node.kind });
    return answer;
  });
}

/** `GET /v1/invoices/:hash` */
export async function answerLookUp(paymentHashHex: string, { node, log }: EndpointOptions): Promise<BridgeAnswer> {
  return askNode(log, async () => {
    const looked = await node.lookUp(paymentHashHex);
    if (!looked.ok) return refuseForNode(looked.refusal);
    if (looked.value.paymentHashHex !== paymentHashHex) return formatRefusal('node_answer_wrong', 'the node answered for another invoice');
    // Spread, not picked: a field that must not be there has to reach the schema, which then refuses the whole.
    return formatNodeAnswer(LookupAnswer, { ...looked.value, ...formatPaid(looked.value.paidMsat) });
  });
}

/** `GET /healthz`: open to all, so it tells no more than a monitor needs. */
export async function answerHealth({ node, log }: EndpointOptions): Promise<BridgeAnswer> {
  const status = await node.health().catch((error: unknown) => {
    log({ event: 'fault', ...describeFault(error) });
    return 'node_unavailable' as const;
  });
  const answer = formatNodeAnswer(HealthAnswer, { status, network: node.network, backend: node.kind });
  return status === 'ok' ? answer : { ...answer, status: 503, headers: { 'retry-after': '5' } };
}

async function askNode(log: Log, ask: () => Promise<BridgeAnswer>): Promise<BridgeAnswer> {
  try {
    return await ask();
  } catch (error) {
    log({ event: 'fault', ...describeFault(error) });
    return formatRefusal('node_unavailable', 'the Lightning node does not answer');
  }
}

function refuseForNode({ code, detail }: NodeRefusal): BridgeAnswer {
  return formatRefusal(code, detail);
}

function formatPaid(paidMsat: Msat | undefined): { paidMsat?: string } {
  return paidMsat === undefined ? {} : { paidMsat: String(paidMsat) };
}

/** Names of our own fields; of others only that there are some, since a name could be anything. */
function nameProblemKeys(error: z.core.$ZodError): string {
  const names = error.issues.map((issue) => (issue.code === 'unrecognized_keys' ? 'unknown keys' : String(issue.path[0] ?? 'the body')));
  return [...new Set(names)].join(', ');
}
