/*
 * The fields about limits, byte by byte, as the current draft has them.
 */
import { describe, expect, it } from 'vitest';
import { formatRateFields, stateQuota, stateRate } from '#gateway/answers/rate-fields.ts';

const BOUNDS = {
  requests: { limit: 60, windowMs: 10_000 },
  free: { calls: 5, periodMs: 86_400_000 },
  challenges: { perMinute: 30, open: 20 },
};

describe('fields about limits', () => {
  it('D21: are lists of named policies and of what is left under each', () => {
    const limits = [
      ...stateRate('route', { limit: 100, windowMs: 60_000 }, { remaining: 50, resetSeconds: 30 }),
      ...stateQuota([{ policy: 'requests', remaining: 12, resetSeconds: 8 }], BOUNDS),
    ];
    expect(formatRateFields(limits)).toEqual({
      'ratelimit-policy': '"route";q=100;w=60, "client";q=60;w=10',
      ratelimit: '"route";r=50;t=30, "client";r=12;t=8',
    });
  });

  it('state every policy of the quota by its own name', () => {
    const readings = (['requests', 'free', 'challenges'] as const).map((policy) => ({ policy, remaining: 0, resetSeconds: 1 }));
    expect(formatRateFields(stateQuota(readings, BOUNDS))['ratelimit-policy']).toBe(
      '"client";q=60;w=10, "free";q=5;w=86400, "challenges";q=30;w=60',
    );
  });

  it('are left out when there is nothing to state', () => {
    expect(formatRateFields([])).toEqual({});
    expect(stateRate('route', { limit: 1, windowMs: 1000 }, undefined)).toEqual([]);
  });
});
