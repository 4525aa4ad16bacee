/*
 * The file in which `npm run buy` keeps paid credentials, in the state folder and readable only by its owner. For one process
 * at a time. Effects: reads and writes that file.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CredentialStore } from '#client/credential-store.ts';

/** Opens the store of a state folder. An unreadable file stops the call: a paid credential must not be bought again. */
export function openCredentialFile(directory: string): CredentialStore {
  const path = join(directory, 'credentials.json');
  const read = (): Map<string, string> => {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
      throw error;
    }
    return new Map(Object.entries(JSON.parse(text) as Record<string, string>));
  };
  const change = (work: (credentials: Map<string, string>) => void) => {
    const credentials = read();
    work(credentials);
    mkdirSync(directory, { recursive: true });
    writeFileSync(path, `${JSON.stringify(Object.fromEntries(credentials), undefined, 2)}\n`, { mode: 0o600 });
  };
  return {
    get: (key) => read().get(key),
    set: (key, credential) => change((credentials) => credentials.set(key, credential)),
    delete: (key) => change((credentials) => credentials.delete(key)),
  };
}
