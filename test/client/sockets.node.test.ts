/*
 * The client over real sockets with the platform's own fetch: what redirects do to a credential, and what really goes over
 * the wire. Servers listen on loopback, on ports of the system's choice.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createL402Fetch, type L402FetchOptions } from '#client/index.ts';
import { NOW_MS } from './invoice-maker.ts';
import { openShop, type ShopOptions } from './fake-shop.ts';

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

interface Arrival {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A server that answers with a status and headers, and remembers what came. */
async function recorder(answer: (arrival: Arrival) => { status: number; headers?: Record<string, string> }) {
  const arrivals: Arrival[] = [];
  const origin = await listen(async (request, response) => {
    const arrival = { method: request.method!, path: request.url!, headers: request.headers, body: String(await readBody(request)) };
    arrivals.push(arrival);
    const { status, headers } = answer(arrival);
    response.writeHead(status, headers).end('recorded');
  });
  return { origin, arrivals };
}

/** The shop behind a socket; `redirect` sends paid requests elsewhere. */
async function shopServer(offered: ShopOptions = {}, redirect?: (credential: string) => string | undefined) {
  const shop = openShop(offered);
  const arrivals: Arrival[] = [];
  const origin = await listen(async (request, response) => {
    const body = await readBody(request);
    const headers = new Headers(Object.entries(request.headers).map(([name, value]) => [name, String(value)] as [string, string]));
    arrivals.push({ method: request.method!, path: request.url!, headers: request.headers, body: String(body) });
    const presented = headers.get('l402-authorization') ?? headers.get('authorization') ?? '';
    const target = presented.startsWith('L402 ') ? redirect?.(presented) : undefined;
    if (target !== undefined) {
      response.writeHead(307, { location: target }).end();
      return;
    }
    const sent = body.byteLength > 0 ? { body: Uint8Array.from(body) } : {};
    const answer = await shop.fetch(`http://shop.example${request.url}`, { method: request.method!, headers, ...sent });
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()));
  });
  const pay = (options: Partial<L402FetchOptions> = {}) =>
    createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', clock: () => NOW_MS, ...options });
  return { shop, origin, arrivals, pay };
}

describe('redirects on real sockets', () => {
  it('M31: a paid request that is redirected to another origin arrives there without the credential', async () => {
    const thief = await recorder(() => ({ status: 200 }));
    const { shop, origin, pay } = await shopServer({}, () => `${thief.origin}/loot`);
    const response = await pay()(`${origin}/answer`, { method: 'POST', body: 'question' });
    expect([response.status, shop.paid.length]).toEqual([200, 1]);
    expect(thief.arrivals).toHaveLength(1);
    expect(thief.arrivals[0]!.body).toBe('question');
    expect(JSON.stringify(thief.arrivals)).not.toMatch(/l402|lsat/i);
  });

  it('M31: beside an Authorization of the caller a paid request is not redirected at all', async () => {
    const thief = await recorder(() => ({ status: 200 }));
    const { origin, pay } = await shopServer({}, () => `${thief.origin}/loot`);
    const response = await pay()(`${origin}/answer`, { headers: { authorization: 'Bearer mine' } });
    expect([response.status, response.headers.get('location')]).toEqual([307, `${thief.origin}/loot`]);
    const strict = pay()(`${origin}/answer`, { headers: { authorization: 'Bearer mine' }, redirect: 'error' });
    await expect(strict).rejects.toMatchObject({ code: 'retry_failed', paid: 'yes' });
    expect(thief.arrivals).toEqual([]);
  });

  it('M31: a kept credential does not cross origins either', async () => {
    const thief = await recorder(() => ({ status: 200 }));
    let redirecting = false;
    const { origin, pay } = await shopServer({}, () => (redirecting ? `${thief.origin}/loot` : undefined));
    const fetch = pay();
    await (await fetch(`${origin}/answer`)).text();
    redirecting = true;
    for (const headers of [{}, { authorization: 'Bearer mine' }]) await (await fetch(`${origin}/answer`, { headers })).text();
    expect(thief.arrivals).toHaveLength(1);
    expect(JSON.stringify(thief.arrivals)).not.toMatch(/l402|lsat/i);
  });

  it('M31: a challenge that a redirect to another origin leads to is not paid', async () => {
    const { shop, origin } = await shopServer();
    const front = await recorder(() => ({ status: 302, headers: { location: `${origin}/answer` } }));
    const pay = (unpaid: 'throw' | 'response') =>
      createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', unpaid, clock: () => NOW_MS })(`${front.origin}/start`);
    await expect(pay('throw')).rejects.toMatchObject({ code: 'cross_origin_challenge', paid: 'no' });
    const response = await pay('response');
    expect([response.status, await response.text()]).toEqual([402, '{"code":"payment_required"}']);
    expect(shop.paid).toEqual([]);
  });

  it('M31: a challenge that a redirect within the origin leads to is paid, and the credential follows it', async () => {
    const shop = openShop();
    const origin = await listen(async (request, response) => {
      if (request.url === '/start') {
        response.writeHead(308, { location: '/answer' }).end();
        return;
      }
      const answer = await shop.fetch('http://shop.example/answer', { headers: { authorization: request.headers.authorization ?? '' } });
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    });
    const response = await createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', clock: () => NOW_MS })(
      `${origin}/start`,
    );
    expect([response.status, await response.json(), shop.paid.length]).toEqual([200, { answer: 42 }, 1]);
  });

  it('Y6: the redirect mode that the caller asked for is kept', async () => {
    const { origin, pay } = await shopServer({}, () => '/elsewhere');
    expect((await pay()(`${origin}/answer`, { redirect: 'manual' })).status).toBe(307);
    await expect(pay()(`${origin}/answer`, { redirect: 'error' })).rejects.toMatchObject({ code: 'retry_failed', paid: 'yes' });
  });
});

