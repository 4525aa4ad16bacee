/*
 * Origins of every kind behind one gateway, on raw workerd: an address, the same zone (emulated by an outbound service), a
 * service binding; and what each of them gets to see.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRaw } from '#support/raw-http.ts';
import { BRIDGE_SECRET_HEX, startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken, TOKEN_SECRET_HEX } from '#support/tokens.ts';

const ORIGIN_SECRET = '0f'.repeat(32);
const UPSTREAM_KEY = 'Bearer an-upstream-key';

let system: TestSystem;

beforeAll(async () => {
  const usual = { TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: BRIDGE_SECRET_HEX, UPSTREAM_KEY };
  const services = { UPSTREAM: 'upstream' };
  system = await startTestSystem([
    { name: 'gateway', bundle: 'origins', secrets: { ...usual, ORIGIN_SECRET }, services },
    { name: 'zone', bundle: 'origins', secrets: usual, services, inZone: true, claimsOf: 'gateway' },
    { name: 'unbound', bundle: 'origins', secrets: usual, claimsOf: 'gateway' },
    { name: 'upstream', bundle: 'upstream', secrets: {}, claimsOf: 'gateway' },
  ]);
});
afterAll(() => system.close());

interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly lines?: readonly string[];
  readonly body?: string;
}

/** A call of one service, paid for. */
async function buy(gateway: 'gateway' | 'zone', [service, target]: readonly [string, string], { headers = {}, ...sent }: Sent = {}) {
  const { authorization } = await makeToken({ service });
  return sendRaw(system.ports[gateway]!, { target, headers: { 'l402-authorization': authorization, ...headers }, ...sent });
}

const seenAt = (url: string) => system.origin.seen.find((seen) => seen.url === url)!;

describe('the same zone', () => {
  const host = { host: 'shop.test' };

  it('M29: a paid request goes on to what was there before, under its own host, and cookies come back one by one', async () => {
    system.origin.respond = (_, response) => {
      response.setHeader('set-cookie', ['a=1; Path=/', 'b=2; Path=/']);
      response.writeHead(200, { 'cache-control': 'public, max-age=60', etag: '"v1"', vary: 'accept' }).end('shop');
    };
    const paid = await buy('zone', ['zone', '/zone/cart?x=1'], { headers: { ...host, cookie: 'session=7' } });
    const free = await sendRaw(system.ports['zone']!, { target: '/zone/free/page', headers: host });
    system.origin.respond = undefined;
    expect([paid.status, paid.body]).toEqual([200, 'shop']);
    expect(paid.head.match(/^set-cookie: .*$/gim)).toEqual(['Set-Cookie: a=1; Path=/', 'Set-Cookie: b=2; Path=/']);
    expect(paid.head).toMatch(/^cache-control: private, max-age=60$/im);
    expect(free.head).toMatch(/^cache-control: public, max-age=60$/im);
    expect(free.head).toMatch(/^etag: "v1"$/im);
    expect(seenAt('/zone/cart?x=1').headers).toMatchObject({
      host: 'shop.test',
      cookie: 'session=7',
      'x-l402-via': 'shop.test',
    });
    expect(seenAt('/zone/cart?x=1').headers).not.toHaveProperty('l402-authorization');
  });

  it('is not asked for a host that is not of the zone, and an unpaid request never gets there', async () => {
    const sold = () => system.origin.seen.filter(({ url }) => url.startsWith('/zone/x'));
    for (const name of ['other.test', '127.0.0.1', 'shop.test.evil.test', 'localhost']) {
      const answer = await sendRaw(system.ports['zone']!, { target: '/zone/x', headers: { host: name } });
      expect([answer.status, answer.body.includes('"route_unknown"')], name).toEqual([404, true]);
    }
    expect((await sendRaw(system.ports['zone']!, { target: '/zone/x', headers: host })).status).not.toBe(200);
    expect(sold()).toEqual([]);
  });

  it('is asked for the hosts that are named for all routes, by preflights too', async () => {
    const preflight = { origin: 'https://app.example', 'access-control-request-method': 'GET' };
    for (const [name, arrives] of [
      ['a.zone.test', true],
      ['b.a.zone.test', true],
      ['zone.test', false],
      ['169.254.169.254', false],
    ] as const) {
      const target = `/anywhere/${name}`;
      const answer = await sendRaw(system.ports['zone']!, { target, headers: { host: name } });
      await sendRaw(system.ports['zone']!, { method: 'OPTIONS', target, headers: { host: name, ...preflight } });
      const methods = system.origin.seen.filter(({ url }) => url === target).map(({ method }) => method);
      expect([answer.status, methods], name).toEqual(arrives ? [200, ['GET', 'OPTIONS']] : [404, []]);
    }
  });

  it('that leads back to the gateway is noticed', async () => {
    const headers = { ...host, 'x-l402-via': 'shop.test' };
    const answer = await sendRaw(system.ports['zone']!, { target: '/zone/free/page', headers });
    expect([answer.status, answer.body.includes('"loop_detected"')]).toEqual([508, true]);
  });
});

