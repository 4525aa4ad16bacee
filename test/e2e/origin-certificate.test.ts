/*
 * An origin behind TLS whose certificate nobody vouches for: it is not talked to, and the payment is not used up.
 */
import { createServer, type Server } from 'node:https';
import { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeCertificate } from '#support/nodes/certificate.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';

const seen: string[] = [];
let connections = 0;
let origin: Server;
let system: TestSystem;

beforeAll(async () => {
  const { certPem, keyPem } = makeCertificate('localhost');
  origin = createServer({ cert: certPem, key: keyPem }, (request, response) => {
    seen.push(request.url ?? '');
    response.end('from whoever this is');
  });
  origin.on('connection', () => void (connections += 1));
  await new Promise<void>((resolve) => void origin.listen(0, '127.0.0.1', resolve));
  const variables = { ORIGIN_URL: `https://localhost:${(origin.address() as AddressInfo).port}` };
  system = await startTestSystem([
    { name: 'impostor', variables },
    { name: 'gateway', claimsOf: 'impostor' },
  ]);
});
afterAll(async () => {
  await system.close();
  origin.closeAllConnections();
  await new Promise((resolve) => void origin.close(resolve));
});

it('an origin with a certificate that nobody vouches for gets no request: 502, and the payment is as good as before', async () => {
  const { authorization } = await makeToken({ service: 'call' });
  const ask = (gateway: string) => fetch(`${system.urlOf(gateway)}/call/x`, { headers: { authorization } });
  const refused = await ask('impostor');
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([502, 'origin_unreachable']);
  expect([connections > 0, seen]).toEqual([true, []]);
  expect((await ask('gateway')).status).toBe(200);
});
