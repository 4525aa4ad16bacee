/*
 * What this isolate has seen of its origins since the last refresh, by origin and voter. Pure, except for the votes that it
 * keeps.
 */
import { type OriginVote } from '#durable-objects/breaker-rules.ts';

/** Most votes of one isolate on one origin between two refreshes. */
const MOST_PENDING_VOTES = 256;

/** By origin. */
export type CastVotes = ReadonlyMap<string, readonly OriginVote[]>;

export interface OriginVotes {
  add(origin: string, vote: OriginVote): void;
  /** Takes all votes out. */
  take(): CastVotes;
  /** A vote since the last taking says that its origin failed or was slow. */
  readonly hasBadNews: boolean;
}

/** Creates a collection without votes. */
export function collectVotes(): OriginVotes {
  let pending = new Map<string, Map<string, OriginVote>>();
  let hasBadNews = false;
  return {
    add(origin, vote) {
      const cast = pending.get(origin) ?? new Map<string, OriginVote>();
      pending.set(origin, cast);
      const voter = vote.voters.join(' ');
      // New votes replace old ones: a busy origin that has just failed must not look healthy until the next refresh.
      if (cast.size >= MOST_PENDING_VOTES && !cast.has(voter)) cast.delete(cast.keys().next().value!);
      // Only the latest vote of a voter counts, at its latest position.
      cast.delete(voter);
      cast.set(voter, vote);
      hasBadNews ||= vote.outcome !== 'ok';
    },
    take() {
      const votes = new Map(Array.from(pending, ([origin, cast]) => [origin, [...cast.values()]]));
      pending = new Map();
      hasBadNews = false;
      return votes;
    },
    get hasBadNews() {
      return hasBadNews;
    },
  };
}
