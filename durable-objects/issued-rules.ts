/*
 * Challenges that a client has been given, so that the same one can be given again (M18): byte for byte, to the same client,
 * for the same offer, and only while nobody has shown or used its payment. They stand in the client's usage count. Pure.
 */
import { isOfNode, type KnownNode, type ReadyChallenge } from './pool-rules.ts';

/** A challenge, and a digest of everything that its token and invoice say. */
export interface IssuedChallenge {
  readonly offer: string;
  readonly item: ReadyChallenge;
}

/** Of one client, the newest. */
export const MOST_REPEATABLE = 8;
/** One that is given again can still be paid for so long (M18). */
export const LEAST_REPEATED_LIFE_MS = 60_000;
/** What one weighs beside an instant, by the room it takes. */
export const ISSUED_WEIGHT = 20;

type Issued = readonly IssuedChallenge[];

/** The newest stay. */
export function rememberChallenge(issued: Issued, challenge: IssuedChallenge): Issued {
  return [...issued, challenge].slice(-MOST_REPEATABLE);
}

/** The one of this offer that can be paid for longest, if that is long enough. */
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

/** Without those whose payment somebody shows: whether it was used or not, nobody may be asked to make it again. */
export function forgetShown(issued: Issued, paymentHashes: readonly string[]): Issued {
  return issued.filter(({ item }) => !paymentHashes.includes(item.paymentHashHex));
}
