/*
 * The bridge's process: settings from the environment, log lines as JSON on stdout, words for people on stderr.
 * Exits 2 when the settings are wrong, 1 when it cannot start, 0 after SIGINT or SIGTERM.
 */
import { type BridgeConfig, readConfig } from './config.ts';
import { describeFault } from './fault-text.ts';
import { type Log } from './ports.ts';
import { startBridge } from './start.ts';

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

const log: Log = (entry) => console.log(JSON.stringify({ at: new Date().toISOString(), ...entry }));

async function run(config: BridgeConfig): Promise<void> {
  const bridge = await startBridge(config, { log });
  const token = config.embedded.payToken === undefined ? bridge.wallet.token : '(as set in BRIDGE_EMBEDDED_PAY_TOKEN)';
  console.error(
    `bridge ${bridge.url} network ${bridge.network} node ${bridge.node.kind} wallet ${bridge.wallet.url}/v1/pay token ${token}` +
      ' *** STAND-IN NODE FOR DEVELOPMENT: NO MONEY MOVES ***',
  );
  if (!LOOPBACK.has(config.host)) console.error('warning: BRIDGE_HOST is not loopback; let nobody but the gateway reach this port');

  async function stop(): Promise<void> {
    await bridge.close();
    process.exitCode = 0;
  }
  // A second signal finds no listener and ends the process at once.
  process.once('SIGINT', () => void stop());
  process.once('SIGTERM', () => void stop());
}

const config = readConfig(process.env);
if (config.ok) {
  await run(config.value).catch((error: unknown) => {
    console.error(`the bridge cannot start: ${describeFault(error).message}`);
    process.exitCode = 1;
  });
} else {
  for (const { key, reason } of config.refusal) console.error(`${key} ${reason}`);
  process.exitCode = 2;
}
