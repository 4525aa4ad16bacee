/*
 * The settings of the bridge's process: name, default, unit and range of each, read from environment variables.
 * Strict: an unknown BRIDGE_ name is an error, and all problems are told at once, by name and never with a value.
 * No secret has a default. No effects; the environment is passed in.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import * as z from 'zod';
import { parseHex } from '#protocol/bytes.ts';
import { NETWORKS, type Network } from '#protocol/invoice.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type BridgeKey } from './request-auth.ts';

export interface BridgeConfig {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  /** The current key, and the previous one while keys are being changed. */
  readonly keys: readonly BridgeKey[];
  readonly network: Network;
  readonly node: 'embedded';
  readonly embedded: {
    readonly payPort: number;
    /** Left out: made at start. */
    readonly nodeKey: Uint8Array | undefined;
    readonly payToken: string | undefined;
  };
  readonly maxBodyBytes: number;
  readonly maxRequestsPerSecond: number;
  readonly maxSkewSeconds: number;
}

export interface ConfigProblem {
  readonly key: string;
  readonly reason: string;
}

const DEFAULT_KEY_ID = 'k1';
const DEFAULT_PORT = 8404;
const DEFAULT_PAY_PORT = 8405;

const host = text(/^[A-Za-z0-9.:-]{1,253}$/, 'must be an address or a host name');
const keyId = text(/^[a-z0-9-]{1,32}$/, 'must be 1 to 32 characters of a-z, 0-9 and "-"');
const secret = bytes(/^(?:[0-9a-fA-F]{2}){32,128}$/, 'must be hex of at least 32 bytes (make one: openssl rand -hex 32)');
const nodeKey = bytes(/^[0-9a-fA-F]{64}$/, 'must be 32 bytes of hex').refine(
  secp256k1.utils.isValidSecretKey,
  'must be a key of secp256k1',
);

const Environment = z.strictObject({
  BRIDGE_HOST: host.default('127.0.0.1'),
  BRIDGE_PORT: integer(0, 65_535).default(DEFAULT_PORT),
  BRIDGE_KEY_ID: keyId.default(DEFAULT_KEY_ID),
  BRIDGE_SECRET: secret,
  BRIDGE_PREVIOUS_KEY_ID: keyId.optional(),
  BRIDGE_PREVIOUS_SECRET: secret.optional(),
  BRIDGE_NETWORK: z.enum(NETWORKS, `must be one of: ${NETWORKS.join(', ')}`).default('regtest'),
  BRIDGE_NODE: z.enum(['embedded'], 'must be: embedded').default('embedded'),
  BRIDGE_EMBEDDED_PAY_PORT: integer(0, 65_535).default(DEFAULT_PAY_PORT),
  BRIDGE_EMBEDDED_NODE_KEY: nodeKey.optional(),
  BRIDGE_EMBEDDED_PAY_TOKEN: text(/^[A-Za-z0-9_-]{32,256}$/, 'must be 32 to 256 characters of A-Z, a-z, 0-9, "-" and "_"').optional(),
  BRIDGE_MAX_BODY_BYTES: integer(256, 1_048_576).default(16_384),
  BRIDGE_MAX_REQUESTS_PER_SECOND: integer(1, 100_000).default(500),
  BRIDGE_MAX_SKEW_SECONDS: integer(1, 300).default(60),
});

/** Reads the settings, or says everything that is wrong with them. Names without the prefix are none of ours. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Result<BridgeConfig, readonly ConfigProblem[]> {
  const ours = Object.fromEntries(Object.entries(environment).filter(([key, value]) => key.startsWith('BRIDGE_') && value !== undefined));
  const parsed = Environment.safeParse(ours);
  const problems = [...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => tellIssue(issue, ours))), ...findConflicts(ours)];
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
    node: read.BRIDGE_NODE,
    embedded: {
      payPort: read.BRIDGE_EMBEDDED_PAY_PORT,
      nodeKey: read.BRIDGE_EMBEDDED_NODE_KEY,
      payToken: read.BRIDGE_EMBEDDED_PAY_TOKEN,
    },
    maxBodyBytes: read.BRIDGE_MAX_BODY_BYTES,
    maxRequestsPerSecond: read.BRIDGE_MAX_REQUESTS_PER_SECOND,
    maxSkewSeconds: read.BRIDGE_MAX_SKEW_SECONDS,
  });
}

/** What is wrong between settings. Read from the raw texts, so that it is told together with what is wrong in each. */
function findConflicts(raw: Readonly<Record<string, string | undefined>>): ConfigProblem[] {
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
  if (port !== '0' && port === (raw['BRIDGE_EMBEDDED_PAY_PORT'] ?? String(DEFAULT_PAY_PORT))) {
    problems.push({ key: 'BRIDGE_EMBEDDED_PAY_PORT', reason: 'must differ from BRIDGE_PORT' });
  }
  const node = raw['BRIDGE_NODE'] ?? 'embedded';
  if (node === 'embedded' && raw['BRIDGE_NETWORK'] !== undefined && raw['BRIDGE_NETWORK'] !== 'regtest') {
    problems.push({ key: 'BRIDGE_NETWORK', reason: 'must be regtest for the embedded node, which moves no money' });
  }
  return problems;
}

function tellIssue(issue: z.core.$ZodIssue, raw: Readonly<Record<string, string | undefined>>): ConfigProblem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ key, reason: 'is not a setting of the bridge' }));
  const key = String(issue.path[0]);
  return [{ key, reason: raw[key] === undefined ? `is missing: ${issue.message}` : issue.message }];
}

function text(pattern: RegExp, reason: string): z.ZodString {
  return z.string(reason).regex(pattern, reason);
}

function bytes(pattern: RegExp, reason: string): z.ZodPipe<z.ZodString, z.ZodTransform<Uint8Array, string>> {
  // The pattern has passed, or the transform is not reached.
  return text(pattern, reason).transform((hex) => parseHex(hex)!);
}

function integer(smallest: number, largest: number): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  const reason = `must be a whole number from ${smallest} to ${largest}`;
  const inRange = (digits: string): boolean => Number(digits) >= smallest && Number(digits) <= largest;
  return text(/^(?:0|[1-9][0-9]{0,9})$/, reason)
    .refine(inRange, reason)
    .transform(Number);
}
