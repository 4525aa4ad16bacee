/*
 * Builds the dependencies of the gate from the platform's env: the only file that accesses bindings and secrets. Effects: the
 * log.
 */
import { type Control as ControlObject } from '#durable-objects/control.ts';
import { OBJECT_BINDINGS, OBJECTS, type ObjectBinding } from '#durable-objects/object-table.ts';
import { type Quota as QuotaObject } from '#durable-objects/quota.ts';
import { type RateLimiter } from '#durable-objects/rate-limiter.ts';
import { type ReplaySet } from '#durable-objects/replay-set.ts';
import { type Settlements } from '#durable-objects/settlements.ts';
import { createConcurrency } from '#gateway/policy/concurrency.ts';
import { createHalfOpenTrials } from '#gateway/policy/half-open.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { createHeldBodies } from '#gateway/request/held-body.ts';
import { createOriginProof } from '#gateway/upstream/origin-proof.ts';
import { SERVICE_NAME } from '#gateway/routing/upstream.ts';
import { createKnownPasses } from '#gateway/payment/first-use.ts';
import { createRefusedClaims } from '#gateway/payment/refused-claims.ts';
import { type RouteTable } from '#gateway/route.ts';
import { createSettlement } from '#gateway/payment/settlement.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type NamedToken, type PaymentScheme, type Revocable } from '#schemes/scheme.ts';
import { createKeyRing } from '#schemes/l402/key-ring.ts';
import { createL402Scheme } from '#schemes/l402/l402.ts';
import { boundLog } from './adapters/bounded-log.ts';
import { createBridgeLightning } from './adapters/bridge-lightning.ts';
import { createDurableClaims } from './adapters/do-claims.ts';
import { createDurableControl } from './adapters/do-control.ts';
import { createDurableQuota } from './adapters/do-quota.ts';
import { createRateLimits } from './adapters/do-rate.ts';
import { createDurableSettlements } from './adapters/do-settlements.ts';
import { jsonLog } from './adapters/json-log.ts';
import { nodeHmac } from './adapters/node-hmac.ts';
import { webcryptoHmac } from './adapters/webcrypto-hmac.ts';
import { createOriginProbe } from './adapters/origin-probe.ts';
import { createPlatformOrigin, platformClock, platformRandom, platformWait } from './adapters/platform.ts';
import { createPricing, type ServiceBinding } from './adapters/pricing-service.ts';
import { createSalesLog } from './adapters/sales-log.ts';
import { rememberAnswers } from './adapters/remembered-quota.ts';
import { readConfig, type Gateway } from './config/config.ts';
import { type Origin } from './ports.ts';

/** The classes behind the object bindings. */
interface Objects {
  readonly REPLAY_SET: ReplaySet;
  readonly QUOTA: QuotaObject;
  readonly RATE_LIMITER: RateLimiter;
  readonly CONTROL: ControlObject;
  readonly SETTLEMENTS: Settlements;
}
type Namespaces = { readonly [Binding in ObjectBinding]: DurableObjectNamespace<Objects[Binding]> };

export interface Env extends Partial<Namespaces> {
  /** The binding to the bridge, if it has no public URL: a service, or a VPC service. */
  readonly BRIDGE?: Fetcher;
  /** The platform's own limiter, for limits with `count: 'platform'`. */
  readonly RATE_LIMIT?: RateLimit;
}

/** Added to the origin's time limit: a place that is never given back becomes free after that. */
const PLACE_MARGIN_MS = 10_000;

