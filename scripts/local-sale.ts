/*
 * What `npm start` sells: gateway.config.ts combined with the environment, or the problems of both. Pure.
 */
import { LARGEST_PORT } from '#local/ports.ts';
import { type LocalSecrets } from '#local/secrets.ts';
import { type LocalOrigin } from '#local/system.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { namedSecrets, readConfig, type Config } from '#src/config/config.ts';
import { hasSampleOrigin, hasSampleRoutes } from './sample-gateway.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface StartSettings {
  readonly port: number;
  readonly originUrl: string | undefined;
  readonly priceSats: string | undefined;
}

export interface LocalSale {
  readonly origin: LocalOrigin;
  /** Whether the sample API is sold with its own routes. */
  readonly isSample: boolean;
  readonly priceSats: string | undefined;
  readonly furtherSecrets: Readonly<Record<string, string>>;
  /** Where requests go, for people; `undefined` for the sample, which has no URL yet. */
  readonly originName: string | undefined;
  readonly call: SuggestedCall;
  readonly warnings: readonly string[];
}

/** A call that costs something, if there is one. */
export interface SuggestedCall {
  readonly method: string;
  readonly path: string;
}

const DEFAULT_PORT = '8402';
/** The sample's port is not known until it listens. */
const SAMPLE_STAND_IN = 'http://127.0.0.1';

/** Reads the settings of `npm start`; an empty variable counts as not set. */
export function readStartSettings(environment: Environment): Result<StartSettings, readonly string[]> {
  const port = environment['PORT'] || DEFAULT_PORT;
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) > LARGEST_PORT) return refuse([`PORT: must be a whole number from 0 to ${LARGEST_PORT}`]);
  const originUrl = environment['ORIGIN_URL'] || environment['UPSTREAM_URL'] || undefined;
  return accept({ port: Number(port), originUrl, priceSats: environment['PRICE_SATS'] || undefined });
}

/** Plans the sale on this machine, reading the configuration as the Worker will. */
export function planSale(
  gateway: unknown,
  { originUrl, priceSats: written }: StartSettings,
  { environment, secrets }: { environment: Environment; secrets: LocalSecrets },
): Result<LocalSale, readonly string[]> {
  const origin = originUrl === undefined ? (hasSampleOrigin(gateway) ? 'sample' : 'configured') : { url: originUrl };
  // The sample's routes fit no other API, so another API is sold as a whole.
  const priceSats = written ?? (originUrl !== undefined && hasSampleRoutes(gateway) ? '1' : undefined);
  const furtherSecrets = pickSecrets(gateway, environment);
  const config = readConfig(gateway, {
    ...furtherSecrets,
    ...(origin === 'configured' ? {} : { ORIGIN_URL: originUrl ?? SAMPLE_STAND_IN }),
    ...(priceSats === undefined ? {} : { PRICE_SATS: priceSats }),
    BRIDGE_URL: 'http://127.0.0.1',
    NETWORK: 'regtest',
    TOKEN_SECRET_1: secrets.tokenSecretHex,
    BRIDGE_SECRET: secrets.bridgeSecretHex,
  });
  if (!config.ok) return config;
  const elsewhere = findElsewhere(config.value);
  if (elsewhere.length > 0) return refuse(elsewhere);
  const originName = origin === 'sample' ? undefined : nameOrigins(config.value);
  const { warnings } = config.value;
  const isSample = origin === 'sample' && hasSampleRoutes(gateway);
  return accept({ origin, isSample, priceSats, furtherSecrets, originName, call: suggestCall(config.value), warnings });
}

/** Reads the secrets that the file names from variables of the same names. */
function pickSecrets(gateway: unknown, environment: Environment): Readonly<Record<string, string>> {
  const names = ['PRICING_SECRET', ...namedSecrets(gateway)];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[name];
      return value === undefined || value === '' ? [] : [[name, value]];
    }),
  );
}

/** Finds features that only Cloudflare has: here each request would be answered 404 or 500. */
function findElsewhere({ settings, pricing }: Config): readonly string[] {
  const kinds = new Set(settings.routes.routes.map(({ upstream }) => upstream?.origin.kind));
  const places = [...(kinds.has('same_zone') ? ["'same-zone' works"] : []), ...(kinds.has('service') ? ['a service binding exists'] : [])];
  return [
    ...places.map((place) => `gateway.config.ts: origin: ${place} only on Cloudflare; to run here, use a URL or set ORIGIN_URL`),
    ...pricing.bindings.map(
      (name) => `gateway.config.ts: price: the service binding ${name} exists only on Cloudflare; to run here, use a URL`,
    ),
  ];
}

function nameOrigins({ settings }: Config): string {
  const names = settings.routes.routes.flatMap(({ upstream }) =>
    upstream?.origin.kind === 'url' ? [`${upstream.origin.base}${upstream.origin.prefix}`] : [],
  );
  return [...new Set(names)].join(', ');
}

/** Returns the first call that is sold, preferably at a fixed price: others need input that decides the price. */
function suggestCall({ settings }: Config): SuggestedCall {
  const sold = settings.routes.routes.filter(({ sale, host, headers }) => sale.kind === 'paid' && host === undefined && headers.size === 0);
  const route = sold.find(({ sale }) => sale.kind === 'paid' && sale.price.kind === 'fixed') ?? sold[0];
  if (route === undefined) return { method: 'GET', path: '/' };
  const [path, method = '*'] = route.match.split(' ').toReversed() as [string, string?];
  const query = new URLSearchParams([...route.parameters]).toString();
  const example = path === '/*' ? '/' : path.replaceAll('/:', '/').replace(/\/\*$/, '/example');
  return { method: method === '*' ? 'GET' : method, path: query === '' ? example : `${example}?${query}` };
}
