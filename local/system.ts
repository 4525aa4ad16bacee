/*
 * The whole system on one machine: bridge with the embedded node, the built gateway on plain workerd with its Durable Objects
 * on disk, and the sample origin unless another is sold. Used by `npm start`, the demo, the benchmarks and the tests over
 * real sockets. Effects: processes, ports, files under the state folder.
 */
import { parseHex } from '#protocol/bytes.ts';
import { readConfig } from '#lnd-bridge/config.ts';
import { startBridge, type RunningBridge } from '#lnd-bridge/start.ts';
import { startSampleOrigin } from './sample-origin.ts';
import { type LocalSecrets } from './secrets.ts';
import { takeState } from './state.ts';
import { startWorkerd, type WorkerdOptions } from './workerd-process.ts';

/** The sample API, an API at a URL, or the origins in gateway.config.ts. */
export type LocalOrigin = 'sample' | 'configured' | { readonly url: string };

export interface LocalSystemOptions {
  readonly stateDirectory: string;
  /** The output of buildWorker. */
  readonly bundlePath: string;
  readonly secrets: LocalSecrets;
  /** 0: any free port, here and below. */
  readonly gatewayPort: number;
  /** What is sold. Default: the sample. */
  readonly origin?: LocalOrigin;
  readonly priceSats?: string | undefined;
  /** Additional secrets of the Worker: those that routes name. */
  readonly furtherSecrets?: Readonly<Record<string, string>>;
  /** Additional settings of the bridge, by their environment names. */
  readonly bridgeSettings?: Readonly<Record<string, string>>;
  readonly onLine: (line: string) => void;
}

export interface LocalSystem {
  readonly gatewayUrl: string;
  /** `undefined`: gateway.config.ts decides where each request goes. */
  readonly originUrl: string | undefined;
  readonly wallet: RunningBridge['wallet'];
  /** Resolves when the gateway's process has ended, for any reason. */
  readonly gatewayEnded: Promise<void>;
  close(): Promise<void>;
}

/** Starts everything; if one part cannot start, the parts already started are stopped. */
export async function startLocalSystem(options: LocalSystemOptions): Promise<LocalSystem> {
  const { secrets, onLine, origin = 'sample' } = options;
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const end of closers.splice(0).toReversed()) await end();
  };
  try {
    const giveBack = takeState(options.stateDirectory);
    closers.push(() => Promise.resolve(giveBack()));
    const sample = origin === 'sample' ? await startSampleOrigin(0) : undefined;
    if (sample !== undefined) closers.push(() => sample.close());
    const originUrl = typeof origin === 'object' ? origin.url : sample?.url;
    const bridge = await startLocalBridge({
      secretHex: secrets.bridgeSecretHex,
      settings: { BRIDGE_EMBEDDED_NODE_KEY: secrets.nodeKeyHex, ...options.bridgeSettings },
      onLine,
    });
    closers.push(() => bridge.close());
    const workerd = await startWorkerd({ directory: options.stateDirectory, onLine, ...gatewayOf(options, { bridge, originUrl }) });
    closers.push(() => workerd.kill('SIGTERM'));
    return {
      gatewayUrl: `http://127.0.0.1:${workerd.ports['gateway']}`,
      originUrl,
      wallet: bridge.wallet,
      gatewayEnded: workerd.ended,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Returns the gateway's service, and the values of its secrets. */
function gatewayOf(
  { gatewayPort, bundlePath, priceSats, secrets, furtherSecrets }: LocalSystemOptions,
  { bridge, originUrl }: { bridge: RunningBridge; originUrl: string | undefined },
): Pick<WorkerdOptions, 'gateways' | 'environment'> {
  const environment = { ...furtherSecrets, TOKEN_SECRET_1: secrets.tokenSecretHex, BRIDGE_SECRET: secrets.bridgeSecretHex };
  const variables = {
    ...(originUrl === undefined ? {} : { ORIGIN_URL: originUrl }),
    BRIDGE_URL: bridge.url,
    NETWORK: bridge.network,
    ...(priceSats === undefined ? {} : { PRICE_SATS: priceSats }),
  };
  const bound = Object.fromEntries(Object.keys(environment).map((name) => [name, name]));
  return { gateways: [{ name: 'gateway', port: gatewayPort, bundlePath, variables, secrets: bound }], environment };
}

/** Starts the bridge with the embedded node, in this process. */
export async function startLocalBridge({
  secretHex,
  settings,
  onLine,
}: {
  secretHex: string;
  settings: Readonly<Record<string, string>>;
  onLine: (line: string) => void;
}): Promise<RunningBridge> {
  if (parseHex(secretHex) === undefined) throw new RangeError('secretHex: hex');
  const config = readConfig({ BRIDGE_PORT: '0', BRIDGE_EMBEDDED_PAY_PORT: '0', ...settings, BRIDGE_SECRET: secretHex });
  if (!config.ok) throw new Error(config.refusal.map(({ key, reason }) => `${key} ${reason}`).join('; '));
  return startBridge(config.value, { log: (entry) => onLine(JSON.stringify(entry)) });
}
