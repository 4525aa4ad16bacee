/*
 * Every setting with its name, default, unit and meaning, in one strict schema: the seller's file (gateway.config.ts) and
 * the Worker's variables and secrets. Unknown keys and bad values are listed all at once, by key and never with a value;
 * nothing is served half-configured. Pure.
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
  /** Where the API is that is sold: an address, 'same-zone', or { service: 'BINDING' }. ORIGIN_URL takes its place. @example 'https://api.example.com' */
  origin: z.optional(OriginSchema),
  /** The hosts that 'same-zone' is for, `*.example.com` for all below; a route's own host will do too. @example ['api.example.com'] */
  zoneHosts: z._default(ZoneHosts, []),
  /** What is sold, first match wins. Without any, everything costs PRICE_SATS. @example [{ match: 'GET /v1/*', priceSats: 10 }] */
  routes: z._default(z.array(RouteSchema), []),
  /** Where clients read about the codes of refusals; the gateway's own list unless another is named. */
  docsUrl: z._default(z.string(), '/_l402/codes'),
  /** What the Lightning backend can ask for at least, in millisatoshi: nothing is sold for less. 1 for LND, Core Lightning and Eclair. */
  smallestInvoiceMsat: z._default(whole(1, 1_000_000_000), 1000),
  /**
   * Whether a preimage proves a payment. 'strict': no, the node is asked at a token's first use. A bridge that says that its nodes
   * are strict is believed whatever stands here. Tokens that have been sold stay as they were sold.
   */
  settlement: z._default(z.enum(['preimage', 'strict']), 'preimage'),
  /** Whether the bridge pushes payments to `/_l402/settlements`: then the node is asked only of those that were not pushed. */
  settlementFeed: z._default(z.boolean(), false),
  /** How long an invoice can be paid. */
  invoiceExpirySeconds: z._default(whole(60, 86_400), 600),
  /** How long a token can be used after its invoice has expired. */
  redeemSeconds: z._default(whole(86_400, 31_536_000), 86_400),
  /** How far clocks may differ when a token's end is judged. */
  skewSeconds: z._default(whole(0, LARGEST_SKEW_SECONDS), 30),
  /** How long the origin may take to the head of its answer. */
  originTimeoutSeconds: z._default(whole(1, 600), 25),
  /** How long the body of a paid answer without a length may go on: an event stream, say. A pass ends it sooner when it ends itself. */
  maxStreamSeconds: z._default(whole(1, 86_400), 3600),
  /** How long a signing key is used before the next one. */
  epochHours: z._default(whole(1, LONGEST_EPOCH_HOURS), 168),
  /** How long a token of a past key still works. At least the longest life of a token. */
  graceHours: z._default(whole(1, LONGEST_EPOCH_HOURS), 72),
  /**
   * Claims of a region are spread over 2 to the power of this many objects. If left out: 4 on Cloudflare, 0 elsewhere, where one
   * object groups the writes to the disk and more of them only write more often. Cloudflare plans with 200 to 500 writing calls a
   * second for an object: raise it before sales come near. Each object that is awake is billed for its time: lower it where sales
   * are few. Changing it touches new tokens only. @example 4
   */
  claimShardBits: z.optional(whole(0, 16)),
  /**
   * Where the claims of tokens live. 'nearest': in the part of the world where the buyer's request came in, as Cloudflare's edge
   * tells; elsewhere there is one part. Or one of Cloudflare's location hints for all buyers. Changing it touches new tokens only.
   */
  claimRegion: z._default(z.enum(['nearest', ...REGIONS]), 'nearest'),
  /** What computes signatures: 'webcrypto', or 'node' for node:crypto, which takes less time for each token that is seen for the first time. */
  hmac: z._default(z.enum(['webcrypto', 'node']), 'webcrypto'),
  /** Invoices made before anyone asks, for prices that are fixed, so that a 402 waits for no node; `false`: none. */
  pool: z.prefault(z.union([PoolSchema, z.literal(false)]), {}),
  ...gatewayPolicyKeys,
});

/** What a seller writes. */
export type Gateway = z.input<typeof GatewaySchema>;

/** Types a seller's configuration; checks nothing, so that every problem is reported in one place. */
export function defineGateway(gateway: Gateway): Gateway {
  return gateway;
}

const secret = z
  .string('missing; at least 32 bytes in hex')
  .check(z.refine((text) => (parseHex(text)?.length ?? 0) >= 32, 'at least 32 bytes in hex'));
const numeral = (smallest: number, largest: number) =>
  z
    .string()
    .check(
      z.refine(
        (text) => /^[0-9]+$/.test(text) && Number(text) >= smallest && Number(text) <= largest,
        `a number from ${smallest} to ${largest}`,
      ),
    );

