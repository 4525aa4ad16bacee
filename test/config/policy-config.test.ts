/*
 * The settings of the policies: defaults that hold, mistakes that are named, and routes that say otherwise.
 */
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { widenBounds } from '#durable-objects/quota-rules.ts';
import { compileGatewayPolicy, compileRoutePolicy, gatewayPolicyKeys, routePolicyKeys, type GatewayPolicy } from '#src/config/policy.ts';

const AFTER_PAYMENT = {
  repeats: true,
  paid: {
    bounds: { challenges: { perMinute: 10, open: 3 } },
    totals: { challenges: { perMinute: 1600, open: 3200 } },
  },
};
const Gateway = z.strictObject(gatewayPolicyKeys);
const Route = z.strictObject(routePolicyKeys);
const gateway = (written: z.input<typeof Gateway> = {}): GatewayPolicy => Gateway.parse(written);
const route = (policy: NonNullable<z.input<typeof Route>['policy']>) => Route.parse({ policy }).policy!;
const compiled = (written: z.input<typeof Gateway> = {}) => {
  const settings = compileGatewayPolicy(gateway(written));
  if (!settings.ok) throw new Error(settings.refusal.join('; '));
  return settings.value;
};
const problemsOf = (schema: typeof Gateway | typeof Route, written: unknown) =>
  (schema.safeParse(written).error?.issues ?? []).map(({ path }) => path.map(String).join('.'));

describe('policies without any setting', () => {
  it('M30: refuse on a snapshot older than 300 seconds, which is asked for every 10', () => {
    expect(compiled()).toMatchObject({ stale: 'refuse', staleMaxSeconds: 300, refreshSeconds: 10 });
  });

  it('M21: leave the place of the client address to the platform', () => {
    expect(compiled().clientAddress).toBeUndefined();
  });

  it('bound invoices for those who do not pay them, break circuits, heed maintenance, and do nothing else', () => {
    expect(compiled().breaker).toMatchObject({ failuresInARow: 5, leastVoters: 10, openMs: 10_000, longestOpenMs: 300_000 });
    expect(compiled()).toMatchObject({ rate: undefined, concurrency: undefined });
    expect(compileRoutePolicy(gateway())).toEqual({
      hasMaintenance: true,
      hasBreaker: true,
      hasConcurrency: false,
      quota: {
        bounds: { challenges: { perMinute: 30, open: 30 } },
        totals: { challenges: { perMinute: 9600, open: 9600 } },
        ...AFTER_PAYMENT,
      },
    });
  });
});

describe('policies of a route', () => {
  const everything = gateway({
    policy: {
      allow: { cidrs: ['192.0.2.0/24'] },
      block: { countries: ['XA'] },
      clientRate: { calls: 10, seconds: 60, total: 1600 },
      freeCalls: { calls: 3, seconds: 86_400, total: 1600 },
      challenges: { perMinute: 5 },
      concurrency: { most: 10 },
    },
  });

  it('M20: by default no network of one owner can take all the invoices of the object that counts it', () => {
    const { bounds, totals } = compileRoutePolicy(gateway()).quota;
    const group = widenBounds(bounds).challenges;
    // Sixteen objects share the totals.
    expect([group.perMinute / totals.challenges.perMinute, group.open / totals.challenges.open]).toEqual([1 / 32, 1 / 32]);
  });

  it('are those of the gateway where it says nothing', () => {
    expect(compileRoutePolicy(everything)).toMatchObject({
      allow: { cidrs: [{ prefix: 24 }] },
      block: { countries: new Set(['XA']) },
      hasConcurrency: true,
      quota: {
        bounds: {
          requests: { limit: 10, windowMs: 60_000 },
          free: { calls: 3, periodMs: 86_400_000 },
          challenges: { perMinute: 5, open: 30 },
        },
        totals: { requests: { limit: 1600 }, free: { calls: 1600 }, challenges: { perMinute: 9600, open: 9600 } },
      },
    });
  });

  it('D25: are switched off one by one', () => {
    const off = {
      allow: false,
      block: false,
      clientRate: false,
      freeCalls: false,
      maintenance: false,
      breaker: false,
      concurrency: false,
    } as const;
    const all = compileRoutePolicy(everything);
    for (const name of Object.keys(off) as readonly (keyof typeof off)[]) {
      expect(compileRoutePolicy(everything, route({ [name]: false })), name).not.toEqual(all);
    }
    expect(compileRoutePolicy(everything, route(off))).toEqual({
      hasMaintenance: false,
      hasBreaker: false,
      hasConcurrency: false,
      quota: {
        bounds: { challenges: { perMinute: 5, open: 30 } },
        totals: { challenges: { perMinute: 9600, open: 9600 } },
        ...AFTER_PAYMENT,
      },
    });
  });

  it('are not switched off by a key that is there and undefined', () => {
    expect(compileRoutePolicy(everything, { block: undefined, allow: undefined } as never)).toEqual(compileRoutePolicy(everything));
  });

  it('take the place of those of the gateway', () => {
    const own = compileRoutePolicy(everything, route({ allow: { asns: [64_500] }, rate: { calls: 7, seconds: 1 } }));
    expect(own.allow).toEqual({ cidrs: [], countries: new Set(), asns: new Set([64_500]) });
    expect(own.rate).toEqual({ bound: { limit: 7, windowMs: 1000 }, count: 'exact' });
  });

  it("a rate of the gateway is one for everything together, and no route's", () => {
    const written = gateway({ policy: { rate: { calls: 100, seconds: 10, count: 'isolate' } } });
    expect(compiled({ policy: { rate: { calls: 100, seconds: 10, count: 'isolate' } } }).rate).toEqual({
      bound: { limit: 100, windowMs: 10_000 },
      count: 'isolate',
    });
    expect(compileRoutePolicy(written).rate).toBeUndefined();
  });
});

