/*
 * The windows of the rate limiter as rows on disk, when the clock does not only move forward.
 */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type RateLimiter } from '#durable-objects/rate-limiter.ts';

const { RATE_LIMITER } = env as unknown as { readonly RATE_LIMITER: DurableObjectNamespace<RateLimiter> };

afterEach(() => void vi.useRealTimers());

describe('a window', () => {
  it('M33: is kept as long as its calls count, though the clock was set back since', () =>
    runInDurableObject(RATE_LIMITER.get(RATE_LIMITER.idFromName('set back')), async (object: RateLimiter) => {
      const take = () => object.take([{ key: 'route', bound: { limit: 3, windowMs: 60_000 } }]).allowed;
      const nowMs = Date.now();
      vi.useFakeTimers({ toFake: ['Date'], now: nowMs + 50_000 });
      expect([take(), take()]).toEqual([true, true]);
      vi.setSystemTime(nowMs);
      expect(take()).toBe(true);
      vi.setSystemTime(nowMs + 61_000);
      await object.alarm();
      expect(take()).toBe(false);
    }));
});
