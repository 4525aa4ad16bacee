/*
 * The Worker that is measured, with Durable Objects that count: what a request costs. Under `/operations` it tells what has
 * been counted. No load is measured on it.
 */
import { Control as ShippedControl } from '#durable-objects/control.ts';
import { Quota as ShippedQuota } from '#durable-objects/quota.ts';
import { RateLimiter as ShippedRateLimiter } from '#durable-objects/rate-limiter.ts';
import { ReplaySet as ShippedReplaySet } from '#durable-objects/replay-set.ts';
import { type Env } from '#src/deps.ts';
import { emptyTally, type ObjectTallies, type ObjectTally } from '#support/object-tally.ts';
import gateway from './bench-worker.ts';
import { meterObjects } from '../metered-objects.ts';
import { watchObjectCalls } from '../object-calls.ts';

export { Settlements } from '#durable-objects/settlements.ts';

const tallies: ObjectTallies = { ReplaySet: emptyTally(), Quota: emptyTally(), RateLimiter: emptyTally(), Control: emptyTally() };

export const ReplaySet = meterObjects(ShippedReplaySet, tallies.ReplaySet);
export const Quota = meterObjects(ShippedQuota, tallies.Quota);
export const RateLimiter = meterObjects(ShippedRateLimiter, tallies.RateLimiter);
export const Control = meterObjects(ShippedControl, tallies.Control);

const BY_BINDING: Readonly<Record<string, ObjectTally>> = {
  REPLAY_SET: tallies.ReplaySet,
  QUOTA: tallies.Quota,
  RATE_LIMITER: tallies.RateLimiter,
  CONTROL: tallies.Control,
};
let watched: Env | undefined;

const worker: ExportedHandler<Env> = {
  fetch(request, env, context) {
    if (new URL(request.url).pathname === '/operations') return Response.json(tallies);
    watched ??= { ...env, ...watchObjectCalls(env, (name) => void (BY_BINDING[name]!.calls += 1)) };
    return gateway.fetch!(request, watched, context);
  },
};

export default worker;
