/*
 * The settings of real nodes: `BRIDGE_NODE=lnd` with `BRIDGE_NODE_URL` and so on for the first, `BRIDGE_NODE2=…` to
 * `BRIDGE_NODE4=…` for those that are asked if the previous ones fail. One schema per kind, so that a setting of another kind
 * is an error. Pure.
 */
import * as z from 'zod';
import { parseBase64, parseHex } from '#protocol/bytes.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { readClnrest, readLndConnect } from './connection-strings.ts';
import { type NodeSettings } from './nodes/open-node.ts';
import { readCertificates, readFingerprint, type TlsPin } from './nodes/tls-pin.ts';
import { bytes, type ConfigProblem, flag, integer, type RawSettings, tellIssue, text } from './setting-types.ts';

export const NODE_KINDS = ['embedded', 'lnd', 'cln', 'eclair', 'phoenixd'] as const;
type RealKind = NodeSettings['kind'];

/** `BRIDGE_NODE` and `BRIDGE_NODE2` to `BRIDGE_NODE4`, each with its own settings after an underscore. */
const NODE_SETTING = /^(BRIDGE_NODE[2-4]?)(?:_([A-Z][A-Z0-9_]*))?$/;
const MEMBERS = ['BRIDGE_NODE', 'BRIDGE_NODE2', 'BRIDGE_NODE3', 'BRIDGE_NODE4'] as const;

const LARGEST_CERTIFICATE = 65_536;

const certificates = z
  .string()
  .max(LARGEST_CERTIFICATE, 'is too large for a certificate')
  .transform((value, context): TlsPin => {
    // DER starts with the byte 30, so its base64 starts with "M", and hex never does.
    const der = value.includes('-----BEGIN') ? undefined : (parseHex(value.trim()) ?? parseBase64(value.trim()));
    const pin = readCertificates(der ?? value);
    if (pin !== undefined) return pin;
    context.addIssue('must be a certificate: PEM, or DER in base64 or hex');
    return z.NEVER;
  });
const fingerprint = z.string().transform((value, context): TlsPin => {
  const pin = readFingerprint(value);
  if (pin !== undefined) return pin;
  context.addIssue('must be the SHA-256 of a certificate, 32 bytes in hex (openssl x509 -noout -fingerprint -sha256)');
  return z.NEVER;
});
const url = z.string().refine(isAddress, 'must be like https://host:port, without user, query or fragment');
const password = text(/^[\x21-\x7e]{1,512}$/, 'must be 1 to 512 printable characters');

/** Settings of every real node. */
const common = {
  NAME: text(/^[a-z0-9-]{1,32}$/, 'must be 1 to 32 characters of a-z, 0-9 and "-"').optional(),
  URL: url,
  CERT: certificates.optional(),
  CERT_SHA256: fingerprint.optional(),
  PLAINTEXT: z.enum(['allow'], 'must be: allow').optional(),
  PUBKEY: text(/^0[23][0-9a-f]{64}$/, 'must be a public key: 33 bytes in lower-case hex').optional(),
  SETTLEMENT: z.enum(['strict', 'preimage'], 'must be strict or preimage').default('preimage'),
  TIMEOUT_MS: integer(100, 60_000).default(4000),
  CONCURRENCY: integer(1, 256).default(16),
};
const Common = z.object(common);

/** The settings of each kind, without their prefix. */
export const NODE_SETTINGS = {
  lnd: z.strictObject({
    ...common,
    MACAROON: bytes(/^(?:[0-9a-fA-F]{2}){32,4096}$/, 'must be a macaroon in hex').transform((macaroon) =>
      Buffer.from(macaroon).toString('hex'),
    ),
    PRIVATE_HINTS: flag().default(false),
  }),
  cln: z.strictObject({
    ...common,
    RUNE: text(/^[A-Za-z0-9_=-]{44,8192}$/, 'must be a rune: 44 or more characters of A-Z, a-z, 0-9, "-", "_" and "="'),
    PRIVATE_HINTS: flag().default(false),
  }),
  eclair: z.strictObject({ ...common, PASSWORD: password }),
  phoenixd: z.strictObject({ ...common, PASSWORD: password }),
} as const;

