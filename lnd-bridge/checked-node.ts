/*
 * A node's answers, each compared with the request before anything else sees it: form, order, network, signer (M23). An
 * answer that is wrong and a node that throws both become refusals here. Effects: the node, and the log for faults.
 */
import * as z from 'zod/mini';
import { type Network } from '#protocol/invoice.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { LookupAnswer, MintAnswer } from './contract.ts';
import { describeFault } from './fault-text.ts';
import { findMintedFlaw } from './minted-check.ts';
import {
  type Clock,
  type InvoiceOrder,
  type InvoiceState,
  type LightningNode,
  type Log,
  type MintedInvoice,
  type NodeRefusal,
} from './ports.ts';

/** The node's part of the answer; the bridge adds the meaning of settlement. */
const NodeMintAnswer = z.omit(MintAnswer, { settlement: true, nodeKeyHex: true });

export interface CheckedNodeOptions {
  readonly network: Network;
  /** How far the node's clock may be ahead of the bridge's. */
  readonly maxSkewSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** An invoice, and the node that made it, if its backend can tell. */
export type CheckedInvoice = MintedInvoice & { readonly nodeKeyHex?: string };

/** The calls of a node, with checks. */
export interface CheckedNode {
  mint(order: InvoiceOrder): Promise<Result<CheckedInvoice, NodeRefusal>>;
  lookUp(paymentHashHex: string): Promise<Result<InvoiceState, NodeRefusal>>;
}

/** Wraps a node with the checks. */
export function createCheckedNode(node: LightningNode, { network, maxSkewSeconds, clock, log }: CheckedNodeOptions): CheckedNode {
  async function guard<Value>(ask: () => Promise<Result<Value, NodeRefusal>>): Promise<Result<Value, NodeRefusal>> {
    try {
      return await ask();
    } catch (error) {
      log({ event: 'fault', ...describeFault(error) });
      return refuse({ code: 'node_unavailable', detail: 'the Lightning node does not answer' });
    }
  }

  return {
    mint: (order) =>
      guard(async () => {
        const nodeKeyHex = await node.nodeKeyHex();
        if (!nodeKeyHex.ok) return nodeKeyHex;
        const minted = await node.mint(order);
        if (!minted.ok) return minted;
        // An extra field means that the adapter leaks something, so nothing of it is sent (M28).
        if (!NodeMintAnswer.safeParse(minted.value).success) return wrong('the answer of the node does not have the agreed shape');
        const expected = { order, network, nodeKeyHex: nodeKeyHex.value, nowSeconds: clock.nowSeconds(), maxSkewSeconds };
        const flaw = findMintedFlaw(minted.value, expected);
        if (flaw !== undefined) return wrong(flaw);
        return accept(nodeKeyHex.value === undefined ? minted.value : { ...minted.value, nodeKeyHex: nodeKeyHex.value });
      }),

    lookUp: (paymentHashHex) =>
      guard(async () => {
        const looked = await node.lookUp(paymentHashHex);
        if (!looked.ok) return looked;
        const { paidMsat, ...rest } = looked.value;
        // Spread, not picked: a forbidden field must reach the schema, which then refuses the whole answer.
        const sent = { ...rest, ...(paidMsat === undefined ? {} : { paidMsat: String(paidMsat) }) };
        if (!LookupAnswer.safeParse(sent).success) return wrong('the answer of the node does not have the agreed shape');
        if (looked.value.paymentHashHex !== paymentHashHex) return wrong('the node answered for another invoice');
        return looked;
      }),
  };
}

function wrong(detail: string): Result<never, NodeRefusal> {
  return refuse({ code: 'node_answer_wrong', fault: 'answer_malformed', detail });
}
