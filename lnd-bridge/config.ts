/*
 * The settings of the bridge's process: name, default, unit and range of each, read from environment variables. Strict: an
 * unknown BRIDGE_ name is an error, and all problems are listed at once, by name and never with a value. No secret has a
 * default. Pure; the environment is passed in.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import * as z from 'zod';
import { NETWORKS, type Network } from '#protocol/invoice.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { isNodeSetting, readNodes } from './node-config.ts';
import { type NodeSettings } from './nodes/open-node.ts';
import { type BridgeKey } from './request-auth.ts';
import { bytes, type ConfigProblem, flag, integer, type RawSettings, secret, tellIssue, text } from './setting-types.ts';

export interface BridgeConfig {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The current key, and the previous one during a key change. */
  readonly keys: readonly BridgeKey[];
  readonly network: Network;
  /** Real nodes, in the order in which they are asked; empty: the embedded node. */
  readonly nodes: readonly NodeSettings[];
  /** A credential that could spend prevents the start. */
  readonly strict: boolean;
  readonly embedded: {
    readonly payPort: number;
    /** `undefined`: created at start. */
    readonly nodeKey: Uint8Array | undefined;
    readonly payToken: string | undefined;
  };
  readonly maxBodyBytes: number;
  readonly maxRequestsPerSecond: number;
  readonly maxMintsPerSecond: number;
  readonly maxSkewSeconds: number;
  /** Most calls waiting for one node. */
  readonly queueCapacity: number;
  /** `undefined`: there is no `/metrics`. */
  readonly metricsToken: string | undefined;
  /** Where payments are pushed, without a trailing slash. `undefined`: no pushes. */
  readonly gatewayUrl: string | undefined;
}

export type { ConfigProblem };

const DEFAULT_KEY_ID = 'k1';
const DEFAULT_PORT = 8404;
const DEFAULT_PAY_PORT = 8405;

const host = text(/^[A-Za-z0-9.:-]{1,253}$/, 'must be an address or a host name');
const keyId = text(/^[a-z0-9-]{1,32}$/, 'must be 1 to 32 characters of a-z, 0-9 and "-"');
const nodeKey = bytes(/^[0-9a-fA-F]{64}$/, 'must be 32 bytes of hex').refine(
  secp256k1.utils.isValidSecretKey,
  'must be a key of secp256k1',
);

const token = text(/^[A-Za-z0-9_-]{32,256}$/, 'must be 32 to 256 characters of A-Z, a-z, 0-9, "-" and "_"');

