/*
 * The local system's state folder, and what it leaves there for `npm run buy`: the address and token of the embedded wallet,
 * readable only by the owner. Only one system at a time may use the folder. Effects: reads and writes files under that
 * folder.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type WalletAddress } from './embedded-wallet.ts';

export const STATE_DIRECTORY = '.l402';
export const BUNDLE_DIRECTORY = 'dist';

/**
 * Locks a folder against other systems until it is released or this process ends in any way: two gateways on one folder would
 * each grant the same payment. Throws if another system holds it.
 */
export function takeState(directory: string): () => void {
  const lock = new DatabaseSync(join(directory, 'in-use.sqlite'));
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch {
    lock.close();
    throw new Error(`${directory} is in use: another l402-edge runs on it. End that one first, or start this one in another folder.`);
  }
  return () => lock.close();
}

/** Writes the wallet's address for other commands. */
export function writeWalletFile(directory: string, wallet: WalletAddress): void {
  writeFileSync(join(directory, 'wallet.json'), `${JSON.stringify(wallet)}\n`, { mode: 0o600 });
}

/** Removes the wallet's address. */
export function removeWalletFile(directory: string): void {
  rmSync(join(directory, 'wallet.json'), { force: true });
}

/** Returns the wallet of the running system; `undefined` if none runs. */
export function readWalletFile(directory: string): WalletAddress | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, 'wallet.json'), 'utf8')) as WalletAddress;
  } catch {
    return undefined;
  }
}
