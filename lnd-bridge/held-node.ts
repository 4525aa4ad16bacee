/*
 * A standby node with trouble that time alone does not heal (another certificate, a credential that is refused): the bridge
 * starts without it, asks it for nothing, and looks it over again until it is well. It shows as unavailable meanwhile.
 * Effects: a timer; asks the node.
 */
import { refuse, type Result } from '#protocol/result.ts';
import { type LightningNode, type NodeRefusal } from './ports.ts';

/** So often a node that is held back is looked over. */
export const LOOK_AGAIN_MS = 60_000;

export interface HeldNodeOptions {
  /** Whether the node is fit now. Never throws. */
  readonly isFit: () => Promise<boolean>;
  /** Calls the work again and again; what it returns ends that. */
  readonly every: (ms: number, work: () => void) => () => void;
}

/** The node, held back until it is fit. */
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
