/*
 * Starts the process beside the one that measures: the origin, and the bridge with its embedded node. Effects: a process.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type WalletAddress } from '#local/embedded-wallet.ts';

/** What parts.ts tells on its first line. */
export interface PartAddresses {
  readonly originUrl: string;
  readonly bridgeUrl: string;
  readonly wallet: WalletAddress;
}

export interface Parts extends PartAddresses {
  readonly pid: number;
  close(): void;
}

/** For the metrics of the bridge. */
const METRICS_TOKEN = 'cc'.repeat(32);

/** Starts origin and bridge; the origin may take its time for each answer. */
export async function startParts({ secretHex, originDelayMs = 0 }: { secretHex: string; originDelayMs?: number }): Promise<Parts> {
  const child = spawn(process.execPath, [new URL('parts.ts', import.meta.url).pathname], {
    env: { ...process.env, BRIDGE_SECRET_HEX: secretHex, ORIGIN_DELAY_MS: `${originDelayMs}`, METRICS_TOKEN },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const addresses = await new Promise<PartAddresses>((resolve) => {
    createInterface({ input: child.stdout! }).once('line', (line) => resolve(JSON.parse(line) as PartAddresses));
  });
  return { ...addresses, pid: child.pid!, close: () => child.disconnect() };
}

/** How many invoices the node has made. */
export async function readMints(bridgeUrl: string): Promise<number> {
  const response = await fetch(`${bridgeUrl}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
  const text = await response.text();
  if (!response.ok) throw new Error(`the bridge tells no metrics: ${response.status}`);
  return [...text.matchAll(/^l402_bridge_mints_total\{[^}]*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}
