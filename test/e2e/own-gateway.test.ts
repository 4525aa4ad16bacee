/*
 * `npm start` and the check before a build, in a copy of the project whose gateway.config.ts is the seller's own.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestOrigin, type TestOrigin } from '#support/test-origin.ts';

const PARTS = ['src', 'scripts', 'local', 'lnd-bridge', 'durable-objects', 'client', 'bundle', 'wrangler.toml', 'package.json'];
const project = mkdtempSync(join(tmpdir(), 'l402-own-'));
let origin: TestOrigin;

beforeAll(async () => {
  for (const part of PARTS) cpSync(part, join(project, part), { recursive: true });
  symlinkSync(resolve('node_modules'), join(project, 'node_modules'));
  origin = await startTestOrigin();
});
afterAll(async () => {
  await origin.close();
  rmSync(project, { recursive: true });
});

function sell(gateway: string): void {
  const text = `import { defineGateway } from 'l402-edge/config';\nexport const gateway = defineGateway(${gateway});\n`;
  writeFileSync(join(project, 'gateway.config.ts'), text);
}

function run(script: string, environment: Readonly<Record<string, string>> = {}) {
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, [join(project, 'scripts', script)], { cwd: project, env });
  let output = '';
  const ended = new Promise<number | null>((done) => void child.once('close', done));
  const sells = new Promise<void>((found) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes('Ctrl-C stops everything')) found();
      });
    }
  });
  return { child, ended, sells: Promise.race([sells, ended]), output: () => output };
}

/** Starts, asks for these paths, and ends again. */
async function ask(paths: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const start = run('start.ts', { PORT: '0', ...environment });
  await start.sells;
  const url = /sells \S+ at (http:\S+)/.exec(start.output())?.[1];
  const prices: unknown[] = [];
  for (const path of paths) {
    const response = await fetch(`${url}${path}`);
    prices.push(response.status === 402 ? ((await response.json()) as { price_sats: number }).price_sats : response.status);
  }
  start.child.kill('SIGINT');
  expect(await start.ended).toBe(0);
  return { prices, output: start.output() };
}

describe('a gateway.config.ts of one’s own', () => {
  it('is what npm start sells: its origin, its prices, a call of its own as the example, and what can never match is said', async () => {
    sell(`{
      origin: '${origin.url}',
      routes: [
        { match: 'GET /free', free: true },
        { match: 'GET /v1/weather/:city', priceSats: 7 },
        { match: 'GET /v1/weather/oslo', priceSats: 9 },
      ],
    }`);
    const { prices, output } = await ask(['/free', '/v1/weather/oslo', '/greeting']);
    expect(prices).toEqual([200, 7, 404]);
    expect(origin.seen.at(-1)).toMatchObject({ url: '/free' });
    expect(output).toContain(`sells ${origin.url} at `);
    expect(output).toMatch(/npm run buy -- http:\/\/127\.0\.0\.1:[0-9]+\/v1\/weather\/city$/m);
    expect(output).toContain('Authorization: L402 <token>:<preimageHex>');
    expect(output).toContain('warning: gateway.config.ts: route "GET /v1/weather/oslo" can never match');
    expect(output).not.toContain('/greeting');
  });

  it('keeps its routes and prices when ORIGIN_URL names another origin', async () => {
    sell(`{ origin: 'http://127.0.0.1:1', routes: [{ match: '/free', free: true }, { match: '/dear', priceSats: 50 }] }`);
    const { prices, output } = await ask(['/free', '/dear', '/else'], { ORIGIN_URL: origin.url, PRICE_SATS: '' });
    expect(prices).toEqual([200, 50, 404]);
    expect(output).toContain(`sells ${origin.url} at `);
  });

  it('is refused before anything is sold or built when it is wrong, each mistake on a line of its own', async () => {
    sell(`{ origin: 'localhost:3000', routes: [{ match: 'get /a', priceSats: 1 }, { match: '/b', priceSats: '5' as never }] }`);
    for (const script of ['start.ts', 'check-config.ts']) {
      const { ended, output } = run(script);
      expect([script, await ended]).toEqual([script, 1]);
      for (const key of ['origin', 'routes.0.match', 'routes.1.priceSats'])
        expect(output()).toMatch(new RegExp(`^  gateway\\.config\\.ts: ${key}: `, 'm'));
      expect(output()).not.toMatch(/sells|^ +at /m);
    }
    writeFileSync(join(project, 'gateway.config.ts'), 'export const gateway = {');
    const { ended, output } = run('check-config.ts');
    expect([await ended, output()]).toEqual([1, expect.stringContaining('gateway.config.ts: cannot be read: ')]);
  });

  it('needs no secret of the platform to be built, and is looked at before every build and deployment', async () => {
    sell(
      `{ routes: [{ match: '/a', price: { service: 'PRICING' }, minSats: 1, maxSats: 9, setHeaders: { 'x-key': { secret: 'KEY' } } }] }`,
    );
    const { ended, output } = run('check-config.ts');
    expect([await ended, output()]).toEqual([0, '']);
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    for (const name of ['build', 'deploy']) expect(scripts[name]).toMatch(/^npm run -s check:config && wrangler deploy/);
  });
});

describe('npm start', () => {
  it('says in a sentence that a port is none', async () => {
    sell('{}');
    const { ended, output } = run('start.ts', { PORT: '99999' });
    expect([await ended, output()]).toEqual([1, 'Not started:\n  environment: PORT: must be a whole number from 0 to 65535\n']);
  });
});