/** Builds everything once, or lists what is missing and wrong. */
export function createDeps(env: Env, gateway: Gateway): Result<GateDeps, readonly string[]> {
  const config = readConfig(gateway, env as Readonly<Record<string, unknown>>);
  const missing = OBJECT_BINDINGS.filter((name) => env[name] === undefined).map(
    (name) => `${name}: the Durable Object namespace of ${OBJECTS[name]} is not bound`,
  );
  if (!config.ok) return refuse([...config.refusal, ...missing]);
  const services = readServices(env, config.value.settings.routes);
  if (!services.ok) return refuse([...services.refusal, ...missing]);
  if (missing.length > 0) return refuse(missing);
  const { REPLAY_SET, QUOTA, RATE_LIMITER, CONTROL, SETTLEMENTS } = env as Namespaces;
  const { RATE_LIMIT } = env;
  const { settings, bridge, originKey, pricing, adminSecret, tokenKeys, warnings } = config.value;
  const bindings = new Map(pricing.bindings.map((name) => [name, (env as Readonly<Record<string, unknown>>)[name] as ServiceBinding]));
  const unbound = [...bindings].filter(([, binding]) => typeof binding?.fetch !== 'function');
  if (unbound.length > 0) return refuse(unbound.map(([name]) => `${name}: the service binding that a route's price names is not bound`));
  if (env.BRIDGE !== undefined && typeof env.BRIDGE.fetch !== 'function') return refuse(['BRIDGE: neither a service nor a VPC service']);
  for (const warning of warnings) jsonLog('config_warning', { message: warning });
  const { skewSeconds, policy } = settings;
  const time = { clock: platformClock, wait: platformWait };
  const log = boundLog(jsonLog, platformClock);
  const origin = createPlatformOrigin(services.value);
  const { breaker } = policy;
  const probePath = breaker?.probePath;
  const claims = createDurableClaims(REPLAY_SET);
  const control = createDurableControl(CONTROL, {
    ...policy,
    ...time,
    random: platformRandom,
    probe:
      breaker === undefined || probePath === undefined
        ? undefined
        : createOriginProbe({
            ...time,
            reach: (name, init) => reachOrigin(origin, `${name}${probePath}`, init),
            limitMs: breaker.slowHeadMs,
          }),
    log,
  });
  const hmac = config.value.hmac === 'node' ? nodeHmac : webcryptoHmac;
  const keys = createKeyRing({ ...tokenKeys, skewSeconds, hmac, clock: platformClock });
  const schemes: readonly PaymentScheme[] = [createL402Scheme({ keys, hmac, random: platformRandom })];
  return accept({
    settings,
    lightning: createBridgeLightning({ ...bridge, binding: env.BRIDGE, clock: platformClock, random: platformRandom }),
    claims,
    sales: createSalesLog(log),
    noteFirst: claims.noteFirst,
    knownPasses: createKnownPasses(),
    refusedClaims: createRefusedClaims(),
    bodies: createHeldBodies(platformWait),
    quota: rememberAnswers(createDurableQuota(QUOTA, { time }), platformClock),
    rates: createRateLimits({ namespace: RATE_LIMITER, binding: RATE_LIMIT, isolates: policy.isolates, clock: platformClock }),
    control,
    operator: adminSecret && {
      secret: adminSecret,
      control,
      revokeClaim: claims.revoke,
      findRevocable: (named) => findRevocable(schemes, named),
      graceHours: tokenKeys.graceHours,
      matches: new Set(settings.routes.routes.map(({ match }) => match)),
    },
    halfOpen: createHalfOpenTrials(),
    places:
      policy.concurrency &&
      createConcurrency({ ...policy.concurrency, ...time, placeMs: longestCallMs(settings.routes) + PLACE_MARGIN_MS }),
    schemes,
    proveSettled: createSettlement(),
    settlements: config.value.settlementFeed ? createDurableSettlements(SETTLEMENTS, { key: bridge.key, clock: platformClock }) : undefined,
    pricing: createPricing({
      secret: pricing.secret,
      bindingOf: (name) => bindings.get(name),
      hmac,
      clock: platformClock,
      random: platformRandom,
    }),
    origin,
    originProof: originKey && createOriginProof({ ...originKey, hmac, clock: platformClock }),
    clock: platformClock,
    random: platformRandom,
    wait: platformWait,
    log,
  });
}

/** Sends a request to an origin by its name plus a path. */
function reachOrigin(origin: Origin, address: string, init: RequestInit): Promise<Response> {
  if (!address.startsWith(SERVICE_NAME)) return origin(new Request(address, init));
  const pathAt = address.indexOf('/');
  const binding = address.slice(SERVICE_NAME.length, pathAt);
  return origin(new Request(`http://${binding.toLowerCase()}${address.slice(pathAt)}`, init), binding);
}

function findRevocable(schemes: readonly PaymentScheme[], named: NamedToken): Revocable | undefined {
  for (const { findRevocable: find } of schemes) {
    const found = find?.(named);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns the longest time limit of any route for the head of a response. */
function longestCallMs({ routes }: RouteTable): number {
  return Math.max(...routes.map(({ upstream }) => (upstream?.timeoutSeconds ?? 0) * 1000));
}

/** Finds the Workers behind the service bindings that routes name. */
function readServices(env: Env, { routes }: RouteTable): Result<ReadonlyMap<string, Fetcher>, readonly string[]> {
  const services = new Map<string, Fetcher>();
  const problems: string[] = [];
  for (const { match, upstream } of routes) {
    if (upstream?.origin.kind !== 'service') continue;
    const { binding } = upstream.origin;
    const service = (env as Readonly<Record<string, unknown>>)[binding] as Fetcher | undefined;
    // A Durable Object namespace or a store is an object too, but has no `fetch`.
    if (typeof service === 'object' && typeof service.fetch === 'function') services.set(binding, service);
    else problems.push(`${binding}: no service of this name is bound; the origin of route "${match}" asks for it`);
  }
  return problems.length > 0 ? refuse(problems) : accept(services);
}
