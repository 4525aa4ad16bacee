/*
 * From the platform's env to what the gate works with: the only file that touches bindings and secrets.
 */
import { type ReplaySet } from '#durable-objects/replay-set.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { createOriginProof } from '#gateway/origin-proof.ts';
import { type RouteTable } from '#gateway/routes.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { createKeyRing } from '#schemes/key-ring.ts';
import { createVerifiedTokens } from '#schemes/verified-tokens.ts';
import { createBridgeLightning } from './adapters/bridge-lightning.ts';
import { createDurableClaims } from './adapters/do-claims.ts';
import { jsonLog } from './adapters/json-log.ts';
import { nodeHmac } from './adapters/node-hmac.ts';
import { createPlatformOrigin, platformClock, platformRandom, platformWait } from './adapters/platform.ts';
import { createPricing, type ServiceBinding } from './adapters/pricing-service.ts';
import { readConfig, type Gateway } from './config.ts';

export interface Env {
  readonly REPLAY_SET?: DurableObjectNamespace<ReplaySet>;
}

/** Builds everything once, or lists what is missing and wrong. */
export function createDeps(env: Env, gateway: Gateway): Result<GateDeps, readonly string[]> {
  const config = readConfig(gateway, env as Readonly<Record<string, unknown>>);
  const missing = env.REPLAY_SET === undefined ? ['REPLAY_SET: the Durable Object namespace of ReplaySet is not bound'] : [];
  if (!config.ok) return refuse([...config.refusal, ...missing]);
  const services = readServices(env, config.value.settings.routes);
  if (!services.ok) return refuse([...services.refusal, ...missing]);
  if (env.REPLAY_SET === undefined) return refuse(missing);
  const { settings, bridge, originKey, pricing, tokenKeys, warnings } = config.value;
  const bindings = new Map(pricing.bindings.map((name) => [name, (env as Readonly<Record<string, unknown>>)[name] as ServiceBinding]));
  const unbound = [...bindings].filter(([, binding]) => typeof binding?.fetch !== 'function');
  if (unbound.length > 0) return refuse(unbound.map(([name]) => `${name}: the service binding that a route's price names is not bound`));
  for (const warning of warnings) jsonLog('config_warning', { message: warning });
  const { skewSeconds } = settings;
  return accept({
    settings,
    lightning: createBridgeLightning({ ...bridge, clock: platformClock, random: platformRandom }),
    claims: createDurableClaims(env.REPLAY_SET),
    keys: createKeyRing({ ...tokenKeys, skewSeconds, hmac: nodeHmac, clock: platformClock }),
    hmac: nodeHmac,
    verified: createVerifiedTokens(),
    pricing: createPricing({
      secret: pricing.secret,
      bindingOf: (name) => bindings.get(name),
      hmac: nodeHmac,
      clock: platformClock,
      random: platformRandom,
    }),
    origin: createPlatformOrigin(services.value),
    originProof: originKey && createOriginProof({ ...originKey, hmac: nodeHmac, clock: platformClock }),
    clock: platformClock,
    random: platformRandom,
    wait: platformWait,
    log: jsonLog,
  });
}

/** The Workers behind the service bindings that routes name. */
function readServices(env: Env, { routes }: RouteTable): Result<ReadonlyMap<string, Fetcher>, readonly string[]> {
  const services = new Map<string, Fetcher>();
  const problems: string[] = [];
  for (const { match, passage } of routes) {
    if (passage?.origin.kind !== 'service') continue;
    const { binding } = passage.origin;
    const service = (env as Readonly<Record<string, unknown>>)[binding] as Fetcher | undefined;
    // A Durable Object namespace or a store is an object too, but sends no requests.
    if (typeof service === 'object' && typeof service.fetch === 'function') services.set(binding, service);
    else problems.push(`${binding}: no service of this name is bound; the origin of route "${match}" asks for it`);
  }
  return problems.length > 0 ? refuse(problems) : accept(services);
}
