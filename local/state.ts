/*
 * Where the local system keeps its things, and what it leaves there for `npm run buy`: the address and token of the
 * embedded wallet, readable by the owner only. Effects: reads and writes files under that folder.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type WalletAddress } from './embedded-wallet.ts';

export const STATE_DIRECTORY = '.l402';
export const BUNDLE_DIRECTORY = 'dist';

/** Leaves the wallet's address for other commands. */
export function writeWalletFile(directory: string, wallet: WalletAddress): void {
  writeFileSync(join(directory, 'wallet.json'), `${JSON.stringify(wallet)}\n`, { mode: 0o600 });
}

/** Takes it away again. */
export function removeWalletFile(directory: string): void {
  rmSync(join(directory, 'wallet.json'), { force: true });
}

/** The wallet of the system that runs now; nothing when none does. */
export function readWalletFile(directory: string): WalletAddress | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, 'wallet.json'), 'utf8')) as WalletAddress;
  } catch {
    return undefined;
  }
}
