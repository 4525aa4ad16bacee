/*
 * First purchases, end to end: challenge, payment at the embedded node, call. Each is another client with the SDK. Effects:
 * requests.
 */
import { createL402Fetch } from '#client/index.ts';
import { createEmbeddedWallet, type WalletAddress } from '#local/embedded-wallet.ts';
import { type Load } from './load.ts';
import { readCpuMs } from './process-facts.ts';
import { percentile } from './statistics.ts';

export interface PurchaseOptions {
  readonly url: string;
  readonly wallet: WalletAddress;
  readonly seconds: number;
  /** The process whose CPU time is told. */
  readonly pid: number;
}

const AT_ONCE = 4;
let clients = 0;

/** Buys for so long, and tells as of a load: the unit is a purchase, which is two requests. */
export async function measurePurchases({ url, wallet, seconds, pid }: PurchaseOptions): Promise<Load> {
  const pay = createEmbeddedWallet(wallet);
  const times: number[] = [];
  const cpuBefore = readCpuMs(pid);
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1000;
  const buy = async () => {
    while (performance.now() < endMs) {
      const client = clients++;
      const l402Fetch = createL402Fetch({ wallet: pay, maxPriceSats: 10, network: 'regtest' });
      const begunMs = performance.now();
      const response = await l402Fetch(url, { headers: { 'x-forwarded-for': `10.9.${(client >> 8) & 255}.${client & 255}` } });
      await response.arrayBuffer();
      if (response.status !== 200) throw new Error(`${url}: a purchase ended with ${response.status}`);
      times.push(performance.now() - begunMs);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, buy));
  const tookSeconds = (performance.now() - startedMs) / 1000;
  return {
    rps: times.length / tookSeconds,
    p50Ms: percentile(times, 50),
    p99Ms: percentile(times, 99),
    cpuUs: ((readCpuMs(pid) - cpuBefore) * 1000) / times.length,
  };
}
