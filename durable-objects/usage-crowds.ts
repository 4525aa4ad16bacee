/*
 * The challenges of each network and area: those that are open, and those of the last minute. Kept in memory only and rebuilt
 * from the usages on disk: a stored row per network would double the cost of a challenge. crowd-rules.ts decides who must
 * wait (M35). Pure, except for the counts that it keeps.
 */
import { createHoldings, mustWait, type Holdings } from './crowd-rules.ts';
import {
  countChallenges,
  MINUTE_MS,
  type ClientKey,
  type OpenChallenge,
  type PaidChallenge,
  type QuotaBounds,
  type Usage,
} from './quota-rules.ts';

/** A client, or its usage. */
type InCrowd = Pick<ClientKey, 'crowd'>;

export interface UsageCrowds {
  /** Counts a challenge for the network and the area of its client. */
  add(client: InCrowd, challenge: OpenChallenge): void;
  /** Counts a challenge of a usage no longer. */
  giveBack(usage: Usage, paid: PaidChallenge): void;
  /** Whether the client must leave the remaining capacity to others. */
  isCrowded(client: InCrowd, pressed: Pressed, nowMs: number): boolean;
}

/** The usage of the client, the usage of all clients, and the limits of the latter. */
export interface Pressed {
  readonly own: Usage;
  readonly total: Usage;
  readonly totals: QuotaBounds;
}

/** Counts the challenges of these usages. */
export function countCrowds(usages: Iterable<Usage>): UsageCrowds {
  const open = createHoldings();
  const recent = createHoldings();
  const add = ({ crowd = [] }: InCrowd, { atMs, endsAtMs }: OpenChallenge) => {
    open.add(crowd, endsAtMs);
    recent.add(crowd, atMs + MINUTE_MS);
  };
  for (const usage of usages) for (const challenge of usage.challenges) add(usage, challenge);
  return {
    add,
    giveBack({ crowd, challenges }, { challengeId, wasMade }) {
      const challenge = challenges.find(({ id }) => id === challengeId);
      if (crowd === undefined || challenge === undefined) return;
      open.remove(crowd, challenge.endsAtMs);
      if (wasMade !== false) recent.remove(crowd, challenge.atMs + MINUTE_MS);
    },
    isCrowded({ crowd = [] }, { own, total, totals: { challenges: bounds } }, nowMs) {
      open.advance(nowMs);
      recent.advance(nowMs);
      const mine = countChallenges(own, nowMs);
      const all = countChallenges(total, nowMs);
      const around = (holdings: Holdings) => crowd.map((name) => holdings.count(name));
      return (
        mustWait({ held: all.open, bound: bounds.open, own: mine.open, around: around(open) }) ||
        mustWait({ held: all.recent, bound: bounds.perMinute, own: mine.recent, around: around(recent) })
      );
    },
  };
}
