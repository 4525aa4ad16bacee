/*
 * What is installed: exactly what was tested, and nothing that has to run code to be installed where the gateway or the
 * bridge runs.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

type Versions = Readonly<Record<string, string>>;
interface Installed {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly dependencies: Versions;
  readonly devDependencies: Versions;
};
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { readonly packages: Readonly<Record<string, Installed>> };
const installed = Object.entries(packages).filter(([path]) => path !== '');

describe('dependencies', () => {
  it('every dependency is of one exact version, with its hash in the lock file', () => {
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[a-z0-9.]+)?$/);
      expect(packages[`node_modules/${name}`]?.version, name).toBe(version);
    }
    expect(installed.length).toBeGreaterThan(50);
    for (const [path, { integrity }] of installed) expect(integrity, path).toMatch(/^sha512-/);
  });

  it('nothing that the bridge or the Worker runs has an install script', () => {
    const running = installed.filter(([, { dev }]) => dev !== true);
    expect(running.map(([path]) => path)).toContain('node_modules/hono');
    expect(running.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([]);
  });
});
