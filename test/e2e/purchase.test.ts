/*
 * The whole way over real sockets: raw workerd, the bridge's embedded node, an origin that remembers what it saw.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createL402Fetch } from '#client/index.ts';
import { formatHex, parseHex } from '#protocol/bytes.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { startCountingProxy } from '#support/counting-proxy.ts';
import { sendRaw } from '#support/raw-http.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';

let system: TestSystem;
let gateway: string;
/** Sells a whole origin with nothing but its address. */
let plain: string;

beforeAll(async () => {
  system = await startTestSystem([{ name: 'gateway' }, { name: 'plain', bundle: 'shipped', variables: { PRICE_SATS: '1' } }]);
  gateway = system.urlOf('gateway');
  plain = system.urlOf('plain');
});
afterAll(() => system.close());

async function challengeOf(url: string, init?: RequestInit) {
  const response = await fetch(url, init);
  const offer = parseL402Offer(response.headers.get('www-authenticate') ?? '');
  if (!offer.ok) throw new Error(`${response.status}: no offer`);
  const invoice = parseInvoice(offer.value.invoice);
  if (!invoice.ok) throw new Error(invoice.refusal.code);
  return { response, ...offer.value, facts: invoice.value };
}

describe('buying one call', () => {
  it('D1 P28: asks for payment, takes it, and answers with what the origin says', async () => {
    const { response, token, invoice } = await challengeOf(`${gateway}/call/first`);
    expect(response.status).toBe(402);
    const preimage = parseHex(await system.pay(invoice))!;
    const paid = await fetch(`${gateway}/call/first`, {
      headers: { authorization: formatCredential({ scheme: 'L402', token, preimage }) },
    });
    expect([paid.status, await paid.text()]).toEqual([200, 'origin']);
    expect(paid.headers.get('l402-remaining')).toBe('0');
    expect(paid.headers.get('cache-control')).toMatch(/^private/);

    const l402Fetch = createL402Fetch({ wallet: system.pay, maxPriceSats: 10, network: 'regtest' });
    expect(await (await l402Fetch(`${gateway}/call/second`)).text()).toBe('origin');
  });

  it('P1: takes two requests the first time and one for each use after that, and the next purchase two again', async () => {
    const proxy = await startCountingProxy(system.ports['gateway']!);
    try {
      const l402Fetch = createL402Fetch({ wallet: system.pay, maxPriceSats: 10, network: 'regtest' });
      const init = { method: 'POST', body: '{"question":1}' };
      for (let calls = 0; calls < 4; calls++) {
        const response = await l402Fetch(`${proxy.url}/pack/echo`, init);
        expect([response.status, await response.text()]).toEqual([200, init.body]);
      }
      const one = { method: 'POST', url: '/pack/echo' };
      const purchase = [
        { ...one, hasCredential: false, status: 402 },
        { ...one, hasCredential: true, status: 200 },
      ];
      const use = { ...one, hasCredential: true, status: 200 };
      // The payment is for three calls; the client knows when it has made them.
      expect(proxy.passed).toEqual([...purchase, use, use, ...purchase]);
    } finally {
      await proxy.close();
    }
  });

  it('D6 D8 F7: with no price set, a call costs 1,000 msat, and the token names the hash of that invoice', async () => {
    const { facts, token, response } = await challengeOf(`${plain}/anything`);
    expect(facts.amountMsat).toBe(1000n);
    const macaroon = parseToken(token);
    expect(macaroon.ok && formatHex(macaroon.value.identifier.slice(2, 34))).toBe(formatHex(facts.paymentHash));
    expect(await response.json()).toMatchObject({
      code: 'payment_required',
      price_sats: 1,
      price_msat: 1000,
      invoice: facts.invoice,
      token,
    });
  });

  it('D4 Y6: an origin that knows nothing of payments gets method, path, query, headers and body as they were sent', async () => {
    const l402Fetch = createL402Fetch({ wallet: system.pay, maxPriceSats: 10, network: 'regtest' });
    const init = { method: 'PUT', headers: { 'content-type': 'application/json', 'x-own': 'kept' }, body: '{"a":[1,2]}' };
    const response = await l402Fetch(`${plain}/deep/path.json?q=1&r=%20x`, init);
    expect(response.status).toBe(200);
    const seen = system.origin.seen.filter(({ url }) => url.startsWith('/deep/'));
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: 'PUT', url: '/deep/path.json?q=1&r=%20x', body: '{"a":[1,2]}' });
    expect(seen[0]!.headers).toMatchObject({ 'content-type': 'application/json', 'x-own': 'kept', 'content-length': '11' });
  });

  it('M27: the origin sees no credential, keeps its own Authorization, and cannot be fooled by spoofed fields', async () => {
    const { authorization, token } = await makeToken({ service: 'call' });
    const headers = {
      authorization: `Bearer origin-key, ${authorization}`,
      'x-l402-claim': 'forged',
      'l402-remaining': '7',
      'x-original-url': '/premium',
      'x-rewrite-url': '/premium',
      'x-http-method-override': 'DELETE',
      'x-forwarded-prefix': '/premium',
      connection: 'close, x-hop',
      'x-hop': 'by hop',
    };
    const answer = await sendRaw(system.ports['gateway']!, { target: '/call/headers', headers });
    expect(answer.status).toBe(200);
    const seen = system.origin.seen.find(({ url }) => url === '/call/headers')!;
    expect(seen.headers.authorization).toBe('Bearer origin-key');
    expect(JSON.stringify(seen.rawHeaders)).not.toContain(token.slice(0, 40));
    expect(seen.headers['x-l402-claim']).toMatch(/^[0-9a-f]{32}$/);
    expect(seen.headers['x-l402-service']).toBe('call');
    for (const name of ['x-original-url', 'x-rewrite-url', 'x-http-method-override', 'x-forwarded-prefix', 'x-hop', 'l402-remaining']) {
      expect(seen.headers, name).not.toHaveProperty(name);
    }
    expect(seen.rawHeaders.filter((name) => name.toLowerCase() === 'authorization')).toHaveLength(1);
  });

  it('M21: an address for which only the client vouches does not reach the origin', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const names = ['x-forwarded-for', 'x-real-ip', 'cf-connecting-ip', 'true-client-ip', 'x_forwarded_for'];
    const headers = { authorization, 'x-own': 'kept', ...Object.fromEntries(names.map((name) => [name, '192.0.2.1'])) };
    expect((await sendRaw(system.ports['gateway']!, { target: '/call/address', headers })).status).toBe(200);
    const seen = system.origin.seen.find(({ url }) => url === '/call/address')!;
    expect(seen.headers['x-own']).toBe('kept');
    expect(JSON.stringify(seen.rawHeaders)).not.toContain('192.0.2.1');
  });

  it('M27: the credential is also read from L402-Authorization, and never handed on', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const headers = { authorization: 'Basic b3duOmtleQ==', 'l402-authorization': authorization };
    const response = await fetch(`${gateway}/call/own-field`, { headers });
    expect(response.status).toBe(200);
    const seen = system.origin.seen.find(({ url }) => url === '/call/own-field')!;
    expect(seen.headers.authorization).toBe('Basic b3duOmtleQ==');
    expect(seen.headers).not.toHaveProperty('l402-authorization');
  });

  it('D9 P37: sells without cookie, account or key', async () => {
    const { response } = await challengeOf(`${gateway}/call/no-cookie`);
    const paid = await fetch(`${gateway}/call/no-cookie`, {
      headers: { authorization: (await makeToken({ service: 'call' })).authorization },
    });
    for (const { headers } of [response, paid]) expect(headers.getSetCookie()).toEqual([]);
  });

  it('A6: one path sells different services by a parameter, and a token of one is no good for the other', async () => {
    const expensive = await challengeOf(`${gateway}/agent?svc=dear`);
    const cheap = await challengeOf(`${gateway}/agent?svc=cheap`);
    expect([expensive.facts.amountMsat, cheap.facts.amountMsat]).toEqual([50_000n, 2_000n]);
    const preimage = parseHex(await system.pay(cheap.invoice))!;
    const authorization = formatCredential({ scheme: 'L402', token: cheap.token, preimage });
    const wrong = await fetch(`${gateway}/agent?svc=dear`, { headers: { authorization } });
    expect([wrong.status, ((await wrong.json()) as { code: string }).code]).toEqual([402, 'service_wrong']);
    const right = await fetch(`${gateway}/agent?svc=cheap`, { headers: { authorization } });
    expect(right.status).toBe(200);
  });

  it('F9 P10: an unpaid token with an invented preimage is refused, and the answer is a fresh challenge', async () => {
    const { token } = await challengeOf(`${gateway}/call/forged`);
    const authorization = formatCredential({ scheme: 'L402', token, preimage: new Uint8Array(32).fill(3) });
    const { response } = await challengeOf(`${gateway}/call/forged`, { headers: { authorization } });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([402, 'preimage_wrong']);
    expect(system.origin.seen.some(({ url }) => url === '/call/forged')).toBe(false);
  });

  it('P3: a token under the older name LSAT is as good', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const response = await fetch(`${gateway}/call/lsat`, { headers: { authorization: authorization.replace('L402', 'LSAT') } });
    expect(response.status).toBe(200);
  });

  it('D37: the header is taken only with token and preimage', async () => {
    const { token } = await makeToken({ service: 'call' });
    const { response } = await challengeOf(`${gateway}/call/half`, { headers: { authorization: `L402 ${token}` } });
    expect(((await response.json()) as { code: string }).code).toBe('preimage_missing');
  });
});

