/*
 * The text of a workerd configuration: one or more gateways from a built bundle, Durable Objects on disk, secrets from the
 * environment only. What a self-hoster runs is this. No effects.
 */
import { OBJECTS } from '#durable-objects/object-table.ts';

export interface GatewayService {
  readonly name: string;
  /** The built Worker, as the configuration file sees it. */
  readonly bundlePath: string;
  /** Plain settings. */
  readonly variables: Readonly<Record<string, string>>;
  /** Binding to the environment variable of the workerd process that holds the secret. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Another gateway of the same process whose Durable Objects this one shares; its own if left out. */
  readonly claimsOf?: string;
  /** Service bindings: binding to the name of another service of this process. */
  readonly services?: Readonly<Record<string, string>>;
  /** Everything that this Worker fetches goes to this host and port, whatever its address: the zone it stands in front of. */
  readonly outbound?: string;
}

/** Of every Worker that is run here; as in wrangler.toml. */
export const COMPATIBILITY_DATE = '2026-11-01';

/** Names the socket of a gateway on workerd's command line. */
export function socketName(gateway: string): string {
  return `${gateway}-http`;
}

/** Name of the disk service that holds Durable Objects, for `--directory-path`. */
export const CLAIM_DISK = 'claims-disk';

/** The configuration for these gateways. */
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
      // The origin and the bridge of a self-hosted gateway stand beside it, on private addresses.
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
  // Cap'n Proto text literals take the escapes of JSON for what can occur here.
  return JSON.stringify(text);
}
