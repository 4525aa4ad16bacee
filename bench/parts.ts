/*
 * The process beside the one that measures: the origin, and the bridge with its embedded node. Tells its addresses on
 * standard output and ends with its parent.
 */
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { startLocalBridge } from '#local/system.ts';
import { type PartAddresses } from './system.ts';

const body = Buffer.from('{"answer":"forty-three bytes of an answer"}');
/** An origin that works for its answer holds leases, and so objects, for as long. */
const delayMs = Number(process.env['ORIGIN_DELAY_MS'] ?? '0');
const server = createServer((request, response) => {
  request.resume();
  const answer = () => response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  if (delayMs === 0) answer();
  else setTimeout(answer, delayMs);
});
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
const bridge = await startLocalBridge({
  secretHex: process.env['BRIDGE_SECRET_HEX'] ?? '',
  settings: { BRIDGE_MAX_REQUESTS_PER_SECOND: '100000' },
  onLine: () => undefined,
});
const originUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
console.log(JSON.stringify({ originUrl, bridgeUrl: bridge.url, wallet: bridge.wallet! } satisfies PartAddresses));
process.on('disconnect', () => process.exit(0));
