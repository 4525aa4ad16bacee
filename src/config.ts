/*
 * Every setting with its name, default, unit and meaning, in one strict schema: the seller's file (gateway.config.ts) and
 * the Worker's variables and secrets. Unknown keys and bad values are listed all at once, by key and never with a value;
 * nothing is served half-configured. Pure.
 */
import * as z from 'zod/mini';
import { type GateSettings } from '#gateway/gate-deps.ts';
import { compileRoutes, findUnreachable } from '#gateway/routes.ts';
import { parseHex } from '#protocol/bytes.ts';
import { NETWORKS } from '#protocol/invoice.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { LONGEST_EPOCH_HOURS, MOST_REGIONS } from '#protocol/token-id.ts';
import { LARGEST_SKEW_SECONDS } from '#schemes/l402.ts';
import { namedSecrets, OriginSchema, OriginUrl, ZoneHosts } from './passage-config.ts';
import { everythingAt, prepareRoutes, RouteSchema } from './route-config.ts';

const whole = (smallest: number, largest: number) => z.int().check(z.minimum(smallest), z.maximum(largest));

/** The seller's file. */
export const GatewaySchema = z.strictObject({
  /** Where the API is that is sold: an address, 'same-zone', or { service: 'BINDING' }. ORIGIN_URL takes its place. */
  origin: z.optional(OriginSchema),
  /** The hosts that 'same-zone' is for, `*.example.com` for all below; a route's own host will do too. */
  zoneHosts: z._default(ZoneHosts, []),
  /** What is sold, first match wins. Without any, everything costs PRICE_SATS. */
  routes: z._default(z.array(RouteSchema), []),
  /** Where clients read about the codes of refusals; the gateway's own list unless another is named. */
  docsUrl: z._default(z.string(), '/_l402/codes'),
  /** How long an invoice can be paid. */
  invoiceExpirySeconds: z._default(whole(60, 86_400), 600),
  /** How long a token can be used after its invoice has expired. */
  redeemSeconds: z._default(whole(3600, 31_536_000), 86_400),
  /** How far clocks may differ when a token's end is judged. */
  skewSeconds: z._default(whole(0, LARGEST_SKEW_SECONDS), 30),
  /** How long the origin may take to the head of its answer. */
  originTimeoutSeconds: z._default(whole(1, 600), 30),
  /** How long a signing key is used before the next one. */
  epochHours: z._default(whole(1, LONGEST_EPOCH_HOURS), 168),
  /** How long a token of a past key still works. At least the longest life of a token. */
  graceHours: z._default(whole(1, LONGEST_EPOCH_HOURS), 72),
  /** Claims are spread over 2 to the power of this many objects. Changing it touches new tokens only. */
  claimShardBits: z._default(whole(0, 16), 4),
  /** A number that keeps the claims of this deployment's tokens apart from those of others on the same objects. */
  claimRegion: z._default(whole(0, MOST_REGIONS - 1), 0),
});

/** What a seller writes. */
export type Gateway = z.input<typeof GatewaySchema>;

/** Types a seller's configuration; checks nothing, so that every problem is reported in one place. */
export function defineGateway(gateway: Gateway): Gateway {
  return gateway;
}

const secret = z.string().check(z.refine((text) => (parseHex(text)?.length ?? 0) >= 32, 'at least 32 bytes in hex'));
const numeral = (smallest: number, largest: number) =>
  z
    .string()
    .check(
      z.refine(
        (text) => /^[0-9]+$/.test(text) && Number(text) >= smallest && Number(text) <= largest,
        `a number from ${smallest} to ${largest}`,
      ),
    );

