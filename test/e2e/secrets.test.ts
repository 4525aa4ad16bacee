/*
 * A run with everything in it that has a secret: sales, replays, forgeries, orders of the operator, an origin that fails, a
 * restart. Afterwards none of them stands in the log, in an answer, on the disk, or in what the origin has seen.
 */
import { createHash } from 'node:crypto';
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { BRIDGE_SECRET_HEX, startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken, OTHER_SECRET, TOKEN_SECRET_HEX } from '#support/tokens.ts';

const ADMIN_SECRET = 'ad'.repeat(32);
const ORIGIN_SECRET = '0c'.repeat(32);
/** Where a secret could come out: each text with the place that it was found in. */
const seen: { readonly place: string; readonly text: string }[] = [];
const secrets = new Map<string, string>();
const tokens = new Map<string, string>();
let system: TestSystem;

beforeAll(async () => {
  system = await startTestSystem([
    {
      name: 'gateway',
      secrets: { TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: BRIDGE_SECRET_HEX, ADMIN_SECRET, ORIGIN_SECRET },
    },
  ]);
  await runEverything();
});
afterAll(() => system.close());

async function ask(path: string, headers: Record<string, string> = {}, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(`${system.urlOf('gateway')}${path}`, { ...init, headers });
  const text = `${JSON.stringify([...response.headers])}${await response.text()}`;
  seen.push({ place: `the answer to ${init.method ?? 'GET'} ${path} (${response.status})`, text });
  return response;
}

async function show(path: string, name: string, credential: { readonly token: string; readonly preimage: Uint8Array | string }) {
  const preimage = typeof credential.preimage === 'string' ? credential.preimage : Buffer.from(credential.preimage).toString('hex');
  secrets.set(`the preimage of ${name}`, preimage);
  tokens.set(`the token of ${name}`, credential.token);
  const authorization = formatCredential({ scheme: 'L402', token: credential.token, preimage: Buffer.from(preimage, 'hex') });
  return (await ask(path, { authorization })).status;
}

async function runEverything(): Promise<void> {
  secrets.set('TOKEN_SECRET_1', TOKEN_SECRET_HEX);
  secrets.set('BRIDGE_SECRET', BRIDGE_SECRET_HEX);
  secrets.set('ADMIN_SECRET', ADMIN_SECRET);
  secrets.set('ORIGIN_SECRET', ORIGIN_SECRET);
  secrets.set('the token of the wallet', system.bridge.wallet.token);
  const offer = parseL402Offer((await ask('/call/bought')).headers.get('www-authenticate')!);
  if (!offer.ok) throw new Error('the challenge cannot be read');
  const bought = { token: offer.value.token, preimage: await system.pay(offer.value.invoice) };
  const made = await makeToken({ service: 'call' });
  const calls: readonly (readonly [number, string, string, { readonly token: string; readonly preimage: Uint8Array | string }])[] = [
    [200, '/call/bought', 'a sale', bought],
    [402, '/call/bought', 'a replay', bought],
    [402, '/call/x', 'a wrong preimage', { ...made, preimage: 'ab'.repeat(32) }],
    [402, '/call/x', 'a stranger', await makeToken({ service: 'call', secret: OTHER_SECRET })],
    [402, '/call/x', 'another service', await makeToken({ service: 'premium' })],
    [402, '/call/x', 'an end', await makeToken({ service: 'call', terms: { validUntilSeconds: 1 } })],
    [402, '/call/x', 'no token', { token: 'bm90IGEgdG9rZW4gYXQgYWxsIGJ1dCBsb25nIGVub3VnaA', preimage: 'cd'.repeat(32) }],
    [400, '/call//x', 'a bad path', await makeToken({ service: 'call' })],
    [404, '/nowhere', 'a lost way', await makeToken({ service: 'call' })],
    [502, '/call/reset', 'a reset', await makeToken({ service: 'call' })],
    [504, '/call/hang', 'a slow call', await makeToken({ service: 'call' })],
    [503, '/call/status/503', 'a failure', await makeToken({ service: 'call' })],
    [200, '/call/echo', 'an answer', await makeToken({ service: 'call' })],
  ];
  for (const [status, path, name, credential] of calls) expect([name, await show(path, name, credential)]).toEqual([name, status]);
  const order = (token: string) =>
    ask(
      '/_l402/control',
      { authorization: `Bearer ${ADMIN_SECRET}` },
      { method: 'POST', body: JSON.stringify({ revoke: 'token', token }) },
    );
  expect((await order(made.token)).status).toBe(200);
  expect((await order('none')).status).toBe(400);
  expect(await show('/call/x', 'a revoked token', made)).toBe(402);
  await system.restart();
  expect(await show('/call/bought', 'a replay after a restart', bought)).toBe(402);
}

/** The forms in which a secret of 32 bytes could stand somewhere. */
function formsOf(secret: string): readonly Buffer[] {
  const bytes = /^[0-9a-f]{64}$/.test(secret) ? Buffer.from(secret, 'hex') : undefined;
  const texts = bytes === undefined ? [secret] : [secret, secret.toUpperCase(), bytes.toString('base64'), bytes.toString('base64url')];
  return [...texts.map((text) => Buffer.from(text)), ...(bytes === undefined ? [] : [bytes])];
}

function findIn(place: Buffer, values: ReadonlyMap<string, string>): readonly string[] {
  return [...values].filter(([, value]) => formsOf(value).some((form) => place.includes(form))).map(([name]) => name);
}

describe('after a run with everything in it', () => {
  it('the log, which has told of all of it, holds no secret, preimage or token', () => {
    const log = system.lines.join('\n');
    for (const event of ['"event":"use"', '"event":"order"', 'origin_unreachable', 'preimage_wrong']) expect(log).toContain(event);
    expect(findIn(Buffer.from(log), new Map([...secrets, ...tokens]))).toEqual([]);
  });

  it('each order of the operator stands in the log, by what it did', () => {
    expect(system.lines.filter((line) => line.includes('"event":"order"'))).toEqual(['{"event":"order","order":"revoke token"}']);
    expect(system.lines.filter((line) => line.includes('order_invalid')).length).toBe(1);
  });

  it('no answer holds a secret, or the credential that was shown', () => {
    expect(seen.length).toBeGreaterThan(15);
    // The first challenge is where the token of the sale is handed over.
    for (const { place, text } of seen.slice(1))
      expect([place, ...findIn(Buffer.from(text), new Map([...secrets, ...tokens]))]).toEqual([place]);
  });

  it('no file that the gateway has written holds a secret or a preimage', () => {
    const files = globSync('**/*', { cwd: system.directory }).filter((file) => statSync(join(system.directory, file)).isFile());
    // What may be there is found: the payment's hash.
    const hash = createHash('sha256')
      .update(Buffer.from(secrets.get('the preimage of a sale')!, 'hex'))
      .digest('hex');
    expect(files.filter((file) => findIn(readFileSync(join(system.directory, file)), new Map([['hash', hash]])).length > 0)).not.toEqual(
      [],
    );
    for (const file of files) expect([file, ...findIn(readFileSync(join(system.directory, file)), secrets)]).toEqual([file]);
  });

  it('M27: the origin has seen no token, preimage or secret', () => {
    expect(system.origin.seen.length).toBeGreaterThan(3);
    const requests = Buffer.from(JSON.stringify(system.origin.seen));
    expect(findIn(requests, new Map([...secrets, ...tokens]))).toEqual([]);
  });
});
