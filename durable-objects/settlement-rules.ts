/*
 * Which pushed payments a settlement feed accepts (M24): in sequence, each once, without a gap. A feed is at an index; a
 * batch that begins elsewhere is not accepted, and its sender continues from the feed's index. Pure.
 */

/** A payment that a node has seen. */
export interface SettledPayment {
  /** Greater than the index of the previous payment. */
  readonly index: number;
  readonly paymentHashHex: string;
  readonly settledAtSeconds: number;
}

export interface SettledBatch {
  /** The feed's index before these payments. */
  readonly fromIndex: number;
  readonly settled: readonly SettledPayment[];
}

export interface BatchDecision {
  /** The feed's index now. */
  readonly index: number;
  /** What to remember, and until when. */
  readonly kept: readonly { readonly paymentHashHex: string; readonly endsAtSeconds: number }[];
}

/** How long a payment is remembered after it was made. If its first use comes later, the node is asked. */
export const KEEP_SETTLED_SECONDS = 48 * 3600;

/** Accepts the whole batch or none of it. A batch that is out of sequence within itself is malformed. */
export function takeBatch(standsAt: number, { fromIndex, settled }: SettledBatch, nowSeconds: number): BatchDecision | 'malformed' {
  const isInSequence = settled.every(({ index }, at) => index > (settled[at - 1]?.index ?? fromIndex));
  if (!isInSequence) return 'malformed';
  if (fromIndex !== standsAt) return { index: standsAt, kept: [] };
  const kept = settled
    // A node's clock may be ahead of this one; no row may stay for ever because of that.
    .map(({ paymentHashHex, settledAtSeconds }) => ({
      paymentHashHex,
      endsAtSeconds: Math.min(settledAtSeconds, nowSeconds) + KEEP_SETTLED_SECONDS,
    }))
    .filter(({ endsAtSeconds }) => endsAtSeconds > nowSeconds);
  return { index: settled.at(-1)?.index ?? standsAt, kept };
}
