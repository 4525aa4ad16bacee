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
}

/** The secrets of a state folder; makes them at first use and says so. */
export function loadLocalSecrets(directory: string): { readonly secrets: LocalSecrets; readonly made: boolean } {
  const path = join(directory, 'secrets.json');
  try {
    const secrets = JSON.parse(readFileSync(path, 'utf8')) as LocalSecrets;
    return { secrets, made: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new Error(`${path} cannot be read; delete it to start anew`, { cause: error });
  }
  const secrets = { tokenSecretHex: randomBytes(32).toString('hex'), bridgeSecretHex: randomBytes(32).toString('hex') };
  mkdirSync(directory, { recursive: true });
  writeFileSync(path, `${JSON.stringify(secrets, undefined, 2)}\n`, { mode: 0o600 });
  return { secrets, made: true };
}