const VariablesSchema = z.strictObject({
  /** Instead of the origin of the seller's file. */
  ORIGIN_URL: z.optional(OriginUrl),
  /** Instead of the routes of the seller's file: everything at this price. */
  PRICE_SATS: z.optional(z.string().check(z.refine((text) => /^[1-9][0-9]{0,11}$/.test(text), 'whole satoshi, at least 1'))),
  /** The bridge beside the Lightning node. */
  BRIDGE_URL: z
    .string()
    .check(z.refine((text) => /^https?:\/\/[^/?#@\\\s]+\/?$/.test(text) && URL.canParse(text), 'an http or https address without path')),
  /** Which of the bridge's keys signs our requests, and that key. */
  BRIDGE_KEY_ID: z._default(z.string().check(z.regex(/^[a-z0-9-]{1,32}$/)), 'k1'),
  BRIDGE_SECRET: secret,
  /** The network that invoices must be of. */
  NETWORK: z.enum(NETWORKS),
  /** Signs what goes to the origin, and its name there. Without it, the origin gets no proof. */
  ORIGIN_SECRET: z.optional(secret),
  ORIGIN_KEY_ID: z._default(z.string().check(z.regex(/^[a-z0-9-]{1,32}$/)), 'o1'),
  /** Which TOKEN_SECRET_<id> signs new tokens. The others are still read. */
  TOKEN_KEY_ID: z._default(numeral(0, 255), '1'),
});

export interface Config {
  readonly settings: GateSettings;
  readonly bridge: { readonly url: string; readonly key: { readonly id: string; readonly secret: Uint8Array } };
  readonly originKey: { readonly keyId: string; readonly secret: Uint8Array } | undefined;
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
  const vars = VariablesSchema.safeParse(Object.fromEntries(texts));
  const file = GatewaySchema.safeParse(gateway);
  if (!vars.success) problems.push(...describeIssues(vars.error.issues, ''));
  if (!file.success) problems.push(...describeIssues(file.error.issues, 'gateway.config.ts: '));
  if (!vars.success || !file.success) return refuse(problems);

  const { ORIGIN_URL, PRICE_SATS, TOKEN_KEY_ID, BRIDGE_URL, BRIDGE_KEY_ID, BRIDGE_SECRET, ORIGIN_SECRET, ORIGIN_KEY_ID, NETWORK } =
    vars.data;
  const { origin, routes: written, zoneHosts, originTimeoutSeconds, epochHours, graceHours, ...settings } = file.data;
  const currentKeyId = Number(TOKEN_KEY_ID);
  if (!secrets.has(currentKeyId)) problems.push(`${TOKEN_SECRET}${currentKeyId}: missing; TOKEN_KEY_ID names it as the key that signs`);
  // Tokens of a past epoch must outlive it (M8).
  if (graceHours * 3600 < settings.invoiceExpirySeconds + settings.redeemSeconds) {
    problems.push('gateway.config.ts: graceHours: shorter than the life of a token (invoiceExpirySeconds + redeemSeconds)');
  }
  const everything = PRICE_SATS !== undefined || written.length === 0;
  const passage = { origin: ORIGIN_URL ?? origin, timeoutSeconds: originTimeoutSeconds, zoneHosts, variables };
  const prepared = prepareRoutes(everything ? everythingAt(Number(PRICE_SATS ?? '1')) : written, passage);
  if (!prepared.ok) problems.push(...prepared.refusal.map((problem) => `gateway.config.ts: ${problem}`));
  if (problems.length > 0 || !prepared.ok) return refuse(problems);

  const routes = compileRoutes(prepared.value);
  return accept({
    settings: { ...settings, routes, network: NETWORK },
    bridge: { url: BRIDGE_URL.replace(/\/$/, ''), key: { id: BRIDGE_KEY_ID, secret: parseHex(BRIDGE_SECRET)! } },
    originKey: ORIGIN_SECRET === undefined ? undefined : { keyId: ORIGIN_KEY_ID, secret: parseHex(ORIGIN_SECRET)! },
    tokenKeys: { secrets, currentKeyId, epochHours, graceHours },
    warnings: findUnreachable(routes).map(({ match, coveredBy }) => `route "${match}" can never match: "${coveredBy}" comes first`),
  });
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

interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

/** A sentence for each problem; never the value, which could be a secret in the wrong place. */
function describeIssues(issues: readonly unknown[], place: string): readonly string[] {
  return (issues as readonly Issue[]).flatMap(({ code, path, message, keys }) => {
    const key = path.map(String).join('.');
    if (code === 'unrecognized_keys') return (keys ?? []).map((name) => `${place}${key === '' ? '' : `${key}.`}${name}: unknown key`);
    return [`${place}${key}: ${code === 'custom' ? message : message.replace(/^Invalid input: /, '')}`];
  });
}
