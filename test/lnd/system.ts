/*
 * The whole way to a real node: our client with an LND wallet, gateways on raw workerd, the bridge as the process that
 * ships, a seller's LND behind it. Effects: processes, ports, a folder that is removed at the end.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createL402Fetch, type Fetch, type L402FetchOptions, type Wallet } from '#client/index.ts';
import { createLndWallet } from '#client/node/lnd-wallet.ts';
import { checkAnswer, signRequest, type BridgeKey } from '#lnd-bridge/request-auth.ts';
import { openNode, type NodeSettings } from '#lnd-bridge/nodes/open-node.ts';
import { readCertificates } from '#lnd-bridge/nodes/tls-pin.ts';
import { type LightningNode } from '#lnd-bridge/ports.ts';
import { SYSTEM_CLOCK } from '#lnd-bridge/start.ts';
import { startWorkerd } from '#local/workerd-process.ts';
import { formatHex } from '#protocol/bytes.ts';
import { startTestOrigin, type TestOrigin } from '#support/test-origin.ts';
import { startDaemon, takePort, until, type DaemonProcess } from './daemon-process.ts';
import { type Lightning } from './lightning.ts';
import { type BakedMacaroon, type LndNode } from './lnd.ts';

/** What docs/bridge.md tells an operator to bake for the bridge, and a payer for the wallet. */
export const BRIDGE_PERMISSIONS = readPermissions('Five minutes with LND');
const WALLET_PERMISSIONS = readPermissions('Paying from LND');
/** What it names besides for a settlement feed. */
const FEED_PERMISSIONS = readPermissions('Strict settlement');

const BRIDGE_KEY: BridgeKey = { id: 'k1', secret: new Uint8Array(randomBytes(32)) };
const PREIMAGE_SECRET_HEX = randomBytes(32).toString('hex');
const TOKEN_SECRET_HEX = randomBytes(32).toString('hex');
const METRICS_TOKEN = randomBytes(32).toString('hex');
const BUNDLE = 'dist/test/lnd/lnd-worker.js';
const POOL_BUNDLE = 'dist/test/lnd/lnd-pool-worker.js';

