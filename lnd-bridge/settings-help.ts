/*
 * The text of `npm run bridge -- --help`: every setting with its default. A test compares it with the schemas. Pure data.
 */

/** Name, default (empty: none) and meaning of each setting of the bridge itself. */
export const SETTINGS_HELP: readonly (readonly [name: string, standard: string, meaning: string])[] = [
  ['BRIDGE_SECRET', '', 'secret shared with the gateway, hex, at least 32 bytes (openssl rand -hex 32); needed'],
  ['BRIDGE_KEY_ID', 'k1', 'name of that key; the gateway names the key it signed with'],
  ['BRIDGE_PREVIOUS_SECRET', '', 'the key before this one, while keys are being changed'],
  ['BRIDGE_PREVIOUS_KEY_ID', '', 'name of that key'],
  ['BRIDGE_HOST', '127.0.0.1', 'address to listen on'],
  ['BRIDGE_PORT', '8404', 'port to listen on; 0 takes any free one'],
  ['BRIDGE_NETWORK', 'regtest', 'mainnet, testnet, signet, regtest or simnet; a node of another one is refused'],
  [
    'BRIDGE_PREIMAGE_SECRET',
    '',
    'where preimages of LND and Eclair come from, hex, at least 32 bytes; as secret as the money of open invoices',
  ],
  ['BRIDGE_STRICT', 'false', 'refuse to start with a credential that could spend'],
  ['BRIDGE_MAX_BODY_BYTES', '16384', 'largest request body'],
  ['BRIDGE_MAX_REQUESTS_PER_SECOND', '500', 'signed requests a second'],
  ['BRIDGE_MAX_MINTS_PER_SECOND', 'as requests', 'invoices a second, over all nodes'],
  ['BRIDGE_MAX_SKEW_SECONDS', '60', 'how far clocks of gateway, bridge and node may differ'],
  ['BRIDGE_QUEUE_CAPACITY', '256', 'calls that may wait for one node; beyond it 503'],
  ['BRIDGE_GATEWAY_URL', '', 'lnd, cln, embedded: pushes payments to this gateway, which has settlementFeed set'],
  ['BRIDGE_METRICS_TOKEN', '', 'bearer token for GET /metrics; without it there is none'],
  ['BRIDGE_EMBEDDED_PAY_PORT', '8405', 'embedded node only: port of its wallet'],
  ['BRIDGE_EMBEDDED_PAY_TOKEN', 'made at start', 'embedded node only: token of its wallet'],
  ['BRIDGE_EMBEDDED_NODE_KEY', 'made at start', 'embedded node only: key that signs its invoices, 32 bytes of hex'],
];

/** The same for each real node, without the prefix. */
export const NODE_SETTINGS_HELP: readonly (readonly [name: string, standard: string, meaning: string])[] = [
  ['NAME', 'its kind', 'name in log, metrics and health'],
  ['CONNECT', '', 'lnd: lndconnect://…; cln: clnrest+https://…; what is set beside it wins'],
  ['URL', '', 'address of the REST interface, https:// or on this machine'],
  ['CERT', '', 'certificate to trust, PEM or DER in base64; without a pin a public authority must vouch'],
  ['CERT_SHA256', '', 'the same by fingerprint'],
  ['PLAINTEXT', '', 'allow: plain http:// to another machine'],
  ['MACAROON', '', 'lnd: macaroon in hex (the file may hold its bytes)'],
  ['RUNE', '', 'cln: the rune'],
  ['PASSWORD', '', 'eclair, phoenixd: the password; for phoenixd the limited one'],
  ['PUBKEY', 'asked', 'public key of the node; needed when the credential may not ask for it'],
  ['PRIVATE_HINTS', 'false', 'lnd, cln: hints to private channels in each invoice'],
  ['SETTLEMENT', 'preimage', 'strict: the gateway asks whether an invoice is settled before it believes a preimage'],
  ['TIMEOUT_MS', '4000', 'time limit of one call to the node'],
  ['CONCURRENCY', '16', 'calls to the node at once'],
];

/** Formats the whole help text. */
export function formatHelp(): string {
  const rows = (help: typeof SETTINGS_HELP, prefix: string): string[] =>
    help.map(([name, standard, meaning]) => `  ${(prefix + name).padEnd(32)} ${meaning}${standard === '' ? '' : ` [${standard}]`}`);
  return [
    'Usage: npm run bridge -- [check] [--config FILE] [--help]',
    '',
    'Makes Lightning invoices for the gateway. Without a command it serves; `check` looks every node over, mints an invoice',
    'over one satoshi at each, says in words what is wrong, and ends with 0 (all well), 1 (a node has a problem) or 2 (settings).',
    '',
    'Settings are environment variables, or the same names in a JSON file given with --config; the environment wins.',
    'Secrets, macaroons, runes, passwords, tokens, certificates and connection strings may stand in a file of their own: NAME_FILE.',
    '',
    ...rows(SETTINGS_HELP, ''),
    '',
    `  ${'BRIDGE_NODE'.padEnd(32)} embedded (a stand-in, no money moves), lnd, cln, eclair or phoenixd [embedded]`,
    ...rows(NODE_SETTINGS_HELP, 'BRIDGE_NODE_'),
    '',
    '  Further nodes, asked when those before them cannot: BRIDGE_NODE2 to BRIDGE_NODE4, each with the same settings',
    '  (BRIDGE_NODE2_URL and so on).',
  ].join('\n');
}
