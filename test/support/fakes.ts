/*
 * The ports behind the policies as tests fake them: a control snapshot that is what the test says, a quota and limits that let
 * everyone pass.
 */
import { createAskedInVain } from '#gateway/payment/asked-in-vain.ts';
import { createHalfOpenTrials } from '#gateway/policy/half-open.ts';
import { createKnownPasses } from '#gateway/payment/first-use.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { type Control, type ControlIndex, type Lightning, type Quota } from '#src/ports.ts';

/** A control object that shows this, and remembers nothing. */
export function fakeControl(index: Partial<ControlIndex> = {}, isStale = false): Control {
  const view = { index: { openUntilMs: new Map(), maintenances: [], isRevoked: () => false, ...index }, isStale };
  return {
    read: () => view,
    report: () => undefined,
    revoke: () => Promise.resolve('recorded'),
    setMaintenance: () => Promise.resolve('recorded'),
    noteStocked: () => undefined,
    stockedShards: () => Promise.resolve([0]),
  };
}

/** A node that cannot be reached. */
export const deadNode: Lightning = {
  mint: () => Promise.reject(new Error('the node is down')),
  mintBatch: () => Promise.reject(new Error('the node is down')),
  lookUp: () => Promise.reject(new Error('the node is down')),
};

/** A quota that lets everyone have an invoice, and keeps none. */
export const openQuota: Quota = {
  shardOf: () => 0,
  ask: () => Promise.resolve({ kind: 'challenge', readings: [] }),
  giveBack: () => undefined,
  keep: () => undefined,
  stock: () => Promise.resolve(),
  want: () => Promise.resolve([]),
};

/** Policies that let everyone pass. */
export function openPolicies(): Pick<GateDeps, 'quota' | 'rates' | 'control' | 'halfOpen'> {
  return {
    quota: openQuota,
    rates: { take: () => Promise.resolve({ allowed: true, retryAfterSeconds: 0, readings: [] }) },
    control: fakeControl(),
    halfOpen: createHalfOpenTrials(),
  };
}

/** Sales that nobody keeps. */
export function openSales(): Pick<GateDeps, 'sales' | 'knownPasses' | 'noteFirst' | 'askedInVain'> {
  const sales = { payment: () => undefined, use: () => undefined };
  return { sales, askedInVain: createAskedInVain(), knownPasses: createKnownPasses(), noteFirst: () => Promise.resolve(false) };
}

const MANY = { perMinute: 10_000, open: 10_000, totalPerMinute: 160_000, totalOpen: 160_000 } as const;
/** For gateways that one address or one payment hammers, as tests and benchmarks do: the defaults are meant for clients. */
export const MANY_CHALLENGES = { ...MANY, afterPayment: MANY } as const;
