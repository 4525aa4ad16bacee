/*
 * What the gateway that counts has counted. Effects: a request.
 */
import { emptyUsage, type ObjectUsages, type ObjectUsage } from '#support/object-usage.ts';

/** The usage counts until now, by class. */
export async function readUsages(baseUrl: string): Promise<ObjectUsages> {
  return (await (await fetch(`${baseUrl}/operations`)).json()) as ObjectUsages;
}

/** What the objects on the path of requests have done together; the control object is asked in the background. */
export function sumUsages({ ReplaySet, Quota, RateLimiter }: ObjectUsages): ObjectUsage {
  const sum = emptyUsage();
  for (const usage of [ReplaySet, Quota, RateLimiter]) {
    for (const key of Object.keys(sum) as (keyof ObjectUsage)[]) sum[key] += usage[key];
  }
  return sum;
}

/** What was done between two readings. */
export function subtractUsage(after: ObjectUsage, before: ObjectUsage): ObjectUsage {
  const difference = emptyUsage();
  for (const key of Object.keys(difference) as (keyof ObjectUsage)[]) difference[key] = after[key] - before[key];
  return difference;
}
