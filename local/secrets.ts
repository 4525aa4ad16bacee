/*
 * The secrets of a local system: made once, kept in a file that only its owner can read, so that tokens outlive a restart.
 * For local use: a deployment has its own. Effects: reads and writes that file.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LocalSecrets {
  readonly tokenSecretHex: string;
  readonly bridgeSecretHex: string;
  /** Of the embedded node: with the same key it settles what it made before a restart. */
  readonly nodeKeyHex: string;
}

/** The secrets of a state folder; makes them at first use and says so. */
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

/** Any 32 bytes but some 2^128 of them are a key of secp256k1. */
function makeKey(): string {
  return randomBytes(32).toString('hex');
}

function write(path: string, secrets: LocalSecrets): LocalSecrets {
  writeFileSync(path, `${JSON.stringify(secrets, undefined, 2)}\n`, { mode: 0o600 });
  return secrets;
}
