/*
 * The text of `npm run bridge -- --help`: every setting with its default. A test compares it with the schemas. Pure data.
 */

/** Name, default (empty: none) and meaning of each setting of the bridge itself. */
export const SETTINGS_HELP: readonly (readonly [name: string, standard: string, meaning: string])[] = [
  ['BRIDGE_SECRET', '', 'required; secret shared with the gateway, hex, at least 32 bytes (openssl rand -hex 32)'],
  ['BRIDGE_KEY_ID', 'k1', 'id of BRIDGE_SECRET; the gateway sends the id of the key it signed with'],
  ['BRIDGE_PREVIOUS_SECRET', '', 'previous BRIDGE_SECRET, still accepted during a key change'],
  ['BRIDGE_PREVIOUS_KEY_ID', '', 'id of the previous key'],
  ['BRIDGE_HOST', '127.0.0.1', 'address to listen on'],
  ['BRIDGE_PORT', '8404', 'port to listen on; 0 takes any free one'],
  ['BRIDGE_NETWORK', 'regtest', 'mainnet, testnet, signet, regtest or simnet; a node on another network is refused'],
  [
    'BRIDGE_PREIMAGE_SECRET',
    '',
    'LND, Eclair: seed of invoice preimages, hex, at least 32 bytes; whoever has it can derive those of open invoices',
  ],
  ['BRIDGE_STRICT', 'false', 'refuse to start with a credential that could spend'],
  ['BRIDGE_MAX_BODY_BYTES', '16384', 'largest request body, in bytes'],
  ['BRIDGE_MAX_REQUESTS_PER_SECOND', '500', 'signed requests a second'],
  ['BRIDGE_MAX_MINTS_PER_SECOND', 'same as requests', 'invoices a second, over all nodes'],
  ['BRIDGE_MAX_SKEW_SECONDS', '60', 'how far clocks of gateway, bridge and node may differ'],
  ['BRIDGE_QUEUE_CAPACITY', '256', 'most calls waiting for one node; further ones get 503'],
  ['BRIDGE_GATEWAY_URL', '', 'lnd, cln, embedded: gateway URL to push payments to (it needs settlementFeed: true)'],
  ['BRIDGE_METRICS_TOKEN', '', 'bearer token for GET /metrics; without it /metrics does not exist'],
  ['BRIDGE_EMBEDDED_PAY_PORT', '8405', 'embedded node only: port of its wallet'],
  ['BRIDGE_EMBEDDED_PAY_TOKEN', 'generated at start', 'embedded node only: token of its wallet'],
  ['BRIDGE_EMBEDDED_NODE_KEY', 'generated at start', 'embedded node only: key that signs its invoices, 32 bytes of hex'],
];

/** The same for each real node, without the prefix. */
export const NODE_SETTINGS_HELP: readonly (readonly [name: string, standard: string, meaning: string])[] = [
  ['NAME', 'its kind', 'name in log, metrics and health'],
  ['CONNECT', '', 'lnd: lndconnect://…; cln: clnrest+https://…; separate settings override its parts'],
  ['URL', '', 'address of the REST interface, https:// or on this machine'],
  ['CERT', '', 'certificate to trust, PEM or DER in base64; without a pin, a public CA must have signed it'],
  ['CERT_SHA256', '', 'SHA-256 fingerprint of the certificate to trust'],
  ['PLAINTEXT', '', 'set to "allow" to permit http:// to another machine'],
  ['MACAROON', '', 'lnd: macaroon in hex (MACAROON_FILE may be the binary file)'],
  ['RUNE', '', 'cln: the rune'],
  ['PASSWORD', '', 'eclair, phoenixd: the password; for phoenixd the limited one'],
  ['PUBKEY', 'read from the node', 'public key of the node; required if the credential cannot read it'],
  ['PRIVATE_HINTS', 'false', 'lnd, cln: hints to private channels in each invoice'],
  ['SETTLEMENT', 'preimage', 'strict: a preimage is no proof; the gateway asks whether the invoice is settled'],
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
    'Makes Lightning invoices for the gateway. Without a command it serves; `check` inspects every node, makes a',
    '1-satoshi invoice on each sound one, and reports problems. Exit codes: 0 no problem, 1 a node has a problem, 2 wrong settings',
    'or command.',
    '',
    'Settings are environment variables, or the same names in a JSON file given with --config; the environment wins.',
    'Secrets, macaroons, runes, passwords, tokens, certificates and connection strings can be read from a',
    'file: set NAME_FILE to its path.',
    '',
    ...rows(SETTINGS_HELP, ''),
    '',
    `  ${'BRIDGE_NODE'.padEnd(32)} embedded (a stand-in, no money moves), lnd, cln, eclair or phoenixd [embedded]`,
    ...rows(NODE_SETTINGS_HELP, 'BRIDGE_NODE_'),
    '',
    '  Fallback nodes, used when the previous ones are unavailable: BRIDGE_NODE2 to BRIDGE_NODE4, each with the same',
    '  settings (BRIDGE_NODE2_URL and so on).',
  ].join('\n');
}
