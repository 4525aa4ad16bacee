/*
 * Every setting with its name, default, unit and meaning, in one strict schema: the seller's file (gateway.config.ts) and the
 * Worker's variables and secrets. Unknown keys and invalid values are all listed at once, by key and never with a value;
 * nothing is served with a partial configuration. Pure.
 */
import * as z from 'zod/mini';
import { type GateSettings } from '#gateway/gate-deps.ts';
import { compileRoutes, findUnreachable } from '#gateway/routing/find-route.ts';
import { type Route } from '#gateway/route.ts';
import { formatHex, parseHex } from '#protocol/bytes.ts';
import { INVOICE_EXPIRY_SLACK_SECONDS, NETWORKS } from '#protocol/invoice.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { numberOfRegion, REGIONS } from '#protocol/region.ts';
import { LONGEST_EPOCH_HOURS } from '#protocol/token-id.ts';
import { LARGEST_SKEW_SECONDS } from '#schemes/scheme.ts';
import { describeIssues, PLAIN_WORDS } from './issues.ts';
import { namedSecrets, OriginSchema, OriginUrl, ZoneHosts } from './upstream.ts';
import { compileGatewayPolicy, gatewayPolicyKeys } from './policy.ts';
import { compilePool, PoolSchema } from './pool.ts';
import { BINDING_NAME } from './price.ts';
import { everythingAt, prepareRoutes, RouteSchema, type RouteConfig } from './route.ts';
import { whole } from './numbers.ts';

export { namedSecrets } from './upstream.ts';

/** The seller's file. */
export const GatewaySchema = z.strictObject({
  /**
   * Origin of the API that is sold: a URL, 'same-zone', or { service: 'BINDING' }. ORIGIN_URL overrides it.
   * @example 'https://api.example.com'
   */
  origin: z.optional(OriginSchema),
  /**
   * Hosts that 'same-zone' applies to; `*.example.com` covers all subdomains. A route's own host also counts.
   * @example ['api.example.com']
   */
  zoneHosts: z._default(ZoneHosts, []),
  /** Routes that are sold; the first match wins. If empty, everything costs PRICE_SATS. @example [{ match: 'GET /v1/*', priceSats: 10 }] */
  routes: z._default(z.array(RouteSchema), []),
  /** URL where clients find the explanation of refusal codes. The default is the gateway's own list. */
  docsUrl: z._default(z.string(), '/_l402/codes'),
  /**
   * Smallest amount that the Lightning backend can invoice, in millisatoshis; no price may be lower. Use 1 for LND, Core
   * Lightning and Eclair.
   */
  smallestInvoiceMsat: z._default(whole(1, 1_000_000_000), 1000),
  /**
   * Whether a preimage proves a payment. 'strict': it does not, so the node is asked at a token's first use. A bridge that
   * reports its nodes as strict overrides this setting. Tokens already sold are not affected.
   */
  settlement: z._default(z.enum(['preimage', 'strict']), 'preimage'),
  /** Whether the bridge pushes payments to `/_l402/settlements`. If so, the node is asked only about payments that were not pushed. */
  settlementFeed: z._default(z.boolean(), false),
  /** Seconds for which an invoice can be paid. */
  invoiceExpirySeconds: z._default(whole(60, 86_400), 600),
  /** Seconds for which a token can be used after its invoice has expired. */
  redeemSeconds: z._default(whole(86_400, 31_536_000), 86_400),
  /** Seconds by which clocks may differ when the end of a token is judged. */
  skewSeconds: z._default(whole(0, LARGEST_SKEW_SECONDS), 30),
  /** Seconds within which the origin must send its response headers. */
  originTimeoutSeconds: z._default(whole(1, 600), 25),
  /** Longest duration, in seconds, of a paid response body without a length, such as an event stream. The end of a pass ends it earlier. */
  maxStreamSeconds: z._default(whole(1, 86_400), 3600),
  /** Hours for which a signing key is used before the next one. */
  epochHours: z._default(whole(1, LONGEST_EPOCH_HOURS), 168),
  /** Hours for which a token of a previous key remains valid. Must be at least the longest lifetime of a token. */
  graceHours: z._default(whole(1, LONGEST_EPOCH_HOURS), 72),
  /**
   * Number of objects that share the claims of a region, as a power of 2. Default: 4 on Cloudflare; 0 elsewhere, where one
   * object groups the writes to disk and more objects only write more often. Cloudflare advises planning for 200 to 500
   * writing calls a second per object: raise this before sales come close. Each active object is billed for its time: lower
   * this if sales are few. A change affects only new tokens.
   * @example 4
   */
  claimShardBits: z.optional(whole(0, 16)),
  /**
   * Region where the claims of tokens live. 'nearest': the region of the buyer's request, as reported by Cloudflare's edge;
   * elsewhere there is only one region. Or one of Cloudflare's location hints, for all buyers. A change affects only new
   * tokens.
   */
  claimRegion: z._default(z.enum(['nearest', ...REGIONS]), 'nearest'),
  /**
   * Implementation of signatures: 'webcrypto', or 'node' for node:crypto, which takes less time for each token that is seen
   * for the first time.
   */
  hmac: z._default(z.enum(['webcrypto', 'node']), 'webcrypto'),
  /** Invoices made in advance for fixed prices, so that a 402 does not wait for the node; `false`: none. */
  pool: z.prefault(z.union([PoolSchema, z.literal(false)]), {}),
  ...gatewayPolicyKeys,
});

