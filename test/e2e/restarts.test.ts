/*
 * The local system, stopped and started again on the same folder: what it has made beforehand can be bought after each start (M44).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createL402Fetch } from '#client/index.ts';
import { createEmbeddedWallet } from '#local/embedded-wallet.ts';
import { loadLocalSecrets } from '#local/secrets.ts';
import { startLocalSystem } from '#local/system.ts';
import { BUNDLES } from '#support/build-worker.ts';

const directory = mkdtempSync(join(tmpdir(), 'l402-restarts-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Unpaid requests after which an offer is warm, so that challenges lie ready. */
const ASKS = 6;

describe('the local system', () => {
  it('M44: sells after each of ten restarts, whatever lay ready from before', async () => {
    for (let start = 0; start < 11; start++) {
      const { secrets } = loadLocalSecrets(directory);
      const options = { stateDirectory: directory, bundlePath: BUNDLES.shipped, secrets, gatewayPort: 0, onLine: () => undefined };
      const system = await startLocalSystem(options);
      try {
        const buy = createL402Fetch({ wallet: createEmbeddedWallet(system.wallet), maxPriceSats: 10, network: 'regtest' });
        expect([start, (await buy(`${system.gatewayUrl}/greeting`)).status]).toEqual([start, 200]);
        for (let ask = 0; ask < ASKS; ask++) await (await fetch(`${system.gatewayUrl}/greeting`)).text();
        expect([start, (await buy(`${system.gatewayUrl}/v1/data/rain`)).status]).toEqual([start, 200]);
      } finally {
        await system.close();
      }
    }
  });
});
