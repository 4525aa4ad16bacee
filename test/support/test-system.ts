/*
 * Gateways on raw workerd with a test origin and the bridge's embedded node, for tests over real sockets. Everything is
 * on loopback, on free ports, in a folder of its own that is removed at the end.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningBridge } from '#lnd-bridge/start.ts';
import { createEmbeddedWallet } from '#local/embedded-wallet.ts';
import { startLocalBridge } from '#local/system.ts';
import { startWorkerd, type RunningWorkerd } from '#local/workerd-process.ts';
import { BUNDLES } from './build-worker.ts';
import { startTestOrigin, type TestOrigin } from './test-origin.ts';
import { TOKEN_SECRET_HEX } from './tokens.ts';

export const BRIDGE_SECRET_HEX = 'b1'.repeat(32);

export interface TestGateway {
  readonly name: string;
  readonly bundle?: keyof typeof BUNDLES;
  readonly variables?: Readonly<Record<string, string>>;
  /** Binding to value; the two usual ones if left out. */
  readonly secrets?: Readonly<Record<string, string>>;
  readonly claimsOf?: string;
  readonly services?: Readonly<Record<string, string>>;
  /** Stands in front of the origin's own zone: whatever it fetches goes to the origin. */
  readonly inZone?: boolean;
}

export interface TestSystem {
  readonly origin: TestOrigin;
  readonly bridge: RunningBridge;
  readonly ports: Readonly<Record<string, number>>;
  /** Of the workerd process. */
  readonly pid: number;
  /** Everything that any part has logged. */
  readonly lines: string[];
  /** Holds workerd's configuration and what the Durable Objects have written. */
  readonly directory: string;
  readonly pay: (invoice: string) => Promise<string>;
  readonly urlOf: (gateway: string) => string;
  /** Ends workerd the hard way and starts it again on the same Durable Objects; ports change. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Starts the system; `rows` is a folder of what the objects of another build have left on disk. */
export async function startTestSystem(gateways: readonly TestGateway[], { rows }: { readonly rows?: string } = {}): Promise<TestSystem> {
  const directory = mkdtempSync(join(tmpdir(), 'l402-edge-'));
  if (rows !== undefined) cpSync(rows, join(directory, 'claims'), { recursive: true });
  const lines: string[] = [];
  const onLine = (line: string) => void lines.push(line);
  const origin = await startTestOrigin();
  const bridge = await startLocalBridge({ secretHex: BRIDGE_SECRET_HEX, settings: { BRIDGE_MAX_REQUESTS_PER_SECOND: '5000' }, onLine });
  const environment: Record<string, string> = {};
  const placed = gateways.map(({ name, bundle = 'test', variables = {}, secrets, claimsOf, services = {}, inZone = false }) => {
    const values = secrets ?? { TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: BRIDGE_SECRET_HEX };
    for (const [binding, value] of Object.entries(values)) environment[`${name}_${binding}`] = value;
    return {
      name,
      port: 0,
      bundlePath: BUNDLES[bundle],
      services,
      ...(inZone ? { outbound: new URL(origin.url).host } : {}),
      variables: { ORIGIN_URL: origin.url, BRIDGE_URL: bridge.url, NETWORK: 'regtest', ...variables },
      secrets: Object.fromEntries(Object.keys(values).map((binding) => [binding, `${name}_${binding}`])),
      ...(claimsOf === undefined ? {} : { claimsOf }),
    };
  });
  const start = (): Promise<RunningWorkerd> => startWorkerd({ directory, gateways: placed, environment, onLine });
  let workerd = await start();
  return {
    origin,
    bridge,
    lines,
    directory,
    get ports() {
      return workerd.ports;
    },
    get pid() {
      return workerd.pid;
    },
    pay: createEmbeddedWallet(bridge.wallet),
    urlOf: (gateway) => `http://127.0.0.1:${workerd.ports[gateway]}`,
    async restart() {
      await workerd.kill('SIGKILL');
      workerd = await start();
    },
    async close() {
      await workerd.kill('SIGKILL');
      await Promise.all([bridge.close(), origin.close()]);
      rmSync(directory, { recursive: true });
    },
  };
}