const gatewayUrl = text(/^https?:\/\/[^/?#@\\\s]+\/?$/, 'must be an http or https address without path')
  .refine((value) => URL.canParse(value), 'must be an http or https address without path')
  .transform((value) => value.replace(/\/$/, ''));

/** Every setting except those of the nodes, by its name in the environment. */
export const SETTINGS = z.strictObject({
  BRIDGE_HOST: host.default('127.0.0.1'),
  BRIDGE_PORT: integer(0, 65_535).default(DEFAULT_PORT),
  BRIDGE_KEY_ID: keyId.default(DEFAULT_KEY_ID),
  BRIDGE_SECRET: secret,
  BRIDGE_PREVIOUS_KEY_ID: keyId.optional(),
  BRIDGE_PREVIOUS_SECRET: secret.optional(),
  BRIDGE_NETWORK: z.enum(NETWORKS, `must be one of: ${NETWORKS.join(', ')}`).default('regtest'),
  BRIDGE_PREIMAGE_SECRET: secret.optional(),
  BRIDGE_STRICT: flag().default(false),
  BRIDGE_EMBEDDED_PAY_PORT: integer(0, 65_535).default(DEFAULT_PAY_PORT),
  BRIDGE_EMBEDDED_NODE_KEY: nodeKey.optional(),
  BRIDGE_EMBEDDED_PAY_TOKEN: token.optional(),
  BRIDGE_MAX_BODY_BYTES: integer(256, 1_048_576).default(16_384),
  BRIDGE_MAX_REQUESTS_PER_SECOND: integer(1, 100_000).default(500),
  BRIDGE_MAX_MINTS_PER_SECOND: integer(1, 100_000).optional(),
  BRIDGE_MAX_SKEW_SECONDS: integer(1, 300).default(60),
  BRIDGE_QUEUE_CAPACITY: integer(0, 10_000).default(256),
  BRIDGE_METRICS_TOKEN: token.optional(),
  BRIDGE_GATEWAY_URL: gatewayUrl.optional(),
});

/** Reads the settings, or lists everything that is wrong with them. Ignores names without the prefix. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Result<BridgeConfig, readonly ConfigProblem[]> {
  const raw = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[0].startsWith('BRIDGE_') && entry[1] !== undefined),
  );
  const general = Object.fromEntries(Object.entries(raw).filter(([key]) => !isNodeSetting(key)));
  const parsed = SETTINGS.safeParse(general);
  const preimageSecret = secret.safeParse(raw['BRIDGE_PREIMAGE_SECRET']).data;
  const { nodes, problems: nodeProblems } = readNodes(raw, { preimageSecret });
  const problems = [
    ...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => tellIssue(issue, { raw }))),
    ...nodeProblems,
    ...findConflicts(raw),
  ].filter(isFirstOfItsKey);
  if (!parsed.success || problems.length > 0) return refuse(problems);
  const read = parsed.data;
  const previous =
    read.BRIDGE_PREVIOUS_KEY_ID !== undefined && read.BRIDGE_PREVIOUS_SECRET !== undefined
      ? [{ id: read.BRIDGE_PREVIOUS_KEY_ID, secret: read.BRIDGE_PREVIOUS_SECRET }]
      : [];
  return accept({
    host: read.BRIDGE_HOST,
    port: read.BRIDGE_PORT,
    keys: [{ id: read.BRIDGE_KEY_ID, secret: read.BRIDGE_SECRET }, ...previous],
    network: read.BRIDGE_NETWORK,
    nodes,
    strict: read.BRIDGE_STRICT,
    embedded: {
      payPort: read.BRIDGE_EMBEDDED_PAY_PORT,
      nodeKey: read.BRIDGE_EMBEDDED_NODE_KEY,
      payToken: read.BRIDGE_EMBEDDED_PAY_TOKEN,
    },
    maxBodyBytes: read.BRIDGE_MAX_BODY_BYTES,
    maxRequestsPerSecond: read.BRIDGE_MAX_REQUESTS_PER_SECOND,
    maxMintsPerSecond: read.BRIDGE_MAX_MINTS_PER_SECOND ?? read.BRIDGE_MAX_REQUESTS_PER_SECOND,
    maxSkewSeconds: read.BRIDGE_MAX_SKEW_SECONDS,
    queueCapacity: read.BRIDGE_QUEUE_CAPACITY,
    metricsToken: read.BRIDGE_METRICS_TOKEN,
    gatewayUrl: read.BRIDGE_GATEWAY_URL,
  });
}

/** Finds conflicts between settings. Reads the raw texts, so that they are reported together with the problems of each setting. */
function findConflicts(raw: RawSettings): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const previous = [raw['BRIDGE_PREVIOUS_KEY_ID'], raw['BRIDGE_PREVIOUS_SECRET']];
  if (previous.filter((value) => value !== undefined).length === 1) {
    const missing = previous[0] === undefined ? 'BRIDGE_PREVIOUS_KEY_ID' : 'BRIDGE_PREVIOUS_SECRET';
    problems.push({ key: missing, reason: 'is missing: the previous key needs both its id and its secret' });
  }
  if (raw['BRIDGE_PREVIOUS_KEY_ID'] === (raw['BRIDGE_KEY_ID'] ?? DEFAULT_KEY_ID)) {
    problems.push({ key: 'BRIDGE_PREVIOUS_KEY_ID', reason: 'must differ from BRIDGE_KEY_ID' });
  }
  const port = raw['BRIDGE_PORT'] ?? String(DEFAULT_PORT);
  const isEmbedded = (raw['BRIDGE_NODE'] ?? 'embedded') === 'embedded';
  if (isEmbedded && port !== '0' && port === (raw['BRIDGE_EMBEDDED_PAY_PORT'] ?? String(DEFAULT_PAY_PORT))) {
    problems.push({ key: 'BRIDGE_EMBEDDED_PAY_PORT', reason: 'must differ from BRIDGE_PORT' });
  }
  if (isEmbedded && raw['BRIDGE_NETWORK'] !== undefined && raw['BRIDGE_NETWORK'] !== 'regtest') {
    problems.push({ key: 'BRIDGE_NETWORK', reason: 'must be regtest for the embedded node, which moves no money' });
  }
  const kinds = Object.entries(raw).flatMap(([key, kind]) => (/^BRIDGE_NODE[2-4]?$/.test(key) ? [kind] : []));
  if (raw['BRIDGE_GATEWAY_URL'] !== undefined && kinds.length > 0 && kinds.every((kind) => kind === 'eclair' || kind === 'phoenixd')) {
    problems.push({
      key: 'BRIDGE_GATEWAY_URL',
      reason: 'has nothing to push: Eclair and phoenixd give their payments no number to go on from',
    });
  }
  const secrets = ['BRIDGE_SECRET', 'BRIDGE_PREVIOUS_SECRET', 'BRIDGE_PREIMAGE_SECRET'].flatMap((key) => raw[key]?.toLowerCase() ?? []);
  if (new Set(secrets).size < secrets.length)
    problems.push({ key: 'BRIDGE_PREIMAGE_SECRET', reason: 'must differ from the other secrets' });
  return problems;
}

function isFirstOfItsKey(problem: ConfigProblem, index: number, problems: readonly ConfigProblem[]): boolean {
  return problems.findIndex(({ key }) => key === problem.key) === index;
}
