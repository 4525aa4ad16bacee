/*
 * The settlement feed over real processes (M24): a node that lets preimages be read, the bridge, the gateway on raw workerd.
 * Each of the two is ended and started again; no payment is missed, and none has to be looked up.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startWorkerd } from '#local/workerd-process.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { formatHex } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { BUNDLES } from '#support/build-worker.ts';
import { FEED_PERMISSIONS, makeLndMacaroon, startLndServer } from '#support/nodes/lnd-server.ts';
import { createTestLedger } from '#support/nodes/node-ledger.ts';
import { startTestOrigin } from '#support/test-origin.ts';
import { spawnBridge } from '../lnd-bridge/bridge-process.ts';

const SECRET_HEX = 'b1'.repeat(32);
const METRICS_TOKEN = 'token-of-the-metrics-0123456789abcdef';
const PATIENCE = { timeout: 20_000, interval: 20 };

/** An address that stays while the process behind it comes and goes. */
async function startForwarder(): Promise<{ readonly url: string; target: number | undefined }> {
  const sockets = new Set<Socket>();
  const forwarder = { url: '', target: undefined as number | undefined };
  const server = createServer((socket) => {
    const { target } = forwarder;
    sockets.add(socket);
    if (target === undefined) return void socket.destroy();
    const onward = connect(target, '127.0.0.1');
    sockets.add(onward);
    socket.pipe(onward).pipe(socket);
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      one.once('error', () => other.destroy()).once('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  forwarder.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return forwarder;
}

it('M24: restarts of bridge and gateway leave no gap: no payment is looked up, and no leaked preimage buys anything', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'l402-feed-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const ledger = createTestLedger({ nowSeconds: () => Math.floor(Date.now() / 1000) });
  const macaroonHex = makeLndMacaroon(FEED_PERMISSIONS);
  const node = await startLndServer(ledger, { macaroonHex });
  const origin = await startTestOrigin();
  onTestFinished(async () => void (await Promise.all([node.close(), origin.close()])));
  const [toGateway, toBridge] = [await startForwarder(), await startForwarder()];

  const startBridge = async () => {
    const bridge = spawnBridge({
      BRIDGE_PORT: '0',
      BRIDGE_SECRET: SECRET_HEX,
      BRIDGE_PREIMAGE_SECRET: '5e'.repeat(32),
      BRIDGE_METRICS_TOKEN: METRICS_TOKEN,
      BRIDGE_GATEWAY_URL: toGateway.url,
      BRIDGE_NODE: 'lnd',
      BRIDGE_NODE_URL: node.url,
      BRIDGE_NODE_MACAROON: macaroonHex,
      BRIDGE_NODE_SETTLEMENT: 'strict',
    });
    toBridge.target = Number(/bridge http:\/\/127\.0\.0\.1:(\d+)/.exec(await bridge.line('bridge http'))![1]);
    return bridge;
  };
  const startGateway = async () => {
    const variables = { ORIGIN_URL: origin.url, BRIDGE_URL: toBridge.url, NETWORK: 'regtest' };
    const secrets = { TOKEN_SECRET_1: 'TOKEN_SECRET_1', BRIDGE_SECRET: 'BRIDGE_SECRET' };
    const workerd = await startWorkerd({
      directory,
      gateways: [{ name: 'gateway', port: 0, bundlePath: BUNDLES.test, variables, secrets }],
      environment: { TOKEN_SECRET_1: '07'.repeat(32), BRIDGE_SECRET: SECRET_HEX },
      onLine: () => undefined,
    });
    onTestFinished(() => workerd.kill('SIGKILL'));
    toGateway.target = workerd.ports['gateway'];
    return workerd;
  };

  const ask = async (headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${toGateway.target}/call/feed`, { headers: { ...headers, connection: 'close' } });
  /** What one gets who reads the preimage before the invoice is paid. */
  const order = async () => {
    const offer = parseL402Offer((await ask()).headers.get('www-authenticate') ?? '');
    const facts = offer.ok ? parseInvoice(offer.value.invoice) : offer;
    if (!offer.ok || !facts.ok) throw new Error('no offer');
    const paymentHashHex = formatHex(facts.value.paymentHash);
    const { preimageHex } = ledger.find(paymentHashHex)!;
    return { paymentHashHex, authorization: `L402 ${offer.value.token}:${preimageHex}` };
  };
  const use = async ({ authorization }: { authorization: string }) => (await ask({ authorization })).status;
  const lookUps = ({ paymentHashHex }: { paymentHashHex: string }) =>
    node.calls.filter((call) => call === `GET /v1/invoice/${paymentHashHex}`).length;
  const pushed = async () => {
    const headers = { authorization: `Bearer ${METRICS_TOKEN}`, connection: 'close' };
    const text = await (await fetch(`${toBridge.url}/metrics`, { headers })).text();
    return Number(/settlements_pushed_total\{node="lnd"\} (\d+)/.exec(text)?.[1] ?? 0);
  };

  let bridge = await startBridge();
  let gateway = await startGateway();
  await expect.poll(() => node.calls, PATIENCE).toContain('GET /v1/invoices/subscribe');

  const leaked = await order();
  expect([await use(leaked), lookUps(leaked)]).toEqual([503, 1]);
  const first = await order();
  ledger.settle(first.paymentHashHex);
  await expect.poll(pushed, PATIENCE).toBe(1);
  expect([await use(first), lookUps(first)]).toEqual([200, 0]);

  // The bridge: what is paid while it is away is pushed by its successor.
  const [duringBridge, kept] = [await order(), await order()];
  bridge.stop();
  await bridge.ended;
  ledger.settle(duringBridge.paymentHashHex);
  ledger.settle(kept.paymentHashHex);
  bridge = await startBridge();
  await expect.poll(pushed, PATIENCE).toBe(2);
  expect([await use(duringBridge), lookUps(duringBridge)]).toEqual([200, 0]);

  // The gateway, the hard way: what it was told is on its disk, and what is paid while it is away comes when it is back.
  const duringGateway = await order();
  await gateway.kill('SIGKILL');
  toGateway.target = undefined;
  ledger.settle(duringGateway.paymentHashHex);
  gateway = await startGateway();
  await expect.poll(pushed, PATIENCE).toBe(3);
  for (const paid of [kept, duringGateway]) expect([await use(paid), lookUps(paid)]).toEqual([200, 0]);
  for (const paid of [first, kept, duringGateway]) expect(await use(paid)).toBe(402);
  expect(await use(leaked)).toBe(503);
  expect(origin.seen.filter(({ url }) => url === '/call/feed')).toHaveLength(4);
  bridge.stop();
  expect((await bridge.ended).code).toBe(0);
});
