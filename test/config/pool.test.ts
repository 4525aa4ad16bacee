/*
 * The settings of the pool: bounds that hold, and mistakes that are named.
 */
import { describe, expect, it } from 'vitest';
import { readConfig, type Gateway } from '#src/config/config.ts';

const VARIABLES = {
  ORIGIN_URL: 'http://127.0.0.1:1',
  BRIDGE_URL: 'http://127.0.0.1:1',
  NETWORK: 'regtest',
  TOKEN_SECRET_1: 'a1'.repeat(32),
  BRIDGE_SECRET: 'b1'.repeat(32),
};
const read = (gateway: Gateway) => readConfig(gateway, VARIABLES);
const poolOf = (gateway: Gateway) => {
  const config = read(gateway);
  return config.ok ? config.value.settings.pool : config.refusal;
};

describe('the pool', () => {
  it('is on by default, hands out invoices that have half of their life left, and can be switched off', () => {
    expect(poolOf({})).toEqual({ low: 64, high: 3200, minLifeMs: 300_000 });
    expect(poolOf({ invoiceExpirySeconds: 60 })).toEqual({ low: 64, high: 3200, minLifeMs: 30_000 });
    expect(poolOf({ pool: false })).toBeUndefined();
    expect(poolOf({ pool: { low: 16, high: 160, minLifeSeconds: 400 } })).toEqual({ low: 16, high: 160, minLifeMs: 400_000 });
  });

  it.each<[string, Gateway['pool']]>([
    ['pool.low: must not exceed pool.high', { low: 200, high: 100 }],
    ['pool.minLifeSeconds: must be less than invoiceExpirySeconds', { minLifeSeconds: 600 }],
    ['pool.low', { low: 15 }],
    ['pool.high', { high: 160_001 }],
    ['pool.lowest', { lowest: 20 } as never],
  ])('names what is wrong: %s', (problem, pool) => {
    const config = read({ pool });
    expect(config.ok ? [] : config.refusal).toEqual([expect.stringContaining(`gateway.config.ts: ${problem}`)]);
  });
});