describe('what is not a sale', () => {
  it('a free route is answered by the origin as it is, redirects and all', async () => {
    const free = await fetch(`${gateway}/free/thing`);
    expect([free.status, await free.text()]).toEqual([200, 'origin']);
    const redirect = await fetch(`${gateway}/free/redirect`, { redirect: 'manual' });
    expect([redirect.status, redirect.headers.get('location')]).toEqual([302, 'http://elsewhere.example/']);
  });

  it('the 402 of a HEAD has the challenge of GET and no body', async () => {
    const { response, facts } = await challengeOf(`${gateway}/premium`, { method: 'HEAD' });
    expect([response.status, await response.text(), facts.amountMsat]).toEqual([402, '', 100_000n]);
  });

  it('a preflight is answered here and never reaches the origin; another OPTIONS is sold like any method', async () => {
    const before = system.origin.seen.length;
    const headers = {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    };
    const preflight = await sendRaw(system.ports['gateway']!, { method: 'OPTIONS', target: '/call/x', headers });
    expect(preflight.status).toBe(204);
    expect(preflight.head.toLowerCase()).toContain('access-control-allow-headers: authorization');
    const options = await sendRaw(system.ports['gateway']!, { method: 'OPTIONS', target: '/call/x' });
    expect(options.status).toBe(402);
    expect(system.origin.seen.length).toBe(before);
  });

  it('an answer of the origin with 401 or 402 is passed on, marked as the origin’s, and the payment stays good', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const response = await fetch(`${gateway}/call/status/401`, { headers: { authorization } });
    expect([response.status, response.headers.get('l402-answered-by'), response.headers.get('l402-remaining')]).toEqual([
      401,
      'origin',
      '1',
    ]);
    expect((await fetch(`${gateway}/call/after-401`, { headers: { authorization } })).status).toBe(200);
  });

  it('a paid answer is private whatever the origin says about caches', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const { headers } = await fetch(`${gateway}/call/cacheable`, { headers: { authorization } });
    expect(headers.get('cache-control')).toBe('private, max-age=60');
    expect(headers.get('cdn-cache-control')).toBeNull();
    expect(headers.get('l402-remaining')).toBe('0');
  });
});
