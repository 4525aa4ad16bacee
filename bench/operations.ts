/*
 * What the gateway that counts has counted. Effects: a request.
 */
import { emptyTally, type ObjectTallies, type ObjectTally } from '#support/object-tally.ts';

/** The tallies until now, by class. */
export async function readTallies(baseUrl: string): Promise<ObjectTallies> {
  return (await (await fetch(`${baseUrl}/operations`)).json()) as ObjectTallies;
}

/** What the objects on the path of requests have done together; the control object is asked in the background. */
export function sumTallies({ ReplaySet, Quota, RateLimiter }: ObjectTallies): ObjectTally {
  const sum = emptyTally();
  for (const tally of [ReplaySet, Quota, RateLimiter]) {
    for (const key of Object.keys(sum) as (keyof ObjectTally)[]) sum[key] += tally[key];
  }
  return sum;
}

/** What was done between two readings. */
export function subtractTally(after: ObjectTally, before: ObjectTally): ObjectTally {
  const difference = emptyTally();
  for (const key of Object.keys(difference) as (keyof ObjectTally)[]) difference[key] = after[key] - before[key];
  return difference;
}
