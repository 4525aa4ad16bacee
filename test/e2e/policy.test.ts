/*
 * The objects behind the policies on raw workerd: two Workers on one namespace, real sockets, processes killed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorkerd, type RunningWorkerd } from '#local/workerd-process.ts';
import { BUNDLES } from '#support/build-worker.ts';
import { sendRaw } from '#support/raw-http.ts';

const directory = mkdtempSync(join(tmpdir(), 'l402-edge-policies-'));
const gateways = [
  { name: 'one', port: 0, bundlePath: BUNDLES.policy, variables: {}, secrets: {} },
  // Another Worker with an isolate of its own, on the same objects: what two instances of a deployment are.
  { name: 'two', port: 0, bundlePath: BUNDLES.policy, variables: {}, secrets: {}, claimsOf: 'one' },
];
const start = () => startWorkerd({ directory, gateways, environment: {}, onLine: () => undefined });
let workerd: RunningWorkerd;

beforeAll(async () => {
  workerd = await start();
});
afterAll(async () => {
  await workerd.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

async function ask<Answer>(name: string, target: string): Promise<Answer> {
  return (await fetch(`http://127.0.0.1:${workerd.ports[name]}${target}`)).json() as Promise<Answer>;
}

describe('two Workers on one namespace', () => {
  it('D22: share one count: of 200 calls at once over both exactly the limit passes', async () => {
    const names = Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? 'one' : 'two'));
    const answers = await Promise.all(names.map((name) => ask<{ allowed: boolean }>(name, '/rate?limit=40')));
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(40);
  });

  it('D22: count a client that has not paid together', async () => {
    const names = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? 'one' : 'two'));
    const answers = await Promise.all(names.map((name) => ask<{ kind: string }>(name, '/quota')));
    expect(answers.filter(({ kind }) => kind === 'challenge')).toHaveLength(10);
  });

  it('M30: know of a revocation that was made before they began, and so do those that begin after a SIGKILL', async () => {
    expect(await ask('one', '/revoke')).toBe('recorded');
    expect(await ask('two', '/control')).toEqual({ isStale: false, isRevoked: true });
    await workerd.kill('SIGKILL');
    workerd = await start();
    expect(await ask('one', '/control')).toEqual({ isStale: false, isRevoked: true });
  });
});

describe('a client over a real socket', () => {
  it('M21: with 1,000 forged headers is one client', async () => {
    const port = workerd.ports['one']!;
    const keys = new Set<string>();
    for (let sent = 0; sent < 1000; sent += 50) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) => {
          const forged = `203.0.${(sent + index) >> 8}.${(sent + index) & 0xff}`;
          const headers = {
            'cf-connecting-ip': forged,
            'x-forwarded-for': forged,
            'x-real-ip': forged,
            'cf-ray': `${sent + index}-FRA`,
            'cf-ipcountry': 'DE',
            'cf-blob': `{"colo":"FRA","clientIp":"${forged}:1"}`,
          };
          return sendRaw(port, { target: '/client', headers });
        }),
      );
      for (const { body } of answers) keys.add(body);
    }
    expect([...keys].map((body) => /\{.*\}/.exec(body)?.[0])).toEqual(['{"key":"127.0.0.1","crowd":["127.0.0.0/24","127.0.0.0/16"]}']);
  });

  it('waits for a place at the origin among others, and only one is inside at a time', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask<{ mostInside: number }>('one', '/place')));
    expect(answers.every(({ mostInside }) => mostInside === 1)).toBe(true);
  });
});