export interface LndSystem {
  readonly origin: TestOrigin;
  readonly gateway: string;
  /** The same, but told that its network is signet. */
  readonly signetGateway: string;
  /** The same with invoices that are made beforehand. */
  readonly pooledGateway: string;
  /** Pays from the buyer's node. */
  readonly wallet: Wallet;
  /** The least that the bridge needs at the seller's node, and the wallet at the buyer's. */
  readonly macaroons: { readonly bridge: BakedMacaroon; readonly wallet: BakedMacaroon };
  /** A signed request to the bridge; its answer was found signed. */
  askBridge(method: 'GET' | 'POST', path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  /** Our client with the buyer's wallet. */
  client(options?: Partial<L402FetchOptions>): Fetch;
  /** The node's number of the latest payment that the bridge's process has pushed; 0 before the first. */
  pushedIndex(): Promise<number>;
  /** Ends the bridge's process, which finishes what it has; it comes back at the same address. */
  stopBridge(): Promise<void>;
  startBridge(): Promise<void>;
  /** Everything that bridge and gateways have logged. */
  log(): string;
  close(): Promise<void>;
}

/**
 * Starts bridge, origin and gateways before the seller's node; when one part fails, those that run are ended. With a feed,
 * what is sold is sold strictly, and the bridge pushes payments to the gateway of its own network.
 */
export async function startSystem({ buyer, seller }: Lightning, { hasFeed = false } = {}): Promise<LndSystem> {
  const directory = mkdtempSync(join(tmpdir(), 'l402-lnd-system-'));
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).toReversed()) await end();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const bridgePermissions = hasFeed ? [...BRIDGE_PERMISSIONS, ...FEED_PERMISSIONS] : BRIDGE_PERMISSIONS;
    const [bridgeMacaroon, walletMacaroon] = [await seller.bake(bridgePermissions), await buyer.bake(WALLET_PERMISSIONS)];
    const origin = await startTestOrigin();
    closers.push(() => origin.close());
    const [bridgePort, gatewayPort] = [await takePort(), await takePort()];
    const strictly = { BRIDGE_NODE_SETTLEMENT: 'strict', BRIDGE_GATEWAY_URL: `http://127.0.0.1:${gatewayPort}` };
    const settings = {
      ...bridgeSettings(seller, bridgeMacaroon),
      BRIDGE_PORT: String(bridgePort),
      BRIDGE_METRICS_TOKEN: METRICS_TOKEN,
      ...(hasFeed ? strictly : {}),
    };
    let bridge: DaemonProcess;
    let bridgeLog = '';
    const stopBridge = async (): Promise<void> => {
      await bridge.end('SIGTERM');
      bridgeLog += bridge.output();
    };
    const startBridge = async (): Promise<string> => {
      bridge = startBridgeProcess(settings);
      return until('the bridge', async () => /^bridge (http:\S+) network/m.exec(bridge.output())?.[1], bridge);
    };
    closers.push(() => bridge.end('SIGTERM'));
    const bridgeUrl = await startBridge();
    const lines: string[] = [];
    const secrets = { TOKEN_SECRET_1: 'TOKEN_SECRET_1', BRIDGE_SECRET: 'BRIDGE_SECRET' };
    const workerd = await startWorkerd({
      directory,
      gateways: (['regtest', 'signet', 'pooled'] as const).map((name) => {
        return {
          name,
          port: name === 'regtest' ? gatewayPort : 0,
          bundlePath: name === 'pooled' ? POOL_BUNDLE : BUNDLE,
          variables: { ORIGIN_URL: origin.url, BRIDGE_URL: bridgeUrl, NETWORK: name === 'pooled' ? 'regtest' : name },
          secrets,
        };
      }),
      environment: { TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: formatHex(BRIDGE_KEY.secret) },
      onLine: (line) => void lines.push(line),
    });
    closers.push(() => workerd.kill('SIGKILL'));
    const wallet = openWallet(buyer, walletMacaroon);
    return {
      origin,
      gateway: `http://127.0.0.1:${workerd.ports['regtest']}`,
      signetGateway: `http://127.0.0.1:${workerd.ports['signet']}`,
      pooledGateway: `http://127.0.0.1:${workerd.ports['pooled']}`,
      wallet,
      macaroons: { bridge: bridgeMacaroon, wallet: walletMacaroon },
      client: (options = {}) => createL402Fetch({ wallet, maxPriceSats: 100, network: 'regtest', ...options }),
      stopBridge,
      startBridge: async () => void (await startBridge()),
      log: () => [bridgeLog, bridge.output(), ...lines].join('\n'),
      pushedIndex: async () => {
        const headers = { authorization: `Bearer ${METRICS_TOKEN}` };
        const text = await (await fetch(`${bridgeUrl}/metrics`, { headers })).text();
        return Number(/settlement_index\{node="lnd"\} (\d+)/.exec(text)?.[1] ?? 0);
      },
      askBridge: (method, path, body) => askBridge(bridgeUrl, { method, path, body: body === undefined ? '' : JSON.stringify(body) }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Our wallet on this node. */
export function openWallet(node: LndNode, macaroon: BakedMacaroon): Wallet {
  const certificate = readFileSync(node.certificatePath, 'utf8');
  return createLndWallet({ url: node.url, macaroonHex: macaroon.hex, certificate, maxFeeSats: 10, timeoutSeconds: 20 });
}

/** The bridge's port on this node, without the bridge. */
export function openPort(node: LndNode, macaroon: BakedMacaroon): LightningNode {
  const settings: NodeSettings = {
    kind: 'lnd',
    name: 'lnd',
    url: node.url,
    pin: readCertificates(readFileSync(node.certificatePath, 'utf8')),
    macaroonHex: macaroon.hex,
    preimageSecret: new Uint8Array(randomBytes(32)),
    privateHints: false,
    statedKeyHex: node.keyHex,
    settlement: 'preimage',
    timeoutMs: 4000,
    concurrency: 4,
  };
  return openNode(settings, { network: 'regtest', clock: SYSTEM_CLOCK });
}

/** The settings of a bridge before this node, as an operator would write them. */
export function bridgeSettings(seller: LndNode, macaroon: BakedMacaroon): Readonly<Record<string, string>> {
  return {
    BRIDGE_PORT: '0',
    BRIDGE_NETWORK: 'regtest',
    BRIDGE_STRICT: 'true',
    BRIDGE_SECRET: formatHex(BRIDGE_KEY.secret),
    BRIDGE_PREIMAGE_SECRET: PREIMAGE_SECRET_HEX,
    BRIDGE_NODE: 'lnd',
    BRIDGE_NODE_URL: seller.url,
    BRIDGE_NODE_MACAROON_FILE: macaroon.path,
    BRIDGE_NODE_CERT_FILE: seller.certificatePath,
  };
}

/** The bridge's process: `npm run bridge -- …` without npm between it and its signals. */
export function startBridgeProcess(settings: Readonly<Record<string, string>>, argv: readonly string[] = []): DaemonProcess {
  return startDaemon(process.execPath, ['lnd-bridge/main.ts', ...argv], settings);
}

async function askBridge(
  url: string,
  { method, path, body }: { method: string; path: string; body: string },
): ReturnType<LndSystem['askBridge']> {
  const nonceHex = randomBytes(16).toString('hex');
  const headers = signRequest(
    { method, pathAndQuery: path, body },
    { key: BRIDGE_KEY, nowSeconds: Math.floor(Date.now() / 1000), nonceHex },
  );
  const response = await fetch(url + path, { method, headers, ...(body === '' ? {} : { body }) });
  const text = await response.text();
  const header = (name: string): string | null => response.headers.get(name);
  if (!checkAnswer({ status: response.status, body: text, nonceHex, header }, BRIDGE_KEY)) throw new Error('the answer is not signed');
  return { status: response.status, body: JSON.parse(text) as Record<string, unknown> };
}

/** The permissions in a section of the docs. */
function readPermissions(heading: string): readonly string[] {
  const sections = readFileSync('docs/bridge.md', 'utf8').split(/^## /m);
  const permissions = sections.find((section) => section.startsWith(`${heading}\n`))?.match(/uri:\/[\w.]+\/\w+/g);
  if (permissions === undefined || permissions === null) throw new Error(`docs/bridge.md: no permissions under "${heading}"`);
  return permissions;
}
