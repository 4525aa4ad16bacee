import { describe, expect, onTestFinished, test } from 'vitest';
import { readConfig } from '#lnd-bridge/config.ts';
import { MintAnswer } from '#lnd-bridge/contract.ts';
import { type LogEntry } from '#lnd-bridge/ports.ts';
import { startBridge } from '#lnd-bridge/start.ts';
import { formatHex } from '#protocol/bytes.ts';
import { anOrder, callBridge, KEY } from './bridge-harness.ts';
import { spawnBridge } from './bridge-process.ts';

const FREE_PORTS = { BRIDGE_PORT: '0', BRIDGE_EMBEDDED_PAY_PORT: '0' };

async function pay(wallet: { url: string; token: string }, invoice: string): Promise<Record<string, string>> {
  const response = await fetch(wallet.url, {
    method: 'POST',
    headers: { authorization: `Bearer ${wallet.token}` },
    body: JSON.stringify({ invoice }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, string>;
}

const now = (): number => Math.floor(Date.now() / 1000);

describe('the process of the bridge', () => {
  test('stops with status 2 when the secret is missing, and names the setting', async () => {
    const { code, stderr, stdout } = await spawnBridge({ ...FREE_PORTS, BRIDGE_NODE: 'some-value' }).ended;
    expect(code).toBe(2);
    expect(stderr).toContain('BRIDGE_SECRET is missing');
    expect(stderr).toContain('BRIDGE_NODE');
    expect(stderr + stdout).not.toContain('some-value');
  });

  test('M28 starts, says loudly that no money moves, mints, is paid at its wallet and stops with status 0 on SIGTERM', async () => {
    const secretHex = formatHex(KEY.secret);
    const child = spawnBridge({ ...FREE_PORTS, BRIDGE_SECRET: secretHex });
    const line = await child.line('bridge http://');
    expect(line).toContain('NO MONEY MOVES');
    const [, url, walletUrl, token] = /bridge (\S+) network regtest node embedded wallet (\S+) token (\S+)/.exec(line) ?? [];
    const minted = await callBridge(url!, { nowSeconds: now(), body: anOrder() });
    expect(minted).toMatchObject({ status: 200, isSigned: true });
    const { invoice, paymentHashHex } = MintAnswer.parse(minted.body);
    const { preimageHex } = await pay({ url: walletUrl!, token: token! }, invoice);
    const looked = await callBridge(url!, { nowSeconds: now(), method: 'GET', path: `/v1/invoices/${paymentHashHex}` });
    expect(looked.body).toMatchObject({ state: 'settled', paidMsat: '10000' });
    child.stop();
    const { code, stdout, stderr } = await child.ended;
    expect(code).toBe(0);
    expect(stdout).toContain('"event":"invoice_minted"');
    for (const secret of [preimageHex!, secretHex]) expect(stdout + stderr).not.toContain(secret);
    expect(stdout).not.toContain(token);
  });
});

describe('the bridge inside another process', () => {
  test('M28 the log of a full run holds no preimage, secret, token or signature', async () => {
    const config = readConfig({ ...FREE_PORTS, BRIDGE_SECRET: formatHex(KEY.secret), BRIDGE_EMBEDDED_NODE_KEY: '07'.repeat(32) });
    if (!config.ok) throw new Error(JSON.stringify(config.refusal));
    const logged: LogEntry[] = [];
    const bridge = await startBridge(config.value, { log: (entry) => logged.push(entry) });
    onTestFinished(() => bridge.close());
    const order = anOrder();
    const first = await callBridge(bridge.url, { nowSeconds: now(), body: order });
    const { invoice, paymentHashHex } = MintAnswer.parse(first.body);
    const { preimageHex } = await pay({ url: `${bridge.wallet.url}/v1/pay`, token: bridge.wallet.token }, invoice);
    const refused = [
      { body: order },
      { body: { memo: preimageHex } },
      { body: anOrder(), key: { id: 'k9', secret: KEY.secret } },
      { method: 'GET', path: `/v1/invoices/${preimageHex}` },
      { method: 'GET', path: `/v1/invoices/${preimageHex}`, altered: { path: `/v1/invoices/${preimageHex}?token=${bridge.wallet.token}` } },
      { method: 'GET', path: `/${preimageHex}` },
    ];
    for (const call of refused) expect((await callBridge(bridge.url, { nowSeconds: now(), ...call })).status).toBeGreaterThanOrEqual(400);
    const text = JSON.stringify(logged);
    expect(logged).toHaveLength(1 + refused.length);
    for (const secret of [preimageHex!, bridge.wallet.token, formatHex(KEY.secret), '07'.repeat(32), invoice])
      expect(text).not.toContain(secret);
    // The one long hex text in it is the payment hash, which every payer sees.
    expect(text.replaceAll(paymentHashHex, '')).not.toMatch(/[0-9a-f]{64}/);
  });

  test('leaves no port open when one of its two cannot be had', async () => {
    const secret = { BRIDGE_SECRET: formatHex(KEY.secret) };
    const free = readConfig({ ...FREE_PORTS, ...secret });
    if (!free.ok) throw new Error('config');
    const running = await startBridge(free.value, { log: () => undefined });
    onTestFinished(() => running.close());
    const port = Number(new URL(running.url).port);
    await expect(startBridge({ ...free.value, port }, { log: () => undefined })).rejects.toThrow('EADDRINUSE');
    const payPort = Number(new URL(running.wallet.url).port);
    const taken = { ...free.value, embedded: { ...free.value.embedded, payPort } };
    await expect(startBridge(taken, { log: () => undefined })).rejects.toThrow('EADDRINUSE');
  });
});
