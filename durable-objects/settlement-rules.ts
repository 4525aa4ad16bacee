/*
 * Which pushed payments a settlement feed takes (M24): in their sequence, each once, without a gap. The feed stands at an
 * index; a batch that begins elsewhere is not taken, and its sender goes on from where the feed stands. Pure.
 */

/** A payment that a node has seen. */
export interface SettledPayment {
  /** Greater than that of the payment before it. */
  readonly index: number;
  readonly paymentHashHex: string;
  readonly settledAtSeconds: number;
}

export interface SettledBatch {
  /** Where the feed stood when these payments came. */
  readonly fromIndex: number;
  readonly settled: readonly SettledPayment[];
}

export interface BatchDecision {
  /** Where the feed stands now. */
  readonly index: number;
  /** What is to be remembered, and until when. */
  readonly kept: readonly { readonly paymentHashHex: string; readonly endsAtSeconds: number }[];
}

/** A payment is remembered for so long after it was made; who uses it for the first time after that has it looked up. */
export const KEEP_SETTLED_SECONDS = 48 * 3600;

/** Takes the whole batch or nothing of it. A batch out of sequence within itself is malformed. */
export function takeBatch(standsAt: number, { fromIndex, settled }: SettledBatch, nowSeconds: number): BatchDecision | 'malformed' {
  const isInSequence = settled.every(({ index }, at) => index > (settled[at - 1]?.index ?? fromIndex));
  if (!isInSequence) return 'malformed';
  if (fromIndex !== standsAt) return { index: standsAt, kept: [] };
  const kept = settled
    // The clock of a node may be ahead of ours, and no row must stay for ever because of that.
    .map(({ paymentHashHex, settledAtSeconds }) => ({
      paymentHashHex,
      endsAtSeconds: Math.min(settledAtSeconds, nowSeconds) + KEEP_SETTLED_SECONDS,
    }))
    .filter(({ endsAtSeconds }) => endsAtSeconds > nowSeconds);
  return { index: settled.at(-1)?.index ?? standsAt, kept };
}