describe('mistakes in policy', () => {
  it.each([
    [{ clientAddress: 'header' }, 'clientAddress'],
    [{ clientAddress: { trustedHops: 0 } }, 'clientAddress'],
    [{ stale: 'open' }, 'stale'],
    [{ staleMaxSeconds: 5 }, 'staleMaxSeconds'],
    [{ policy: { allow: {} } }, 'policy.allow'],
    [{ policy: { block: { cidrs: [] } } }, 'policy.block'],
    [{ policy: { allow: true } }, 'policy.allow'],
    [{ policy: { challenges: false } }, 'policy.challenges'],
    [{ policy: { challenges: { totalOpen: 15 } } }, 'policy.challenges.totalOpen'],
    [{ policy: { clientRate: { calls: 1, seconds: 1 } } }, 'policy.clientRate'],
    [{ policy: { freeCalls: { calls: 1, seconds: 59, total: 16 } } }, 'policy.freeCalls'],
    [{ policy: { rate: { calls: 10_001, seconds: 1 } } }, 'policy.rate'],
    [{ policy: { breaker: { failuresInARow: 2 } } }, 'policy.breaker'],
    [{ policy: { breaker: { failureRatio: 0 } } }, 'policy.breaker'],
    [{ policy: { concurrency: { most: 0 } } }, 'policy.concurrency'],
    [{ policy: { ratee: { calls: 1, seconds: 1 } } }, 'policy'],
  ])('%j is refused', (written, key) => {
    expect(problemsOf(Gateway, written).some((path) => path.startsWith(key) || key.startsWith(path))).toBe(true);
  });

  it('a route cannot set what belongs to the gateway', () => {
    expect(problemsOf(Route, { policy: { breaker: { failuresInARow: 9 } } })).toEqual(['policy.breaker']);
    expect(problemsOf(Route, { policy: { concurrency: { most: 9 } } })).toEqual(['policy.concurrency']);
    expect(problemsOf(Route, { policy: { maintenance: true } })).toEqual(['policy.maintenance']);
  });

  it('M30: settings that do not fit together are named by their key', () => {
    const problems = compileGatewayPolicy(
      gateway({ staleMaxSeconds: 10, controlRefreshSeconds: 6, policy: { breaker: { openSeconds: 9, openMaxSeconds: 8 } } }),
    );
    expect(problems.ok ? [] : problems.refusal.map((problem) => problem.split(':')[0])).toEqual([
      'staleMaxSeconds',
      'policy.breaker.openMaxSeconds',
    ]);
  });
});
