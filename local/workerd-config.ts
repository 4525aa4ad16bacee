/*
 * The text of a workerd configuration: one or more gateways from a built bundle, Durable Objects on disk, secrets only from
 * the environment. A self-hosted gateway runs with this. Pure.
 */
import { OBJECTS } from '#durable-objects/object-table.ts';

export interface GatewayService {
  readonly name: string;
  /** The built Worker, relative to the configuration file. */
  readonly bundlePath: string;
  /** Plain settings. */
  readonly variables: Readonly<Record<string, string>>;
  /** Maps a binding to the environment variable of the workerd process that holds the secret. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Another gateway of the same process whose Durable Objects this one shares. Default: its own. */
  readonly claimsOf?: string;
  /** Service bindings: binding to the name of another service of this process. */
  readonly services?: Readonly<Record<string, string>>;
  /** The host and port to which everything that this Worker fetches goes, whatever its URL: the zone in front of which it runs. */
  readonly outbound?: string;
}

/** Of every Worker that is run here; as in wrangler.toml. */
export const COMPATIBILITY_DATE = '2026-11-01';

/** Returns the name of a gateway's socket on workerd's command line. */
export function socketName(gateway: string): string {
  return `${gateway}-http`;
}

/** Name of the disk service that holds Durable Objects, for `--directory-path`. */
export const CLAIM_DISK = 'claims-disk';

/** Formats the configuration for these gateways. */
export function formatWorkerdConfig(gateways: readonly GatewayService[]): string {
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    ${[
      ...gateways.map(({ name }) => `(name = ${quote(name)}, worker = .${name})`),
      ...gateways.flatMap(({ name, outbound }) =>
        outbound === undefined ? [] : [`(name = ${quote(`${name}-outbound`)}, external = (address = ${quote(outbound)}, http = ()))`],
      ),
      `(name = ${quote(CLAIM_DISK)}, disk = (writable = true))`,
      // The origin and the bridge of a self-hosted gateway run next to it, on private addresses.
      `(name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true)))`,
    ].join(',\n    ')}
  ],
  sockets = [
    ${gateways.map(({ name }) => `(name = ${quote(socketName(name))}, http = (), service = ${quote(name)})`).join(',\n    ')}
  ]
);
${gateways.map(formatWorker).join('')}`;
}

function formatWorker({ name, bundlePath, variables, secrets, claimsOf, services = {}, outbound }: GatewayService): string {
  const classOf = (name: string) =>
    claimsOf === undefined ? quote(name) : `(className = ${quote(name)}, serviceName = ${quote(claimsOf)})`;
  const bindings = [
    ...Object.entries(OBJECTS).map(([binding, object]) => `(name = ${quote(binding)}, durableObjectNamespace = ${classOf(object)})`),
    ...Object.entries(variables).map(([key, value]) => `(name = ${quote(key)}, text = ${quote(value)})`),
    ...Object.entries(secrets).map(([key, variable]) => `(name = ${quote(key)}, fromEnvironment = ${quote(variable)})`),
    ...Object.entries(services).map(([key, service]) => `(name = ${quote(key)}, service = ${quote(service)})`),
  ];
  const globalOutbound = outbound === undefined ? '' : `,\n  globalOutbound = ${quote(`${name}-outbound`)}`;
  // The unique key names the folder of the rows: another key would be another, empty, replay set.
  const classes = Object.values(OBJECTS).map(
    (object) => `(className = ${quote(object)}, uniqueKey = ${quote(`${name}-${object}-v1`)}, enableSql = true)`,
  );
  const namespace =
    claimsOf === undefined
      ? `,
  durableObjectNamespaces = [${classes.join(', ')}],
  durableObjectStorage = (localDisk = ${quote(CLAIM_DISK)})`
      : '';
  return `
const ${name} :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed ${quote(bundlePath)})],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  compatibilityFlags = ["enable_request_signal"],
  bindings = [
    ${bindings.join(',\n    ')}
  ]${namespace}${globalOutbound}
);
`;
}

function quote(text: string): string {
  // For the values used here, Cap'n Proto text literals have the same escapes as JSON.
  return JSON.stringify(text);
}
