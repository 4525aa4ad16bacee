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
import { type GatewayPolicySettings } from '#gateway/policy/policy.ts';
import { createHalfOpenTrials } from '#gateway/policy/half-open.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { createHeldBodies } from '#gateway/request/held-body.ts';
import { createOriginProof } from '#gateway/upstream/origin-proof.ts';
import { SERVICE_NAME } from '#gateway/routing/upstream.ts';
import { createKnownPasses } from '#gateway/payment/first-use.ts';
import { createAskedInVain } from '#gateway/payment/asked-in-vain.ts';
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
import { readConfig, type Config, type Gateway } from './config/config.ts';
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
  const config = readConfig(gateway, env as Variables);
  const missing = OBJECT_BINDINGS.filter((name) => env[name] === undefined).map(
    (name) => `${name}: the Durable Object namespace of ${OBJECTS[name]} is not bound`,
  );
  if (!config.ok) return refuse([...config.refusal, ...missing]);
  const bound = readBindings(env, config.value);
  if (!bound.ok) return refuse([...bound.refusal, ...missing]);
  if (missing.length > 0) return refuse(missing);
  for (const warning of config.value.warnings) jsonLog('config_warning', { message: warning });
  return accept(connect(config.value, env as Env & Namespaces, bound.value));
}

/** Creates every adapter that the gate needs. */
function connect(config: Config, env: Env & Namespaces, { services, pricingServices }: Bindings): GateDeps {
  const { settings, bridge, originKey, pricing, adminSecret, tokenKeys } = config;
  const { policy } = settings;
  const [clock, random] = [platformClock, platformRandom];
  const time = { clock, wait: platformWait };
  const log = boundLog(jsonLog, clock);
  const origin = createPlatformOrigin(services);
  const claims = createDurableClaims(env.REPLAY_SET);
  const control = createDurableControl(env.CONTROL, { ...policy, ...time, random, probe: createProbe(policy, origin), log });
  const hmac = config.hmac === 'node' ? nodeHmac : webcryptoHmac;
  const keys = createKeyRing({ ...tokenKeys, skewSeconds: settings.skewSeconds, hmac, clock });
  const schemes: readonly PaymentScheme[] = [createL402Scheme({ keys, hmac, random })];
  return {
    settings,
    lightning: createBridgeLightning({ ...bridge, binding: env.BRIDGE, clock, random }),
    claims,
    sales: createSalesLog(log),
    noteFirst: claims.noteFirst,
    knownPasses: createKnownPasses(),
    askedInVain: createAskedInVain(),
    refusedClaims: createRefusedClaims(),
    bodies: createHeldBodies(platformWait),
    quota: rememberAnswers(createDurableQuota(env.QUOTA, { time }), clock),
    rates: createRateLimits({ namespace: env.RATE_LIMITER, binding: env.RATE_LIMIT, isolates: policy.isolates, clock }),
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
    settlements: config.settlementFeed ? createDurableSettlements(env.SETTLEMENTS, { key: bridge.key, clock }) : undefined,
    pricing: createPricing({ secret: pricing.secret, bindingOf: (name) => pricingServices.get(name), hmac, clock, random }),
    origin,
    originProof: originKey && createOriginProof({ ...originKey, hmac, clock }),
    ...time,
    random,
    log,
  };
}

/** The breaker's question to an origin, if the seller names a path for it. */
function createProbe({ breaker }: GatewayPolicySettings, origin: Origin) {
  const probePath = breaker?.probePath;
  if (breaker === undefined || probePath === undefined) return undefined;
  const reach = (name: string, init: RequestInit) => reachOrigin(origin, `${name}${probePath}`, init);
  return createOriginProbe({ wait: platformWait, reach, limitMs: breaker.slowHeadMs });
}

type Variables = Readonly<Record<string, unknown>>;

/** The Workers that the seller's file names. */
interface Bindings {
  readonly services: ReadonlyMap<string, Fetcher>;
  readonly pricingServices: ReadonlyMap<string, ServiceBinding>;
}

function readBindings(env: Env, { settings, pricing }: Config): Result<Bindings, readonly string[]> {
  const services = readServices(env, settings.routes);
  if (!services.ok) return services;
  const pricingServices = new Map(pricing.bindings.map((name) => [name, (env as Variables)[name] as ServiceBinding]));
  const unbound = [...pricingServices].filter(([, binding]) => typeof binding?.fetch !== 'function');
  if (unbound.length > 0) return refuse(unbound.map(([name]) => `${name}: the service binding that a route's price names is not bound`));
  if (env.BRIDGE !== undefined && typeof env.BRIDGE.fetch !== 'function') return refuse(['BRIDGE: neither a service nor a VPC service']);
  return accept({ services: services.value, pricingServices });
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
    const service = (env as Variables)[binding] as Fetcher | undefined;
    // A Durable Object namespace or a store is an object too, but has no `fetch`.
    if (typeof service === 'object' && typeof service.fetch === 'function') services.set(binding, service);
    else problems.push(`${binding}: no service of this name is bound; the origin of route "${match}" asks for it`);
  }
  return problems.length > 0 ? refuse(problems) : accept(services);
}
