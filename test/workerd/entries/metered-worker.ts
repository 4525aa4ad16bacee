/*
 * The Worker that is measured, with Durable Objects that count: what a request costs. Under `/operations` it tells what has
 * been counted. No load is measured on it.
 */
import { Control as ShippedControl } from '#durable-objects/control.ts';
import { Quota as ShippedQuota } from '#durable-objects/quota.ts';
import { RateLimiter as ShippedRateLimiter } from '#durable-objects/rate-limiter.ts';
import { ReplaySet as ShippedReplaySet } from '#durable-objects/replay-set.ts';
import { type Env } from '#src/deps.ts';
import { emptyUsage, type ObjectUsages, type ObjectUsage } from '#support/object-usage.ts';
import gateway from './bench-worker.ts';
import { meterObjects } from '../metered-objects.ts';
import { watchObjectCalls } from '../object-calls.ts';

export { Settlements } from '#durable-objects/settlements.ts';

const usages: ObjectUsages = { ReplaySet: emptyUsage(), Quota: emptyUsage(), RateLimiter: emptyUsage(), Control: emptyUsage() };

export const ReplaySet = meterObjects(ShippedReplaySet, usages.ReplaySet);
export const Quota = meterObjects(ShippedQuota, usages.Quota);
export const RateLimiter = meterObjects(ShippedRateLimiter, usages.RateLimiter);
export const Control = meterObjects(ShippedControl, usages.Control);

const BY_BINDING: Readonly<Record<string, ObjectUsage>> = {
  REPLAY_SET: usages.ReplaySet,
  QUOTA: usages.Quota,
  RATE_LIMITER: usages.RateLimiter,
  CONTROL: usages.Control,
};
let watched: Env | undefined;

const worker: ExportedHandler<Env> = {
  fetch(request, env, context) {
    if (new URL(request.url).pathname === '/operations') return Response.json(usages);
    watched ??= { ...env, ...watchObjectCalls(env, (name) => void (BY_BINDING[name]!.calls += 1)) };
    return gateway.fetch!(request, watched, context);
  },
};

export default worker;