/** The configuration as a seller writes it. */
export type Gateway = z.input<typeof GatewaySchema>;

/** Types a seller's configuration. Checks nothing, so that every problem is reported in one place. */
export function defineGateway(gateway: Gateway): Gateway {
  return gateway;
}

const secret = z
  .string('missing; set at least 32 bytes of hex')
  .check(z.refine((text) => (parseHex(text)?.length ?? 0) >= 32, 'must be at least 32 bytes of hex'));
const numeral = (smallest: number, largest: number) =>
  z
    .string()
    .check(
      z.refine(
        (text) => /^[0-9]+$/.test(text) && Number(text) >= smallest && Number(text) <= largest,
        `must be a whole number from ${smallest} to ${largest}`,
      ),
    );

/** The Worker's variables and secrets, except those that sign tokens. */
export const VariablesSchema = z.strictObject({
  /** Overrides the origin of the seller's file. @example 'https://staging.example.com' */
  ORIGIN_URL: z.optional(OriginUrl),
  /** Overrides the prices of the seller's file: every route costs this, including free routes. Closed routes stay closed. @example '1' */
  PRICE_SATS: z.optional(
    z.string().check(z.refine((text) => /^[1-9][0-9]{0,11}$/.test(text), 'must be a whole number of satoshis, at least 1')),
  ),
  /**
   * URL of the bridge next to the Lightning node. With a binding named BRIDGE, the host is ignored.
   * @example 'https://bridge.example.com'
   */
  BRIDGE_URL: z
    .string('missing; must be an http or https URL without a path')
    .check(
      z.refine((text) => /^https?:\/\/[^/?#@\\\s]+\/?$/.test(text) && URL.canParse(text), 'must be an http or https URL without a path'),
    ),
  /** Id of the bridge key that signs the gateway's requests. */
  BRIDGE_KEY_ID: z._default(z.string().check(z.regex(/^[a-z0-9-]{1,32}$/)), 'k1'),
  /** The key named by BRIDGE_KEY_ID. The bridge has the same value in its own BRIDGE_SECRET. */
  BRIDGE_SECRET: secret,
  /** Key that signs the questions to pricing services. Required if a route names one; must differ from all other keys. */
  PRICING_SECRET: z.optional(secret),
  /** Secret that authorizes revocations and maintenance at `/_l402/control`. Without it this page does not exist. */
  ADMIN_SECRET: z.optional(secret),
  /** Network that invoices must belong to. */
  NETWORK: z.enum(NETWORKS, {
    error: ({ input }) => `${input === undefined ? 'missing; ' : ''}must be one of: ${NETWORKS.join(', ')}`,
  }),
  /** Key that signs requests to the origin. Without it the origin gets no proof. */
  ORIGIN_SECRET: z.optional(secret),
  /** Id of that key towards the origin. */
  ORIGIN_KEY_ID: z._default(z.string().check(z.regex(/^[a-z0-9-]{1,32}$/)), 'o1'),
  /** Id of the `TOKEN_SECRET_<id>` that signs new tokens. Tokens of the others remain valid. */
  TOKEN_KEY_ID: z._default(numeral(0, 255), '1'),
});

export interface Config {
  readonly settings: GateSettings;
  readonly bridge: { readonly url: string; readonly key: { readonly id: string; readonly secret: Uint8Array } };
  readonly settlementFeed: boolean;
  readonly hmac: 'webcrypto' | 'node';
  /** `undefined`: the origin gets no proof. */
  readonly originKey: { readonly keyId: string; readonly secret: Uint8Array } | undefined;
  readonly pricing: {
    /** `undefined`: no route asks a pricing service. */
    readonly secret: Uint8Array | undefined;
    /** The service bindings that routes name. */
    readonly bindings: readonly string[];
  };
  /** `undefined`: no orders over HTTP. */
  readonly adminSecret: Uint8Array | undefined;
  readonly tokenKeys: {
    readonly secrets: ReadonlyMap<number, Uint8Array>;
    readonly currentKeyId: number;
    readonly epochHours: number;
    readonly graceHours: number;
  };
  /** Not errors, but the seller should know. */
  readonly warnings: readonly string[];
}

type Variables = Readonly<Record<string, unknown>>;

/** Both parts of the configuration, each valid on its own. */
interface Parts {
  readonly file: z.output<typeof GatewaySchema>;
  readonly vars: z.output<typeof VariablesSchema>;
  readonly variables: Variables;
  readonly secrets: ReadonlyMap<number, Uint8Array>;
  /** No route has a price: PRICE_SATS is the price of everything. */
  readonly everything: boolean;
}

/** Reads both parts of the configuration. Each problem starts with a key. */
export function readConfig(gateway: unknown, variables: Variables): Result<Config, readonly string[]> {
  const problems: string[] = [];
  const parts = readParts(gateway, variables, problems);
  if (parts === undefined) return refuse(problems);
  const compiled = compileFile(parts, problems);
  problems.push(...findSharedKeys(parts));
  if (problems.length > 0 || compiled === undefined) return refuse(problems);

  const { vars, secrets } = parts;
  const { settings, pricingServices } = compiled;
  const { settlementFeed, hmac, epochHours, graceHours } = parts.file;
  return accept({
    settings,
    bridge: { url: vars.BRIDGE_URL.replace(/\/$/, ''), key: { id: vars.BRIDGE_KEY_ID, secret: parseHex(vars.BRIDGE_SECRET)! } },
    settlementFeed,
    hmac,
    originKey: vars.ORIGIN_SECRET === undefined ? undefined : { keyId: vars.ORIGIN_KEY_ID, secret: parseHex(vars.ORIGIN_SECRET)! },
    pricing: {
      secret: vars.PRICING_SECRET === undefined ? undefined : parseHex(vars.PRICING_SECRET)!,
      bindings: pricingServices.filter((service) => BINDING_NAME.test(service)),
    },
    adminSecret: vars.ADMIN_SECRET === undefined ? undefined : parseHex(vars.ADMIN_SECRET)!,
    tokenKeys: { secrets, currentKeyId: Number(vars.TOKEN_KEY_ID), epochHours, graceHours },
    warnings: findUnreachable(settings.routes).map(
      ({ match, coveredBy }) => `route "${match}" can never match: "${coveredBy}" comes first`,
    ),
  });
}

/** `undefined`: too little can be read to find further problems. */
function readParts(gateway: unknown, variables: Variables, problems: string[]): Parts | undefined {
  const secrets = readTokenSecrets(variables, problems);
  const named = namedSecrets(gateway);
  const texts = Object.entries(variables).filter(
    ([name, value]) => typeof value === 'string' && !name.startsWith(TOKEN_SECRET) && (name in VariablesSchema.shape || !named.has(name)),
  );
  const vars = VariablesSchema.safeParse(Object.fromEntries(texts), PLAIN_WORDS);
  const strict = GatewaySchema.safeParse(gateway, PLAIN_WORDS);
  if (!vars.success) problems.push(...describeIssues(vars.error.issues, { place: '', schema: VariablesSchema }));
  if (!strict.success) problems.push(...describeIssues(strict.error.issues, { place: 'gateway.config.ts: ', schema: GatewaySchema }));
  const currentKeyId = Number(variables['TOKEN_KEY_ID'] ?? '1');
  // A value that is not a number is a separate problem and is not repeated here.
  if (currentKeyId <= 255 && variables[`${TOKEN_SECRET}${currentKeyId}`] === undefined)
    problems.push(`${TOKEN_SECRET}${currentKeyId}: missing. TOKEN_KEY_ID selects it as the signing key; set at least 32 bytes of hex`);
  const file = strict.success ? strict.data : readRest(gateway);
  const everything = variables['PRICE_SATS'] !== undefined || (file?.routes ?? []).length === 0;
  const originless = file !== undefined && file.origin === undefined && variables['ORIGIN_URL'] === undefined;
  if (originless && (everything || file.routes.some(({ origin, closed }) => origin === undefined && closed !== true)))
    problems.push('gateway.config.ts: origin: missing; set it, or set ORIGIN_URL');
  return vars.success && file !== undefined ? { file, vars: vars.data, variables, secrets, everything } : undefined;
}

/** Makes the gate's settings of the seller's file and the variables that override it. */
function compileFile({ file, vars, variables, everything }: Parts, problems: string[]) {
  const { ORIGIN_URL, PRICE_SATS, PRICING_SECRET, NETWORK } = vars;
  const { origin, routes: written, zoneHosts, originTimeoutSeconds, epochHours: _, graceHours, ...rest } = file;
  const { smallestInvoiceMsat, settlementFeed: _feed, hmac: _hmac, claimRegion: chosenRegion, claimShardBits, ...settings } = rest;
  const inFile = (found: readonly string[]) => problems.push(...found.map((problem) => `gateway.config.ts: ${problem}`));
  const priceSats = Number(PRICE_SATS ?? '1');
  if (everything && priceSats * 1000 < smallestInvoiceMsat) {
    problems.push(`PRICE_SATS: must be at least smallestInvoiceMsat (${smallestInvoiceMsat} msat)`);
  }
  const offered = everything ? everythingAt(priceSats, written) : written;
  const prepared = prepareRoutes(offered, {
    smallestInvoiceMsat: everything ? 1n : BigInt(smallestInvoiceMsat),
    upstream: { origin: ORIGIN_URL ?? origin, timeoutSeconds: originTimeoutSeconds, zoneHosts, variables },
    gateway: file,
  });
  const policy = compileGatewayPolicy(file);
  const pool = compilePool(file.pool, settings);
  for (const part of [pool, policy, prepared]) if (!part.ok) inFile(part.refusal);
  // Tokens of a past epoch must outlive it (M8).
  const lives = [settings.redeemSeconds, ...offered.map(secondsOf)];
  const longest = settings.invoiceExpirySeconds + INVOICE_EXPIRY_SLACK_SECONDS + Math.max(...lives);
  if (graceHours * 3600 < longest) {
    inFile([`graceHours: must be at least ${Math.ceil(longest / 3600)}, the lifetime of the longest-lived token on sale`]);
  }
  const pricingServices = prepared.ok ? findPricingServices(prepared.value) : [];
  if (pricingServices.length > 0 && PRICING_SECRET === undefined) problems.push('PRICING_SECRET: missing; a route uses a pricing service');
  if (!prepared.ok || !policy.ok || !pool.ok) return undefined;
  const routes = compileRoutes(prepared.value);
  const claimRegion = chosenRegion === 'nearest' ? undefined : numberOfRegion(chosenRegion);
  return {
    settings: { ...settings, claimRegion, claimShardBits, routes, network: NETWORK, pool: pool.value, policy: policy.value },
    pricingServices,
  };
}

/** A key for one purpose must not be able to sign for another (M28). */
function findSharedKeys({ vars, secrets }: Parts): readonly string[] {
  const { BRIDGE_SECRET, ORIGIN_SECRET, PRICING_SECRET, ADMIN_SECRET } = vars;
  const problems: string[] = [];
  const others = [...secrets.values()].map(formatHex);
  for (const [name, own] of Object.entries({ BRIDGE_SECRET, ORIGIN_SECRET, PRICING_SECRET, ADMIN_SECRET })) {
    if (own === undefined) continue;
    if (others.some((other) => other.toLowerCase() === own.toLowerCase())) {
      problems.push(`${name}: must differ from every other secret`);
    }
    others.push(own);
  }
  return problems;
}

/** Replaces an invalid route. As it is closed, it needs no price, and later routes keep their numbers. */
const NO_ROUTE = { match: '/', closed: true };

/**
 * Replaces an invalid origin and invalid routes, so that the remaining problems can be reported. A default for any other key
 * would cause false reports.
 */
function readRest(gateway: unknown): z.output<typeof GatewaySchema> | undefined {
  if (typeof gateway !== 'object' || gateway === null) return undefined;
  const { origin, routes } = gateway as Readonly<Record<string, unknown>>;
  const isOriginWrong = origin !== undefined && !OriginSchema.safeParse(origin).success;
  const rest = {
    ...gateway,
    ...(isOriginWrong ? { origin: 'http://origin.invalid' } : {}),
    ...(Array.isArray(routes) ? { routes: routes.map((route: unknown) => (RouteSchema.safeParse(route).success ? route : NO_ROUTE)) } : {}),
  };
  return GatewaySchema.safeParse(rest).data;
}

/** Returns the sold time of a route's token as written; 0 if nothing is sold, or not by time. */
function secondsOf({ access, free, closed }: RouteConfig): number {
  return free === true || closed === true || typeof access !== 'object' ? 0 : (access.seconds ?? 0);
}

function findPricingServices(routes: readonly Route[]): readonly string[] {
  return routes.flatMap(({ sale }) => (sale.kind === 'paid' && sale.price.kind === 'service' ? [sale.price.service] : []));
}

const TOKEN_SECRET = 'TOKEN_SECRET_';

function readTokenSecrets(variables: Readonly<Record<string, unknown>>, problems: string[]): ReadonlyMap<number, Uint8Array> {
  const secrets = new Map<number, Uint8Array>();
  for (const [name, value] of Object.entries(variables)) {
    if (!name.startsWith(TOKEN_SECRET)) continue;
    const id = name.slice(TOKEN_SECRET.length);
    if (!/^(0|[1-9][0-9]{0,2})$/.test(id) || Number(id) > 255) problems.push(`${name}: must end in a key id from 0 to 255`);
    else if (!secret.safeParse(value).success) problems.push(`${name}: must be at least 32 bytes of hex`);
    else secrets.set(Number(id), parseHex(String(value))!);
  }
  return secrets;
}