describe('a service binding', () => {
  it('gets the paid request under the client’s host, without the prefix, and without the credential', async () => {
    const answer = await buy('gateway', ['bound', '/bound/a/b?c=d']);
    expect(answer.status).toBe(200);
    const asked = JSON.parse(answer.body) as { url: string; headers: Record<string, string> };
    expect(asked.url).toBe('http://gateway.test/a/b?c=d');
    expect(asked.headers['x-l402-service']).toBe('bound');
    expect(answer.body).not.toContain('L402 ');
  });
});

describe('a service binding that is missing', () => {
  it('stops the start, and the log names it', async () => {
    const answer = await sendRaw(system.ports['unbound']!, { target: '/free/x' });
    expect([answer.status, answer.body.includes('"config_invalid"')]).toEqual([500, true]);
    expect(system.lines.some((line) => line.includes('UPSTREAM: no service of this name is bound'))).toBe(true);
  });
});

describe('an origin with an address', () => {
  it('gets the rewritten path below its own, and is addressed by its own host', async () => {
    const answer = await buy('zone', ['other', '/users/7/posts/?q=%20']);
    expect(answer.status).toBe(200);
    expect(seenAt('/base/v2/7/posts/?q=%20').headers).toMatchObject({ host: 'other.test:8080', 'x-forwarded-host': 'gateway.test' });
  });

  it('gets the seller’s own fields, and no client and no log gets to see the secret among them', async () => {
    const answer = await buy('gateway', ['keyed', '/keyed/x'], { headers: { authorization: 'Bearer of-the-client', 'x-env': 'forged' } });
    expect(answer.status).toBe(200);
    expect(seenAt('/keyed/x').headers).toMatchObject({ authorization: UPSTREAM_KEY, 'x-env': 'test' });
    expect([...system.lines, answer.head, answer.body].join('\n')).not.toContain('an-upstream-key');
  });

  it('never gets a field under an underscore that it may not have under a dash', async () => {
    const lines = ['X_Original_Url: /premium', 'X_L402_Claim: forged', 'Transfer_Encoding: chunked', 'X_Own: kept', 'Content_Length: 3'];
    expect((await buy('gateway', ['call', '/call/underscores'], { lines })).status).toBe(200);
    const names = Object.keys(seenAt('/call/underscores').headers);
    expect(names.filter((name) => name.includes('_'))).toEqual(['x_own']);
  });

  it('is given the time of its route', async () => {
    const arrived = system.origin.nextHanging();
    const answer = buy('gateway', ['impatient', '/impatient/hang']);
    await arrived;
    const slow = await answer;
    expect([slow.status, slow.body.includes('"origin_timeout"')]).toEqual([504, true]);
    // What is no longer waited for is cut off, so that the origin does not go on for nothing.
    const [hanging] = system.origin.hanging.splice(0);
    if (hanging!.destroyed === false) await new Promise((resolve) => void hanging!.once('close', resolve));
    expect(hanging!.writableFinished).toBe(false);
  });
});