describe('bodies on real sockets', () => {
  it('Y6: a stream, bytes and a form arrive twice with the identical bytes and headers', async () => {
    const form = new FormData();
    form.set('file', new File(['content'], 'a.txt'));
    const bodies: readonly RequestInit[] = [
      { body: new Blob(['streamed']).stream(), duplex: 'half' },
      { body: new TextEncoder().encode('bytes') },
      { body: form },
      { body: '{"json":true}', headers: { 'content-type': 'application/json' } },
    ];
    for (const body of bodies) {
      const { origin, arrivals, pay } = await shopServer();
      expect((await pay()(`${origin}/answer`, { method: 'POST', ...body })).status).toBe(200);
      const [first, second] = arrivals.map((arrival) => ({ ...arrival, headers: { ...arrival.headers, authorization: undefined } }));
      expect(arrivals).toHaveLength(2);
      expect(second).toEqual(first);
      expect(arrivals[1]!.headers.authorization).toMatch(/^L402 /);
    }
  });

  it('Y11: the paid answer streams: its first bytes arrive before its last are written', async () => {
    const shop = openShop();
    const finish = Promise.withResolvers<void>();
    const origin = await listen(async (request, response) => {
      const { authorization = '' } = request.headers;
      const answer = await shop.fetch('http://shop.example/answer', { headers: { authorization } });
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      if (answer.status === 402) {
        response.end('pay');
        return;
      }
      response.write('first');
      await finish.promise;
      response.end('last');
    });
    const response = await createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', clock: () => NOW_MS })(
      `${origin}/answer`,
    );
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('first');
    finish.resolve();
    expect((await reader.read()).value).toBe('last');
  });

  it('M31: a connection that breaks after the payment leaves a credential that the next call uses', async () => {
    const shop = openShop({ uses: 1 });
    let breaks = 1;
    const origin = await listen(async (request, response) => {
      const { authorization = '' } = request.headers;
      if (authorization !== '' && breaks-- > 0) {
        request.socket.destroy();
        return;
      }
      const answer = await shop.fetch('http://shop.example/answer', { headers: { authorization } });
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    });
    const fetch = createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', clock: () => NOW_MS });
    await expect(fetch(`${origin}/answer`)).rejects.toMatchObject({ code: 'retry_failed', paid: 'yes' });
    expect([(await fetch(`${origin}/answer`)).status, shop.paid.length]).toEqual([200, 1]);
  });

  it('Y6: the signal of the caller ends a call that hangs, before the payment as plain fetch would', async () => {
    const controller = new AbortController();
    const origin = await listen(() => controller.abort());
    const fetch = createL402Fetch({ wallet: async () => '', maxPriceSats: 10 });
    await expect(fetch(`${origin}/answer`, { signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
});
