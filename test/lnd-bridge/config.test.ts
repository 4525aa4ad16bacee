import { describe, expect, test } from 'vitest';
import { readConfig } from '#lnd-bridge/config.ts';

const SECRET = 'c3'.repeat(32);

function problems(environment: Record<string, string>): Record<string, string> {
  const read = readConfig(environment);
  return read.ok ? {} : Object.fromEntries(read.refusal.map(({ key, reason }) => [key, reason]));
}

describe('the settings of the bridge', () => {
  test('need nothing but a secret; the rest has defaults', () => {
    const read = readConfig({ BRIDGE_SECRET: SECRET, PATH: '/bin' });
    expect(read).toEqual({
      ok: true,
      value: {
        host: '127.0.0.1',
        port: 8404,
        keys: [{ id: 'k1', secret: new Uint8Array(32).fill(0xc3) }],
        network: 'regtest',
        nodes: [],
        strict: false,
        embedded: { payPort: 8405, nodeKey: undefined, payToken: undefined },
        maxBodyBytes: 16_384,
        maxRequestsPerSecond: 500,
        maxMintsPerSecond: 500,
        maxSkewSeconds: 60,
        queueCapacity: 256,
        metricsToken: undefined,
      },
    });
  });

  test('a missing secret stops the start: none is invented', () => {
    expect(problems({})).toEqual({ BRIDGE_SECRET: expect.stringContaining('is missing') as string });
  });

  test('a secret of 31 bytes is refused', () => {
    expect(problems({ BRIDGE_SECRET: 'c3'.repeat(31) })).toHaveProperty('BRIDGE_SECRET');
  });

  test('a previous key is read with its id, and refused without it or under the same id', () => {
    const previous = { BRIDGE_SECRET: SECRET, BRIDGE_PREVIOUS_SECRET: 'd4'.repeat(32) };
    const read = readConfig({ ...previous, BRIDGE_PREVIOUS_KEY_ID: 'k0' });
    expect(read.ok && read.value.keys.map(({ id }) => id)).toEqual(['k1', 'k0']);
    expect(problems(previous)).toHaveProperty('BRIDGE_PREVIOUS_KEY_ID');
    expect(problems({ ...previous, BRIDGE_PREVIOUS_KEY_ID: 'k1' })).toHaveProperty('BRIDGE_PREVIOUS_KEY_ID');
  });

  test('everything that is wrong is told at once, by key and without a value', () => {
    const wrong = {
      BRIDGE_SECRET: 'tooshortsecret',
      BRIDGE_PORT: '99999',
      BRIDGE_HOST: '',
      BRIDGE_NODE: 'abacus',
      BRIDGE_NETWORK: 'moonnet',
      BRIDGE_EMBEDDED_NODE_KEY: '00'.repeat(32),
      BRIDGE_EMBEDDED_PAY_TOKEN: 'short!',
      BRIDGE_EMBEDDED_PAY_PORT: '99999',
      BRIDGE_MAX_BODY_BYTES: '-1',
      BRIDGE_MAX_REQUESTS_PER_SECOND: '0',
      BRIDGE_MAX_SKEW_SECONDS: 'soon',
      BRIDGE_TYPO: 'value-of-typo',
      BRIDGE_PREVIOUS_KEY_ID: 'UPPER',
    };
    const told = problems(wrong);
    expect(Object.keys(told).sort()).toEqual([...Object.keys(wrong), 'BRIDGE_PREVIOUS_SECRET'].sort());
    const text = JSON.stringify(told);
    for (const value of Object.values(wrong).filter((value) => value.length > 2)) expect(text).not.toContain(value);
  });

  test('M28 the embedded node is refused on every network but regtest', () => {
    for (const network of ['mainnet', 'testnet', 'signet', 'simnet']) {
      expect(problems({ BRIDGE_SECRET: SECRET, BRIDGE_NETWORK: network })).toHaveProperty('BRIDGE_NETWORK');
    }
  });

  test('another host than loopback has to be asked for', () => {
    const read = readConfig({ BRIDGE_SECRET: SECRET, BRIDGE_HOST: '0.0.0.0' });
    expect(read.ok && read.value.host).toBe('0.0.0.0');
  });

  test('the wallet has a port of its own', () => {
    expect(problems({ BRIDGE_SECRET: SECRET, BRIDGE_PORT: '8405' })).toHaveProperty('BRIDGE_EMBEDDED_PAY_PORT');
    expect(problems({ BRIDGE_SECRET: SECRET, BRIDGE_PORT: '0', BRIDGE_EMBEDDED_PAY_PORT: '0' })).toEqual({});
  });
});