/** The Worker's variables and secrets, but for those that sign tokens. */
export const VariablesSchema = z.strictObject({
  /** Instead of the origin of the seller's file. @example 'https://staging.example.com' */
  ORIGIN_URL: z.optional(OriginUrl),
  /** Instead of the prices of the seller's file: everything at this price, what is free there too. What is closed there stays closed. @example '1' */
  PRICE_SATS: z.optional(z.string().check(z.refine((text) => /^[1-9][0-9]{0,11}$/.test(text), 'whole satoshi, at least 1'))),
  /** The bridge beside the Lightning node; with a binding of the name BRIDGE the host says nothing. @example 'https://bridge.example.com' */
  BRIDGE_URL: z
    .string('missing; an http or https address without path')
    .check(z.refine((text) => /^https?:\/\/[^/?#@\\\s]+\/?$/.test(text) && URL.canParse(text), 'an http or https address without path')),
  /** Which of the bridge's keys signs our requests. */
  BRIDGE_KEY_ID: z._default(z.string().check(z.regex(/^[a-z0-9-]{1,32}$/)), 'k1'),
  /** The key that BRIDGE_KEY_ID names; the bridge has the same under its own BRIDGE_SECRET. */
  BRIDGE_SECRET: secret,
  /** Signs what pricing services are asked; needed when a route names one, and no key that signs anything else. */
  PRICING_SECRET: z.optional(secret),
  /** Who has it may revoke and order maintenance at `/_l402/control`. Without it there is no such page. */
  ADMIN_SECRET: z.optional(secret),
  /** The network that invoices must be of. */
  NETWORK: z.enum(NETWORKS, `missing, or none of: ${NETWORKS.join(', ')}`),
  /** Signs what goes to the origin. Without it, the origin gets no proof. */
  ORIGIN_SECRET: z.optional(secret),
  /** The name of that key towards the origin. */
  ORIGIN_KEY_ID: z._default(z.string().check(z.regex(/^[a-z0-9-]{1,32}$/)), 'o1'),
  /** Which `TOKEN_SECRET_<id>` signs new tokens. The others are still read. */
  TOKEN_KEY_ID: z._default(numeral(0, 255), '1'),
});

export interface Config {
  readonly settings: GateSettings;
  readonly bridge: { readonly url: string; readonly key: { readonly id: string; readonly secret: Uint8Array } };
  readonly settlementFeed: boolean;
  readonly hmac: 'webcrypto' | 'node';
  /** Nothing: the origin gets no proof. */
  readonly originKey: { readonly keyId: string; readonly secret: Uint8Array } | undefined;
  readonly pricing: {
    /** Nothing: no route asks a pricing service. */
    readonly secret: Uint8Array | undefined;
    /** The service bindings that routes name. */
    readonly bindings: readonly string[];
  };
  /** Nothing: no orders over HTTP. */
  readonly adminSecret: Uint8Array | undefined;
  readonly tokenKeys: {
    readonly secrets: ReadonlyMap<number, Uint8Array>;
    readonly currentKeyId: number;
    readonly epochHours: number;
    readonly graceHours: number;
  };
  /** Nothing is wrong with these, but the seller should know. */
  readonly warnings: readonly string[];
}

/** Reads both halves of the configuration; the problems are whole sentences that start with a key. */
export function readConfig(gateway: unknown, variables: Readonly<Record<string, unknown>>): Result<Config, readonly string[]> {
  const problems: string[] = [];
  const secrets = readTokenSecrets(variables, problems);
  const named = namedSecrets(gateway);
  const texts = Object.entries(variables).filter(
    ([name, value]) => typeof value === 'string' && !name.startsWith(TOKEN_SECRET) && (name in VariablesSchema.shape || !named.has(name)),
  );
  const vars = VariablesSchema.safeParse(Object.fromEntries(texts), PLAIN_WORDS);
  const file = GatewaySchema.safeParse(gateway, PLAIN_WORDS);
  if (!vars.success) problems.push(...describeIssues(vars.error.issues, { place: '', schema: VariablesSchema }));
  if (!file.success) problems.push(...describeIssues(file.error.issues, { place: 'gateway.config.ts: ', schema: GatewaySchema }));
  const currentKeyId = Number(variables['TOKEN_KEY_ID'] ?? '1');
  // A number, or it is a problem of its own and not to be repeated here.
  if (currentKeyId <= 255 && variables[`${TOKEN_SECRET}${currentKeyId}`] === undefined)
    problems.push(`${TOKEN_SECRET}${currentKeyId}: missing; at least 32 bytes in hex; TOKEN_KEY_ID names it as the key that signs`);
  const readable = file.success ? file.data : readRest(gateway);
  const originless = readable !== undefined && readable.origin === undefined && variables['ORIGIN_URL'] === undefined;
  const everything = variables['PRICE_SATS'] !== undefined || (readable?.routes ?? []).length === 0;
  if (originless && (everything || readable.routes.some(({ origin, closed }) => origin === undefined && closed !== true)))
    problems.push('ORIGIN_URL: neither it nor the origin of gateway.config.ts is set');
  if (!vars.success || readable === undefined) return refuse(problems);

  const { ORIGIN_URL, PRICE_SATS, BRIDGE_URL, BRIDGE_KEY_ID, BRIDGE_SECRET, ORIGIN_SECRET, ORIGIN_KEY_ID, PRICING_SECRET } = vars.data;
  const { ADMIN_SECRET, NETWORK } = vars.data;
  const { origin, routes: written, zoneHosts, originTimeoutSeconds, epochHours, graceHours, ...rest } = readable;
  const { smallestInvoiceMsat, settlementFeed, claimRegion: chosenRegion, claimShardBits, hmac, ...settings } = rest;
  const priceSats = Number(PRICE_SATS ?? '1');
  if (everything && priceSats * 1000 < smallestInvoiceMsat) {
    problems.push(`PRICE_SATS: less than an invoice can ask for, which is smallestInvoiceMsat: ${smallestInvoiceMsat}`);
  }
  const offered = everything ? everythingAt(priceSats, written) : written;
  const prepared = prepareRoutes(offered, {
    smallestInvoiceMsat: everything ? 1n : BigInt(smallestInvoiceMsat),
    upstream: { origin: ORIGIN_URL ?? origin, timeoutSeconds: originTimeoutSeconds, zoneHosts, variables },
    gateway: readable,
  });
  const policy = compileGatewayPolicy(readable);
  const pool = compilePool(readable.pool, settings);
  if (!pool.ok) problems.push(...pool.refusal.map((problem) => `gateway.config.ts: ${problem}`));
  if (!policy.ok) problems.push(...policy.refusal.map((problem) => `gateway.config.ts: ${problem}`));
  if (!prepared.ok) problems.push(...prepared.refusal.map((problem) => `gateway.config.ts: ${problem}`));
  // Tokens of a past epoch must outlive it (M8).
  const lives = [settings.redeemSeconds, ...offered.map(secondsOf)];
  const longest = settings.invoiceExpirySeconds + INVOICE_EXPIRY_SLACK_SECONDS + Math.max(...lives);
  if (graceHours * 3600 < longest) {
    const least = Math.ceil(longest / 3600);
    problems.push(`gateway.config.ts: graceHours: shorter than the longest life of a token that is sold; at least ${least}`);
  }
  const services = prepared.ok ? findPricingServices(prepared.value) : [];
  if (services.length > 0 && PRICING_SECRET === undefined) problems.push('PRICING_SECRET: missing; a route asks a pricing service');
  // Whoever has a key for one purpose must not be able to sign for another (M28).
  const others = [...secrets.values()].map(formatHex);
  for (const [name, own] of Object.entries({ BRIDGE_SECRET, ORIGIN_SECRET, PRICING_SECRET, ADMIN_SECRET })) {
    if (own !== undefined && others.some((other) => other.toLowerCase() === own.toLowerCase())) {
      problems.push(`${name}: a key of its own, not one that signs something else`);
    }
    if (own !== undefined) others.push(own);
  }
  if (problems.length > 0 || !file.success || !prepared.ok || !policy.ok || !pool.ok) return refuse(problems);

  const routes = compileRoutes(prepared.value);
  const claimRegion = chosenRegion === 'nearest' ? undefined : numberOfRegion(chosenRegion);
  return accept({
    settings: { ...settings, claimRegion, claimShardBits, routes, network: NETWORK, pool: pool.value, policy: policy.value },
    bridge: { url: BRIDGE_URL.replace(/\/$/, ''), key: { id: BRIDGE_KEY_ID, secret: parseHex(BRIDGE_SECRET)! } },
    settlementFeed,
    hmac,
    originKey: ORIGIN_SECRET === undefined ? undefined : { keyId: ORIGIN_KEY_ID, secret: parseHex(ORIGIN_SECRET)! },
    pricing: {
      secret: PRICING_SECRET === undefined ? undefined : parseHex(PRICING_SECRET)!,
      bindings: services.filter((service) => BINDING_NAME.test(service)),
    },
    adminSecret: ADMIN_SECRET === undefined ? undefined : parseHex(ADMIN_SECRET)!,
    tokenKeys: { secrets, currentKeyId, epochHours, graceHours },
    warnings: findUnreachable(routes).map(({ match, coveredBy }) => `route "${match}" can never match: "${coveredBy}" comes first`),
  });
}

/** Of a wrong route. Closed, it is sold to nobody and at no price, and the routes after it keep their numbers. */
const NO_ROUTE = { match: '/', closed: true };

/**
 * A file whose form is wrong in its origin or in some routes, without these: what else is wrong can still be told. A default in the
 * place of any other key would make mistakes that nobody has made.
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

/** How long a token of a route is sold for, as it is written; 0 where nothing is sold, or not by time. */
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
    if (!/^(0|[1-9][0-9]{0,2})$/.test(id) || Number(id) > 255) problems.push(`${name}: ends in a key id from 0 to 255`);
    else if (!secret.safeParse(value).success) problems.push(`${name}: at least 32 bytes in hex`);
    else secrets.set(Number(id), parseHex(String(value))!);
  }
  return secrets;
}
