/*
 * The key between gateway and bridge is changed while requests come: none is lost, and the old key is worth nothing after.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createBridgeLightning } from '#adapters/bridge-lightning.ts';
import { type BridgeKey } from '#lnd-bridge/request-auth.ts';
import { formatHex } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { msat } from '#protocol/msat.ts';
import { anOrder, callBridge, KEY, PREVIOUS_KEY, startTestBridge } from './bridge-harness.ts';
import { spawnBridge } from './bridge-process.ts';

const OLD = PREVIOUS_KEY;
const NEW = KEY;
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const AT_ONCE = 8;
const CALLS = 48;

describe('the key of gateway and bridge', () => {
  test('M28: is changed under load in the three steps of the docs, and no request is lost', async () => {
    const bridge = await startTestBridge({ config: { keys: [OLD], maxRequestsPerSecond: 100_000, maxMintsPerSecond: 100_000 } });
    const gatewayWith = (key: BridgeKey) =>
      createBridgeLightning({ url: bridge.url, key, clock: () => bridge.clock.nowSeconds() * 1000, random });
    let gateway = gatewayWith(OLD);
    const hashes: string[] = [];
    const ask = async () => {
      const order = { amountMsat: msat(1000n), memo: 'a call', expirySeconds: 600, idempotencyKey: formatHex(random(16)) };
      const facts = parseInvoice((await gateway.mint(order)).invoice);
      if (!facts.ok) throw new Error(facts.refusal.code);
      hashes.push(formatHex(facts.value.paymentHash));
      expect(await gateway.lookUp(facts.value.paymentHash)).toBe('open');
    };
    /** Requests all the time: the step comes when a part of them is under way. */
    const underLoad = async (step: () => void) => {
      let left = CALLS;
      const one = async () => {
        while (left-- > 0) {
          if (left === CALLS / 2) step();
          await ask();
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, one));
    };
    await underLoad(() => bridge.setKeys([NEW, OLD]));
    await underLoad(() => (gateway = gatewayWith(NEW)));
    await underLoad(() => bridge.setKeys([NEW]));
    expect(new Set(hashes).size).toBe(3 * CALLS);
    expect(bridge.logged.filter(({ event }) => event === 'request_refused')).toEqual([]);
    await expect(gatewayWith(OLD).lookUp(random(32))).rejects.toThrow('401');
  });

  test('M28: is read anew by the running process on SIGUSR2; wrong settings leave it as it was', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'l402-keys-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const [configPath, secret, previous] = ['bridge.json', 'secret', 'previous'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    const write = (settings: Record<string, string>) =>
      writeFileSync(
        configPath,
        JSON.stringify({ BRIDGE_PORT: '0', BRIDGE_EMBEDDED_PAY_PORT: '0', BRIDGE_SECRET_FILE: secret, ...settings }),
      );
    write({ BRIDGE_KEY_ID: OLD.id });
    writeFileSync(secret, formatHex(OLD.secret));
    const bridge = spawnBridge({}, ['--config', configPath]);
    const url = /bridge (\S+) network/.exec(await bridge.line('bridge http'))![1]!;
    const mintWith = async (key: BridgeKey) =>
      (await callBridge(url, { nowSeconds: Math.floor(Date.now() / 1000), body: anOrder(), key })).status;
    expect([await mintWith(OLD), await mintWith(NEW)]).toEqual([200, 401]);

    writeFileSync(previous, formatHex(OLD.secret));
    writeFileSync(secret, formatHex(NEW.secret));
    write({ BRIDGE_KEY_ID: NEW.id, BRIDGE_PREVIOUS_KEY_ID: OLD.id, BRIDGE_PREVIOUS_SECRET_FILE: previous });
    bridge.rekey();
    await bridge.line(`keys ${NEW.id}, ${OLD.id}`);
    expect([await mintWith(OLD), await mintWith(NEW)]).toEqual([200, 200]);

    write({ BRIDGE_KEY_ID: 'NOT AN ID' });
    bridge.rekey();
    await bridge.line('the keys stay as they were');
    expect([await mintWith(OLD), await mintWith(NEW)]).toEqual([200, 200]);

    write({ BRIDGE_KEY_ID: NEW.id });
    bridge.rekey();
    await expect.poll(() => mintWith(OLD), { timeout: 5000 }).toBe(401);
    expect(await mintWith(NEW)).toBe(200);
    bridge.stop();
    const { code, stdout, stderr } = await bridge.ended;
    expect(code).toBe(0);
    for (const key of [OLD, NEW]) expect(stdout + stderr).not.toContain(formatHex(key.secret));
  });
});