describe('a request', () => {
  it.each(['a, b', 'user@gateway.test', 'a b', '[::1', 'gateway.test:65536'])('to the host %s is refused', async (host) => {
    const answer = await sendRaw(system.ports['gateway']!, { target: '/free/x', headers: { host } });
    expect([answer.status, answer.body.includes('"host_malformed"')]).toEqual([400, true]);
  });

  it('with two Host lines is refused', async () => {
    const answer = await sendRaw(system.ports['gateway']!, { target: '/free/x', lines: ['Host: other.test'] });
    expect(answer.status).toBe(400);
  });

  it('M17: with a body that is too large is refused before it is offered for sale', async () => {
    const unpaid = await sendRaw(system.ports['gateway']!, { method: 'POST', target: '/small/x', body: 'a'.repeat(17) });
    expect([unpaid.status, unpaid.body.includes('"body_too_large"'), /^www-authenticate/im.test(unpaid.head)]).toEqual([413, true, false]);
    const fitting = await buy('gateway', ['small', '/small/fits'], { method: 'POST', body: 'a'.repeat(16) });
    expect([fitting.status, seenAt('/small/fits').body.length]).toEqual([200, 16]);
  });

  it('M11: with a body of unknown length that turns out too large is cut off, and counted: it is the payer’s doing', async () => {
    const headers = { 'transfer-encoding': 'chunked' };
    const chunk = `a\r\n${'a'.repeat(10)}\r\n`;
    const cutOff = system.origin.nextCutOff();
    const large = await buy('gateway', ['small', '/small/chunked'], { method: 'POST', headers, body: `${chunk}${chunk}0\r\n\r\n` });
    expect([large.status, large.body.includes('"body_too_large"')]).toEqual([413, true]);
    expect(large.head).toMatch(/^l402-remaining: 0$/im);
    expect(await cutOff).toBe('/small/chunked');
    const fitting = await buy('gateway', ['small', '/small/chunked-fits'], { method: 'POST', headers, body: `${chunk}0\r\n\r\n` });
    expect([fitting.status, seenAt('/small/chunked-fits').body.length]).toEqual([200, 10]);
  });
});

describe('a request with two ways to frame its body', () => {
  it.each([
    ['a length beside chunks', ['Content-Length: 5', 'Transfer-Encoding: chunked']],
    ['a length after chunks', ['Transfer-Encoding: chunked', 'Content-Length: 5']],
    ['two lengths', ['Content-Length: 5', 'Content-Length: 40']],
    ['a list of lengths', ['Content-Length: 5, 5']],
    ['a length with a sign', ['Content-Length: +40']],
  ])('M17: gets no larger body past the limit of its route: %s', async (_, lines) => {
    const chunk = `14\r\n${'a'.repeat(20)}\r\n`;
    const { authorization } = await makeToken({ service: 'small' });
    // As a part of the last line: no length is added to it.
    const end = `X-Last: line\r\n\r\n${chunk}${chunk}0\r\n`;
    const sent = { method: 'POST', target: '/small/framed', headers: { authorization }, lines: [...lines, end] };
    const answer = await sendRaw(system.ports['gateway']!, sent);
    expect([answer.status >= 400, system.origin.seen.filter(({ url, body }) => url === '/small/framed' && body.length > 16)]).toEqual([
      true,
      [],
    ]);
  });
});

