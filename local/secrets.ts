/*
 * The secrets of a local system: created once and kept in a file that only its owner can read, so that tokens outlive a
 * restart. For local use: a deployment has its own. Effects: reads and writes that file.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LocalSecrets {
  readonly tokenSecretHex: string;
  readonly bridgeSecretHex: string;
  /** The key of the embedded node: with the same key it settles invoices from before a restart. */
  readonly nodeKeyHex: string;
}

/** Loads the secrets of a state folder; creates them at first use and reports that. */
export function loadLocalSecrets(directory: string): { readonly secrets: LocalSecrets; readonly made: boolean } {
  const path = join(directory, 'secrets.json');
  try {
    const kept = JSON.parse(readFileSync(path, 'utf8')) as Partial<LocalSecrets>;
    const { tokenSecretHex, bridgeSecretHex, nodeKeyHex } = kept;
    if (tokenSecretHex === undefined || bridgeSecretHex === undefined) throw new Error(`${path} is not complete; delete it to start anew`);
    if (nodeKeyHex !== undefined) return { secrets: { tokenSecretHex, bridgeSecretHex, nodeKeyHex }, made: false };
    return { secrets: write(path, { tokenSecretHex, bridgeSecretHex, nodeKeyHex: makeKey() }), made: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new Error(`${path} cannot be read; delete it to start anew`, { cause: error });
  }
  mkdirSync(directory, { recursive: true });
  return { secrets: write(path, { tokenSecretHex: makeKey(), bridgeSecretHex: makeKey(), nodeKeyHex: makeKey() }), made: true };
}

/** All but some 2^128 values of 32 bytes are valid secp256k1 keys. */
function makeKey(): string {
  return randomBytes(32).toString('hex');
}

function write(path: string, secrets: LocalSecrets): LocalSecrets {
  writeFileSync(path, `${JSON.stringify(secrets, undefined, 2)}\n`, { mode: 0o600 });
  return secrets;
}
