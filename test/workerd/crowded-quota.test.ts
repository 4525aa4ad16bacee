/*
 * Crowds of strangers at the quota objects, with the defaults of the configuration, through the adapter: who still gets a
 * challenge (M35). The clock is the test's.
 */
import { env } from 'cloudflare:workers';
import { reset } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createDurableQuota } from '#adapters/do-quota.ts';
import { nameClient } from '#gateway/request/client-key.ts';
import { parseAddress } from '#protocol/cidr.ts';
import { readConfig } from '#src/config/config.ts';
import { type Env } from '#src/deps.ts';
import { type ClientKey } from '#src/ports.ts';
import { TOKEN_SECRET_HEX } from '#support/tokens.ts';

const START_MS = Date.now();
const LIFE_MS = 600_000;
beforeEach(async () => {
  await reset();
  vi.setSystemTime(START_MS);
});
afterEach(() => void vi.useRealTimers());

function openQuota() {
  const config = readConfig(
    { origin: 'http://127.0.0.1:1', routes: [{ match: 'GET /a', priceSats: 1 }] },
    { BRIDGE_URL: 'http://127.0.0.1:1', NETWORK: 'regtest', TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: 'b1'.repeat(32) },
  );
  if (!config.ok) throw new Error(config.refusal.join('; '));
  const { quota: settings } = config.value.settings.routes.routes[0]!.policy;
  const quota = createDurableQuota((env as unknown as Required<Env>).QUOTA);
  let asked = 0;
  const ask = async (client: ClientKey, trafficClass: 'unpaid' | 'paid' = 'unpaid') => {
    const challengeId = (asked++).toString(16).padStart(16, '0');
    const { bounds, totals } = trafficClass === 'paid' ? settings.paid : settings;
    const order = { scope: 'a', challengeId, challengeMs: LIFE_MS, presented: [], offer: { key: 'o', repeats: false } };
    return (await quota.ask({ client, trafficClass, ask: order, bounds, totals, region: 0 })).kind;
  };
  return { ask };
}
const client = (address: string): ClientKey => nameClient(parseAddress(address));

describe('a first buyer', () => {
  it('M35: gets a challenge whenever it comes, while thirty networks ask sixteen times a second for longer than an invoice lives', async () => {
    const { ask } = openQuota();
    let granted = 0;
    const buyers: string[] = [];
    for (let second = 0; second < 660; second++) {
      vi.setSystemTime(START_MS + second * 1000);
      for (let call = 0; call < 16; call++) {
        const at = second * 16 + call;
        if ((await ask(client(`10.${at % 30}.7.${Math.floor(at / 30) % 250}`))) === 'challenge') granted += 1;
      }
      if (second % 10 === 0) buyers.push(await ask(client(`198.${Math.floor(second / 10) % 100}.${second % 250}.7`)));
    }
    expect(buyers.filter((kind) => kind === 'challenge')).toHaveLength(buyers.length);
    // And the crowd has had more than it will ever pay.
    expect(granted).toBeGreaterThan(5000);
  }, 60_000);

  it('M35: of IPv6 gets one too when its crowd has 65,536 networks of one provider', async () => {
    const { ask } = openQuota();
    for (let call = 0; call < 10_500; call++) await ask(client(`2001:db8:${(call % 65_536).toString(16)}::1`));
    expect(await ask(client('2a00:1:2::1'))).toBe('challenge');
  }, 60_000);
});

describe('one who has paid before', () => {
  it('M35: gets one though a single network shows as many spent payments as it likes', async () => {
    const { ask } = openQuota();
    const { crowd } = client('10.1.2.3');
    for (let payment = 0; payment < 4000; payment++)
      await ask({ key: `paid/${payment.toString(16).padStart(64, '0')}`, crowd: crowd! }, 'paid');
    const buyers = [];
    for (let buyer = 0; buyer < 50; buyer++) {
      buyers.push(
        await ask({ key: `paid/${(10_000 + buyer).toString(16).padStart(64, 'f')}`, crowd: client(`198.51.${buyer}.1`).crowd! }, 'paid'),
      );
    }
    expect(buyers.filter((kind) => kind === 'challenge')).toHaveLength(50);
  }, 60_000);
});
