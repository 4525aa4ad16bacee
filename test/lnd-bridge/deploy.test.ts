/*
 * What is shipped: the container's files are enough to run, nothing runs as root, and the docs name what the tests hold.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readConfig } from '#lnd-bridge/config.ts';
import { readSettings } from '#lnd-bridge/settings-files.ts';
import { makeCertificate } from '#support/nodes/certificate.ts';
import { FEED_METHODS, GATEWAY_METHODS } from '#support/nodes/cln-server.ts';
import { FEED_PERMISSIONS, GATEWAY_PERMISSIONS, makeLndMacaroon } from '#support/nodes/lnd-server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

function makeFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'l402-deploy-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

describe('the container', () => {
  const dockerfile = read('lnd-bridge/deploy/Dockerfile');

  test('holds all that the bridge needs: it runs from the copied files and the production dependencies alone', () => {
    const folder = makeFolder();
    const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
    const copied = [...last.matchAll(/^COPY (?!--from)(\S+) (\S+)$/gm)];
    expect(copied.length).toBeGreaterThan(2);
    for (const [, from, to] of copied) cpSync(join(ROOT, from!), join(folder, to === './' ? from! : to!), { recursive: true });
    // Production dependencies of the lockfile, and nothing else that lies in this checkout's folder.
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { dev?: boolean; optional?: boolean }> };
    for (const [path, { dev, optional }] of Object.entries(packages)) {
      if (!path.startsWith('node_modules/') || path.lastIndexOf('node_modules/') > 0 || dev || optional) continue;
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      symlinkSync(join(ROOT, path), join(folder, path));
    }
    const run = (...argv: string[]) =>
      spawnSync(process.execPath, ['lnd-bridge/main.ts', ...argv], {
        cwd: folder,
        env: { BRIDGE_SECRET: 'c3'.repeat(32) },
        encoding: 'utf8',
      });
    expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('Usage:') as string });
    expect(run('check')).toMatchObject({ status: 0 });
  });

  test('does not run as root, and its ignore file lets through what it copies', () => {
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile.indexOf('USER node')).toBeLessThan(dockerfile.indexOf('ENTRYPOINT'));
    const ignore = read('lnd-bridge/deploy/Dockerfile.dockerignore').split('\n');
    for (const [, from] of dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm))
      for (const path of from!.split(' ')) expect(ignore).toContain(`!${path}`);
  });
});

describe('the systemd unit', () => {
  const unit = read('lnd-bridge/deploy/l402-bridge.service');

  test('names settings that exist, and hands secrets over as files', () => {
    const folder = makeFolder();
    const files: Record<string, string | Buffer> = {
      secret: 'c3'.repeat(32),
      'preimage-secret': '5e'.repeat(32),
      macaroon: Buffer.from(makeLndMacaroon(GATEWAY_PERMISSIONS), 'hex'),
      cert: makeCertificate().certPem,
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const environment = Object.fromEntries(
      [...unit.matchAll(/^Environment=([A-Z_0-9]+)=(.+)$/gm)].map(([, key, value]) => [key!, value!.replace('%d', folder)]),
    );
    expect(Object.keys(environment)).toHaveLength([...unit.matchAll(/^LoadCredential=/gm)].length);
    const settings = readSettings(environment, { configPath: join(ROOT, 'lnd-bridge/deploy/bridge.example.json') });
    const config = settings.ok ? readConfig(settings.value) : settings;
    expect(config).toMatchObject({ ok: true, value: { network: 'mainnet', strict: true, nodes: [{ kind: 'lnd' }] } });
  });

  test('runs as a user of its own and gives a stop the time that it takes', () => {
    for (const line of [
      'DynamicUser=yes',
      'NoNewPrivileges=yes',
      'ProtectSystem=strict',
      'CapabilityBoundingSet=',
      'RestartPreventExitStatus=2',
      'TimeoutStopSec=15',
    ]) {
      expect(unit.split('\n')).toContain(line);
    }
  });
});

describe('docs/bridge.md', () => {
  const page = read('docs/bridge.md');

  test('P23 names exactly the permissions that the tests hold to be enough', () => {
    const bake = /lncli bakemacaroon([\s\S]*?)```/.exec(page)?.[1] ?? '';
    expect([...bake.matchAll(/uri:\S+/g)].map(([uri]) => uri).sort()).toEqual([...GATEWAY_PERMISSIONS].sort());
    const rune = /createrune restrictions='(.*)'/.exec(page)?.[1] ?? '[]';
    expect(JSON.parse(rune)).toEqual([GATEWAY_METHODS]);
    const strict = page.split(/^## /m).find((section) => section.startsWith('Strict settlement')) ?? '';
    expect([...GATEWAY_PERMISSIONS, ...(strict.match(/uri:[\w./]+/g) ?? [])]).toEqual(FEED_PERMISSIONS);
    expect(strict.match(/method=\w+/g)).toEqual(FEED_METHODS);
  });

  test('names no setting that does not exist', () => {
    const help = spawnSync(process.execPath, ['lnd-bridge/main.ts', '--help'], { cwd: ROOT, env: {}, encoding: 'utf8' }).stdout;
    const known = new Set([...help.matchAll(/BRIDGE_[A-Z0-9_]+/g)].map(([name]) => name));
    // The gateway's own, and the forms that the help describes in words.
    for (const name of ['BRIDGE_URL', 'BRIDGE_NODE2', 'BRIDGE_NODE4']) known.add(name);
    const named = [...page.matchAll(/BRIDGE_[A-Z0-9_]+/g)].map(([name]) => name.replace(/_FILE$/, ''));
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test('says which backends were not run against live nodes', () => {
    expect(page.replaceAll('\n', ' ')).toContain('Eclair and phoenixd have not been run against a live node');
  });
});
