/*
 * A paid request behind an origin that refuses what nginx refuses: above all, a field that stands twice.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasNginx, startNginx } from '#support/nginx.ts';
import { sendRaw } from '#support/raw-http.ts';
import { startStrictOrigin, type StrictOrigin } from '#support/strict-origin.ts';
import { BRIDGE_SECRET_HEX, startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken, TOKEN_SECRET_HEX } from '#support/tokens.ts';

let system: TestSystem;
let strict: StrictOrigin;

beforeAll(async () => {
  strict = await startStrictOrigin();
  system = await startTestSystem([{ name: 'gateway', variables: { ORIGIN_URL: strict.url } }]);
});
afterAll(async () => {
  await system.close();
  await strict.close();
});

type Lines = (credential: string) => readonly string[];

/** Ways to send a credential among other fields. */
const CREDENTIALS: readonly (readonly [string, Lines])[] = [
  ['one credential', (credential) => [`Authorization: ${credential}`]],
  [
    'the old scheme and the new in two lines',
    (credential) => [`Authorization: ${credential.replace('L402', 'LSAT')}`, `Authorization: ${credential}`],
  ],
  ['a key of the origin beside the credential', (credential) => ['Authorization: Bearer own', `Authorization: ${credential}`]],
  ['a key of the origin and the field of our own', (credential) => ['Authorization: Bearer own', `L402-Authorization: ${credential}`]],
  ['fields in two lines', (credential) => [`Authorization: ${credential}`, 'Accept: a/b', 'Accept: c/d', 'Cookie: a=1', 'Cookie: b=2']],
  ['spoofed fields', (credential) => [`Authorization: ${credential}`, 'X-Forwarded-Host: a', 'X-L402-Claim: b', 'Idempotency-Key: c']],
];

describe('an origin that refuses duplicate fields', () => {
  it('refuses them in this test too', async () => {
    const doubled = await sendRaw(strict.port, { target: '/', lines: ['Authorization: a', 'Authorization: b'] });
    expect([doubled.status, doubled.body]).toEqual([400, 'duplicate header line authorization']);
  });

  it.each(CREDENTIALS)('M27: answers a paid request with %s by 200', async (_, linesOf) => {
    for (const method of ['GET', 'POST']) {
      const { authorization } = await makeToken({ service: 'call' });
      const body = method === 'POST' ? 'a body' : '';
      const answer = await sendRaw(system.ports['gateway']!, { method, target: '/call/strict', lines: linesOf(authorization), body });
      expect([answer.status, answer.body]).toEqual([200, 'strict']);
    }
  });
});

describe('a request that has no use for a body', () => {
  it.each(['GET', 'HEAD'])(
    'M17: %s is served with a length of nothing, and refused with a body before anything is sold',
    async (method) => {
      const { authorization } = await makeToken({ service: 'call' });
      const send = (headers: Record<string, string>, body = '') =>
        sendRaw(system.ports['gateway']!, { method, target: '/call/odd', headers: { authorization, ...headers }, body });
      const bodied = [await send({}, 'abc'), await send({ 'transfer-encoding': 'chunked' }, '3\r\nabc\r\n0\r\n\r\n')];
      expect(bodied.map(({ status }) => status)).toEqual([400, 400]);
      expect((await sendRaw(system.ports['gateway']!, { method, target: '/call/odd', body: 'abc' })).status).toBe(400);
      expect((await send({ 'content-length': '0' })).status).toBe(200);
      expect((await send({ 'content-length': '0' })).status).toBe(402);
    },
  );
});

describe.skipIf(!hasNginx)('nginx (skipped where it is not installed)', () => {
  it('M27: as the origin answers every paid request by 200, and by 403 what did not come through the gateway', async () => {
    const originSecret = '0e'.repeat(32);
    const nginx = await startNginx({ apiUrl: strict.url, originSecret });
    const secrets = { TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: BRIDGE_SECRET_HEX, ORIGIN_SECRET: originSecret };
    const behind = await startTestSystem([{ name: 'gateway', variables: { ORIGIN_URL: nginx.url }, secrets }]);
    try {
      for (const [name, linesOf] of CREDENTIALS) {
        const { authorization } = await makeToken({ service: 'call' });
        const sent = { method: 'POST', target: '/call/nginx?a=%20b', lines: linesOf(authorization), body: 'a body' };
        const answer = await sendRaw(behind.ports['gateway']!, sent);
        expect([name, answer.status, answer.body]).toEqual([name, 200, 'strict']);
      }
      expect((await fetch(`${nginx.url}/call/nginx`)).status).toBe(403);
      const doubled = { target: '/', lines: ['Authorization: a', 'Authorization: b'] };
      expect((await sendRaw(Number(new URL(nginx.url).port), doubled)).status).toBe(400);
    } finally {
      await behind.close();
      nginx.close();
    }
  });
});
