/*
 * The daemons of this suite, built from the Go module proxy by the ordinary `go` client: go/btcd and go/lnd pin versions
 * and checksums. Built once into an ignored folder, and again when a pin or Go changes. Effects: runs `go`, writes there.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Daemons {
  readonly btcd: string;
  readonly lnd: string;
  readonly lncli: string;
  readonly versions: Readonly<Record<'go' | 'btcd' | 'lnd', string>>;
}

export const CACHE_DIRECTORY = fileURLToPath(new URL('../../.cache/lnd', import.meta.url));
const BINARIES = join(CACHE_DIRECTORY, 'bin');
const STAMP = join(CACHE_DIRECTORY, 'built-from');
/** Where Go's own instructions put it, for a shell that has not got it on its path. */
const USUAL_GO = '/usr/local/go/bin/go';
const PROGRESS_MS = 15_000;

/** Two modules, since lnd and btcd need different versions of btcd. */
const MODULES = [
  { name: 'btcd', directory: fileURLToPath(new URL('go/btcd', import.meta.url)), tags: '', packages: ['github.com/btcsuite/btcd'] },
  {
    name: 'lnd and lncli',
    directory: fileURLToPath(new URL('go/lnd', import.meta.url)),
    tags: 'signrpc walletrpc chainrpc invoicesrpc routerrpc',
    packages: ['github.com/lightningnetwork/lnd/cmd/lnd', 'github.com/lightningnetwork/lnd/cmd/lncli'],
  },
] as const;

/** The daemons, built if need be; or what is missing to build them with. */
export async function buildDaemons(onLine: (line: string) => void): Promise<Daemons | { readonly missing: string }> {
  const go = ['go', USUAL_GO].find(isRunnable);
  if (go === undefined) return { missing: 'Go is not installed here (btcd and lnd are built with it, 1.24.9 or newer)' };
  const version = readVersion(go);
  const built = hashPins(version);
  if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== built) {
    mkdirSync(BINARIES, { recursive: true });
    if (!MODULES.every(({ directory }) => downloadModules(go, directory))) {
      return { missing: 'the sources of btcd and lnd cannot be had from the Go module proxy' };
    }
    for (const module of MODULES) await buildModule(go, { ...module, onLine });
    writeFileSync(STAMP, built);
  }
  const [btcd, lnd, lncli] = ['btcd', 'lnd', 'lncli'].map((name) => join(BINARIES, name));
  const versions = {
    go: version,
    btcd: readPin('btcd', 'github.com/btcsuite/btcd'),
    lnd: readPin('lnd', 'github.com/lightningnetwork/lnd'),
  };
  return { btcd: btcd!, lnd: lnd!, lncli: lncli!, versions };
}

/** Another toolchain is never downloaded; go.sum vouches for the modules. */
const GO_ENVIRONMENT = { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' };

function downloadModules(go: string, directory: string): boolean {
  return spawnSync(go, ['mod', 'download'], { cwd: directory, env: GO_ENVIRONMENT, stdio: 'ignore' }).status === 0;
}

type Module = (typeof MODULES)[number] & { readonly onLine: (line: string) => void };

/** Minutes when cold, so it tells that it lives, and how many packages it has behind it. */
async function buildModule(go: string, { name, directory, tags, packages, onLine }: Module): Promise<void> {
  const startedMs = Date.now();
  let compiled = 0;
  let lastError = '';
  const tell = (word: string) => onLine(`${word} ${name}: ${Math.round((Date.now() - startedMs) / 1000)} s, ${compiled} packages compiled`);
  onLine(`building ${name} (once; several minutes when nothing is cached)`);
  const child = spawn(go, ['build', '-v', '-buildvcs=false', '-mod=readonly', '-tags', tags, '-o', `${BINARIES}/`, ...packages], {
    cwd: directory,
    env: GO_ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr.on('data', (chunk: Buffer) => {
    const lines = chunk.toString().trim().split('\n');
    compiled += lines.filter((line) => /^[a-z0-9.-]+(\/\S+)*$/i.test(line)).length;
    lastError = lines.at(-1) ?? lastError;
  });
  const progress = setInterval(() => tell('still building'), PROGRESS_MS);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => clearInterval(progress));
  if (code !== 0) throw new Error(`go build of ${name} ended with code ${code}: ${lastError}`);
  tell('built');
}

function isRunnable(go: string): boolean {
  try {
    return readVersion(go) !== '';
  } catch {
    return false;
  }
}

function readVersion(go: string): string {
  return execFileSync(go, ['env', 'GOVERSION'], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, GOTOOLCHAIN: 'local' } })
    .toString()
    .trim();
}

function hashPins(version: string): string {
  const hash = createHash('sha256').update(version);
  for (const { directory, tags, packages } of MODULES) {
    hash.update(tags).update(packages.join(' '));
    for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(directory, file)));
  }
  return hash.digest('hex');
}

function readPin(module: 'btcd' | 'lnd', path: string): string {
  const text = readFileSync(new URL(`go/${module}/go.mod`, import.meta.url), 'utf8');
  return new RegExp(`^\\s*(?:require )?${path} (v\\S+)`, 'm').exec(text)?.[1] ?? 'unknown';
}