/** The parsers of connection strings; `undefined` for kinds that have none. */
const CONNECTIONS = { lnd: readLndConnect, cln: readClnrest, eclair: undefined, phoenixd: undefined } as const;

export interface ReadNodes {
  /** Empty for the embedded node. */
  readonly nodes: readonly NodeSettings[];
  readonly problems: readonly ConfigProblem[];
}

/** Whether this name belongs to a node's settings. */
export function isNodeSetting(key: string): boolean {
  return NODE_SETTING.test(key);
}

/** Reads the real nodes in their order, and all problems with them. */
export function readNodes(raw: RawSettings, { preimageSecret }: { preimageSecret: Uint8Array | undefined }): ReadNodes {
  const problems: ConfigProblem[] = [];
  const nodes: NodeSettings[] = [];
  for (const member of MEMBERS) {
    const own = pickOwn(raw, member);
    const kind = raw[member] ?? (member === 'BRIDGE_NODE' ? 'embedded' : undefined);
    if (kind === undefined) {
      problems.push(...Object.keys(own).map((key) => ({ key: `${member}_${key}`, reason: `needs ${member}, the kind of the node` })));
      continue;
    }
    if (!isKind(kind)) {
      problems.push({ key: member, reason: `must be one of: ${NODE_KINDS.join(', ')}` });
      continue;
    }
    if (kind === 'embedded') {
      if (member !== 'BRIDGE_NODE') problems.push({ key: member, reason: 'must be a real node: the embedded one stands alone' });
      problems.push(...Object.keys(own).map((key) => ({ key: `${member}_${key}`, reason: 'is not a setting of the embedded node' })));
      continue;
    }
    const read = readNode(kind, { member, own, preimageSecret });
    if (read.ok) nodes.push(read.value);
    else problems.push(...read.refusal);
  }
  return { nodes, problems: [...problems, ...findClashes(raw, nodes)] };
}

interface NodeText {
  readonly member: string;
  readonly own: RawSettings;
  readonly preimageSecret: Uint8Array | undefined;
}

function readNode(kind: RealKind, text: NodeText): Result<NodeSettings, readonly ConfigProblem[]> {
  const { member, own, preimageSecret } = text;
  const expanded = expandConnection(kind, { member, own });
  if (!expanded.ok) return expanded;
  const raw = expanded.value;

  function read<Schema extends z.ZodType>(schema: Schema, pick: (values: z.infer<Schema>) => NodeSettings): ReturnType<typeof readNode> {
    const parsed = schema.safeParse(raw);
    const issues = parsed.success ? [] : parsed.error.issues.flatMap((issue) => tellIssue(issue, { raw, prefix: `${member}_` }));
    const problems = [...issues, ...findTlsProblems(raw, member), ...findMissingSecret(kind, preimageSecret)];
    return parsed.success && problems.length === 0 ? accept(pick(parsed.data)) : refuse(problems);
  }

  const pickCommon = (values: z.infer<typeof Common>) => ({
    name: values.NAME ?? (member === 'BRIDGE_NODE' ? kind : `${kind}-${member.slice(-1)}`),
    url: values.URL.replace(/\/$/, ''),
    pin: values.CERT ?? values.CERT_SHA256,
    statedKeyHex: values.PUBKEY,
    settlement: values.SETTLEMENT,
    timeoutMs: values.TIMEOUT_MS,
    concurrency: values.CONCURRENCY,
  });
  // A missing secret that is needed is one of the problems, so this default is never used.
  const derive = { preimageSecret: preimageSecret ?? new Uint8Array() };
  switch (kind) {
    case 'lnd':
      return read(NODE_SETTINGS.lnd, (values) => {
        return { ...pickCommon(values), ...derive, kind, macaroonHex: values.MACAROON, privateHints: values.PRIVATE_HINTS };
      });
    case 'cln':
      return read(NODE_SETTINGS.cln, (values) => ({ ...pickCommon(values), kind, rune: values.RUNE, privateHints: values.PRIVATE_HINTS }));
    case 'eclair':
      return read(NODE_SETTINGS.eclair, (values) => ({ ...pickCommon(values), ...derive, kind, password: values.PASSWORD }));
    case 'phoenixd':
      return read(NODE_SETTINGS.phoenixd, (values) => ({ ...pickCommon(values), kind, password: values.PASSWORD }));
  }
}

