/*
 * The bridge of the bench with its embedded node, a process of its own: the origin must not wait while a node signs. Tells
 * its addresses on standard output and ends with its parent.
 */
import { startLocalBridge } from '#local/system.ts';
import { type BridgeAddresses } from './system.ts';

const metricsToken = 'token-of-the-bench-0123456789abcdef';
const { url, wallet } = await startLocalBridge({
  secretHex: process.env['BRIDGE_SECRET_HEX'] ?? '',
  settings: { BRIDGE_MAX_REQUESTS_PER_SECOND: '100000', BRIDGE_METRICS_TOKEN: metricsToken },
  onLine: () => undefined,
});
console.log(JSON.stringify({ url, metricsToken, wallet: wallet! } satisfies BridgeAddresses));
process.on('disconnect', () => process.exit(0));
