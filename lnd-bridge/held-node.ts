/*
 * A standby node with a problem that time alone does not fix (another certificate, a refused credential): the bridge starts
 * without it, sends it no calls, and inspects it repeatedly until it is healthy. Until then it is shown as unavailable.
 * Effects: a timer; asks the node.
 */
import { refuse, type Result } from '#protocol/result.ts';
import { type LightningNode, type NodeRefusal } from './ports.ts';

/** How often a held-back node is inspected. */
export const LOOK_AGAIN_MS = 60_000;

export interface HeldNodeOptions {
  /** Whether the node is healthy now. Never throws. */
  readonly isFit: () => Promise<boolean>;
  /** Calls the work repeatedly; returns a function that stops it. */
  readonly every: (ms: number, work: () => void) => () => void;
}

/** Holds a node back until it is healthy. */
export function holdBack(node: LightningNode, { isFit, every }: HeldNodeOptions): LightningNode {
  let fit = false;
  const lookAgain = async () => {
    fit = await isFit();
    if (fit) stop();
  };
  const stop = every(LOOK_AGAIN_MS, () => {
    void lookAgain();
  });
  const { followSettled } = node;
  return {
    ...node,
    nodeKeyHex: async () => (fit ? node.nodeKeyHex() : unavailable()),
    mint: async (order) => (fit ? node.mint(order) : unavailable()),
    lookUp: async (paymentHashHex) => (fit ? node.lookUp(paymentHashHex) : unavailable()),
    waitSettled: async (paymentHashHex, options) => (fit ? node.waitSettled(paymentHashHex, options) : unavailable()),
    ...(followSettled === undefined
      ? {}
      : {
          followSettled: async (index, options) => (fit ? followSettled(index, options) : unavailable().refusal),
        }),
    health: async () => (fit ? node.health() : 'node_unavailable'),
    close() {
      stop();
      node.close();
    },
  };
}

function unavailable(): Extract<Result<never, NodeRefusal>, { ok: false }> {
  return refuse({ code: 'node_unavailable', detail: 'the node is held back: see its findings in the log' });
}
