/* A Worker that does nothing but ask the objects behind the policies, for tests with real processes and sockets. */
import { createDurableControl } from '#adapters/do-control.ts';
import { createDurableQuota } from '#adapters/do-quota.ts';
import { createRateLimits } from '#adapters/do-rate.ts';
import { platformClock, platformRandom, platformWait } from '#adapters/platform.ts';
import { type Control as ControlObject } from '#durable-objects/control.ts';
import { type Quota as QuotaObject } from '#durable-objects/quota.ts';
import { type RateLimiter as RateLimiterObject } from '#durable-objects/rate-limiter.ts';
import { createConcurrency } from '#gateway/policy/concurrency.ts';
import { readClientFacts } from '#gateway/request/client-key.ts';
import { compileGatewayPolicy, gatewayPolicyKeys } from '#src/config/policy.ts';
import { type Control } from '#src/ports.ts';
import * as z from 'zod/mini';

export * from '#durable-objects/objects.ts';

interface Env {
  readonly QUOTA: DurableObjectNamespace<QuotaObject>;
  readonly RATE_LIMITER: DurableObjectNamespace<RateLimiterObject>;
  readonly CONTROL: DurableObjectNamespace<ControlObject>;
}

const settings = compileGatewayPolicy(z.object(gatewayPolicyKeys).parse({ controlRefreshSeconds: 1 }));
if (!settings.ok) throw new Error('settings');
const { breaker, refreshSeconds, staleMaxSeconds } = settings.value;
let control: Control | undefined;
const places = createConcurrency({ most: 1, mostWaiting: 100, waitMs: 5000, placeMs: 30_000, clock: platformClock, wait: platformWait });
let inside = 0;
let mostInside = 0;

const worker: ExportedHandler<Env> = {
  async fetch(request, { QUOTA, RATE_LIMITER, CONTROL }, context) {
    const waitUntil = (work: Promise<unknown>) => context.waitUntil(work);
    const options = {
      refreshSeconds,
      staleMaxSeconds,
      breaker: breaker!,
      clock: platformClock,
      wait: platformWait,
      random: platformRandom,
      log: () => undefined,
    };
    control ??= createDurableControl(CONTROL, options);
    const { pathname, searchParams } = new URL(request.url);
    const { key: client } = readClientFacts(request, undefined);
    switch (pathname) {
      case '/client':
        return Response.json(client);
      case '/rate': {
        const limits = createRateLimits({ namespace: RATE_LIMITER, isolates: 1, clock: platformClock });
        const checks = [{ key: 'route', bound: { limit: Number(searchParams.get('limit')), windowMs: 3_600_000 } }];
        return Response.json(await limits.take({ count: 'exact', objectName: 'route', checks }));
      }
      case '/quota': {
        const ask = { scope: 'route', challengeId: crypto.randomUUID(), challengeMs: 600_000 };
        const bounds = { challenges: { perMinute: 10, open: 10 } };
        const totals = { challenges: { perMinute: 1600, open: 1600 } };
        return Response.json(await createDurableQuota(QUOTA).ask({ client, trafficClass: 'unpaid', ask, bounds, totals, region: 0 }));
      }
      case '/revoke':
        return Response.json(
          await control.revoke({ revoked: { kind: 'key', keyId: 1 }, endsAtSeconds: Math.floor(Date.now() / 1000) + 3600 }),
        );
      case '/control': {
        const { index, isStale } = await control.read(waitUntil);
        const isRevoked = index?.isRevoked({ identifier: new Uint8Array(66), keyId: 1, epochStartHours: 0 });
        return Response.json({ isStale, isRevoked });
      }
      case '/place': {
        const leave = await places.enter('origin', { who: 'paid', holders: [] });
        if (leave === undefined) return new Response('busy', { status: 503 });
        inside += 1;
        mostInside = Math.max(mostInside, inside);
        await scheduler.wait(1);
        inside -= 1;
        leave();
        return Response.json({ mostInside });
      }
      default:
        return new Response('not here', { status: 404 });
    }
  },
};

export default worker;