describe('the proof for the origin', () => {
  interface Check {
    readonly request: { readonly method: string; readonly target: string; readonly headers: object };
    readonly secret: string;
    readonly now: number;
  }

  /** Each program judges a list of requests; nothing where it is not installed. */
  const VERIFIERS: Readonly<Record<string, (checks: readonly Check[]) => readonly boolean[] | undefined>> = {
    node: (checks) => {
      const code = `import { cameThroughGateway } from './examples/verify/verify.mjs';
        const checks = JSON.parse(process.argv[1]);
        console.log(JSON.stringify(checks.map(({ request, secret, now }) => cameThroughGateway(request, secret, now))));`;
      return run(process.execPath, ['--input-type=module', '-e', code, JSON.stringify(checks)]);
    },
    python: (checks) => {
      const code = `import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, 'examples/verify')
from verify import came_through_gateway
def check(given):
    request = given['request']
    return came_through_gateway(request['method'], request['target'], request['headers'], given['secret'], given['now'])
print(json.dumps([check(given) for given in json.loads(sys.argv[1])]))`;
      return run('python3', ['-c', code, JSON.stringify(checks)]);
    },
  };

  function run(command: string, args: readonly string[]): readonly boolean[] | undefined {
    const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return undefined;
    if (!stdout.startsWith('[')) throw new Error(stderr);
    return JSON.parse(stdout) as boolean[];
  }

  it.for(Object.keys(VERIFIERS))('is right for exactly the request that was let through, checked with %s', async (language, { skip }) => {
    const [sold, free] = [`/call/${language}?a=%20b`, `/free/${language}`];
    expect((await buy('gateway', ['call', sold], { method: 'PUT', body: 'x' })).status).toBe(200);
    expect((await sendRaw(system.ports['gateway']!, { target: free })).status).toBe(200);
    expect(seenAt(sold).headers['x-l402-signature']).toMatch(/^t=\d+,k=o1,v1=[0-9a-f]{64}$/);
    const now = Math.floor(Date.now() / 1000);
    const checkOf = (url: string, change: object = {}, { secret = ORIGIN_SECRET, at = now } = {}): Check => {
      const { method, headers } = seenAt(url);
      return { request: { method, target: url, headers: { ...headers, ...change } }, secret, now: at };
    };
    const right = [checkOf(sold), checkOf(free), checkOf(sold, {}, { at: now + 290 })];
    const wrong = [
      checkOf(sold, {}, { at: now + 400 }),
      checkOf(sold, {}, { at: now - 400 }),
      checkOf(sold, {}, { secret: 'ff'.repeat(32) }),
      checkOf(sold, {}, { secret: '' }),
      checkOf(sold, { 'x-forwarded-host': 'other.test' }),
      checkOf(sold, { 'x-l402-claim': '00'.repeat(16) }),
      checkOf(sold, { 'x-l402-signature': '' }),
      checkOf(free, { 'x-l402-signature': seenAt(sold).headers['x-l402-signature'] }),
    ];
    const verdicts = VERIFIERS[language]!([...right, ...wrong]);
    if (verdicts === undefined) skip(`${language} is not installed here`);
    expect(verdicts).toEqual([...right.map(() => true), ...wrong.map(() => false)]);
  });

  it('is checked for nginx by a program that its auth_request asks', async () => {
    expect((await buy('gateway', ['call', '/call/nginx'])).status).toBe(200);
    const environment = { ...process.env, ORIGIN_SECRET, PORT: '0' };
    const child = spawn(process.execPath, ['examples/verify/auth-request.mjs'], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const port = /\d+/.exec(line.toString())![0];
    const { 'x-l402-signature': signature, 'x-l402-claim': claim } = seenAt('/call/nginx').headers as Record<string, string>;
    const headers = {
      'x-l402-signature': signature!,
      'x-l402-claim': claim!,
      'x-forwarded-host': 'gateway.test',
      'x-original-method': 'GET',
    };
    const ask = async (uri: string) =>
      (await fetch(`http://127.0.0.1:${port}/`, { headers: { ...headers, 'x-original-uri': uri } })).status;
    expect([await ask('/call/nginx'), await ask('/call/other')]).toEqual([204, 403]);
    child.kill();
  });

  it('is not sent without a key, and never the client’s', async () => {
    const forged = { 'x-l402-signature': 't=1,k=o1,v1=00' };
    expect((await buy('zone', ['other', '/users/8/signed'], { headers: forged })).status).toBe(200);
    expect(seenAt('/base/v2/8/signed').headers).not.toHaveProperty('x-l402-signature');
    expect((await buy('gateway', ['call', '/call/forged-proof'], { headers: forged })).status).toBe(200);
    expect(seenAt('/call/forged-proof').headers['x-l402-signature']).not.toContain('t=1,');
  });
});