function findMissingSecret(kind: RealKind, preimageSecret: Uint8Array | undefined): ConfigProblem[] {
  if (preimageSecret !== undefined || (kind !== 'lnd' && kind !== 'eclair')) return [];
  return [{ key: 'BRIDGE_PREIMAGE_SECRET', reason: `is missing: ${kind} needs it, so that a repeated order finds its invoice again` }];
}

/** Expands a connection string; separate settings override it. */
function expandConnection(
  kind: RealKind,
  { member, own }: Pick<NodeText, 'member' | 'own'>,
): Result<RawSettings, readonly ConfigProblem[]> {
  const { CONNECT: connection, ...rest } = own;
  const read = CONNECTIONS[kind];
  if (connection === undefined) return accept(rest);
  if (read === undefined) return refuse([{ key: `${member}_CONNECT`, reason: `is not a setting of ${kind}` }]);
  const expanded = read(connection);
  if (!expanded.ok) return refuse([{ key: `${member}_CONNECT`, reason: expanded.refusal }]);
  if (expanded.value['URL'] === undefined && rest['URL'] === undefined) {
    const reason = 'is missing: the connection string names the gRPC port, and the bridge needs the REST address';
    return refuse([{ key: `${member}_URL`, reason }]);
  }
  return accept({ ...expanded.value, ...rest });
}

/** A credential is sent with each call, so plain HTTP is only for this machine, unless the operator allows it. */
function findTlsProblems(raw: RawSettings, member: string): ConfigProblem[] {
  if (!isAddress(raw['URL'] ?? '')) return [];
  const { protocol, hostname } = new URL(raw['URL']!);
  const pins = ['CERT', 'CERT_SHA256'].filter((key) => raw[key] !== undefined);
  if (pins.length > 1) return [{ key: `${member}_CERT_SHA256`, reason: `is one pin too many beside ${member}_CERT` }];
  if (protocol === 'https:') return [];
  if (pins.length > 0) return [{ key: `${member}_${pins[0]}`, reason: 'needs an address with https://' }];
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(hostname);
  return isLoopback || raw['PLAINTEXT'] === 'allow'
    ? []
    : [
        {
          key: `${member}_URL`,
          reason: `must be https:// or on this machine (or ${member}_PLAINTEXT=allow, when nobody else is on that network)`,
        },
      ];
}

function findClashes(raw: RawSettings, nodes: readonly NodeSettings[]): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const names = nodes.map(({ name }) => name);
  if (new Set(names).size < names.length) problems.push({ key: 'BRIDGE_NODE2_NAME', reason: 'must be unique among the nodes' });
  const hasReal = MEMBERS.slice(1).some((member) => raw[member] !== undefined);
  if (hasReal && (raw['BRIDGE_NODE'] ?? 'embedded') === 'embedded') {
    problems.push({ key: 'BRIDGE_NODE', reason: 'must be a real node when there are others: the embedded one stands alone' });
  }
  return problems;
}

function pickOwn(raw: RawSettings, member: string): RawSettings {
  const own = Object.entries(raw).flatMap(([key, value]) => {
    const [, prefix, name] = NODE_SETTING.exec(key) ?? [];
    return prefix === member && name !== undefined ? [[name, value] as const] : [];
  });
  return Object.fromEntries(own);
}

function isKind(word: string): word is (typeof NODE_KINDS)[number] {
  return (NODE_KINDS as readonly string[]).includes(word);
}

function isAddress(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password: secretPart, search, hash } = new URL(value);
  return /^https?:$/.test(protocol) && [username, secretPart, search, hash].every((part) => part === '');
}
