/*
 * Challenges that a client was issued, so that the same one can be issued again (M18): byte for byte, to the same client, for
 * the same offer, and only while nobody has presented or used its payment. They are stored in the client's usage. Pure.
 */
import { isOfNode, type KnownNode, type ReadyChallenge } from './pool-rules.ts';

/** A challenge and its offer: a digest of everything that the token and the invoice say. */
export interface IssuedChallenge {
  readonly offer: string;
  readonly item: ReadyChallenge;
}

/** Most repeatable challenges of one client; the newest are kept. */
export const MOST_REPEATABLE = 8;
/** A challenge is issued again only if it can be paid for at least this long (M18). */
export const LEAST_REPEATED_LIFE_MS = 60_000;
/** Weight of one challenge relative to an instant, by memory. */
export const ISSUED_WEIGHT = 20;

type Issued = readonly IssuedChallenge[];

/** Adds a challenge and keeps the newest. */
export function rememberChallenge(issued: Issued, challenge: IssuedChallenge): Issued {
  return [...issued, challenge].slice(-MOST_REPEATABLE);
}

/** Finds the challenge of this offer that stays payable longest, if that is long enough. */
export function findRepeatable(
  issued: Issued,
  { key, node }: { readonly key: string; readonly node?: KnownNode | undefined },
  nowMs: number,
): ReadyChallenge | undefined {
  return issued
    .flatMap((challenge) => (challenge.offer === key ? [challenge.item] : []))
    .filter((item) => item.endsAtMs - nowMs >= LEAST_REPEATED_LIFE_MS && isOfNode(item, node))
    .toSorted((left, right) => right.endsAtMs - left.endsAtMs)[0];
}

/** Removes challenges whose payment is presented: used or not, nobody may be asked to pay them again. */
export function forgetShown(issued: Issued, paymentHashes: readonly string[]): Issued {
  return issued.filter(({ item }) => !paymentHashes.includes(item.paymentHashHex));
}
