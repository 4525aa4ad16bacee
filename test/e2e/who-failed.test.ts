/*
 * Clients that break off, over real sockets: what they had is counted, and nobody else is turned away for it (M40, M41).
 */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem([{ name: 'crowded', bundle: 'crowded' }]);
});
afterAll(() => system.close());

const sales = () =>
  system.lines.filter((line) => line.includes('"event":"use"')).map((line) => (JSON.parse(line) as { outcome: string }).outcome);

/** Until the gateway has told of so many sales: its log is all that a client who went away leaves behind. */
async function untilSold(count: number): Promise<void> {
  while (sales().length < count) await new Promise((resolve) => void setImmediate(resolve));
}

async function open(head: string, localAddress: string): Promise<Socket> {
  const socket = connect({ port: system.ports['crowded']!, host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(head);
  return socket;
}

const ask = async (path: string, authorization: string, init: RequestInit = {}) => {
  const response = await fetch(`${system.urlOf('crowded')}${path}`, { ...init, headers: { authorization } });
  return { status: response.status, text: await response.text() };
};

describe('an upload', () => {
  it('M40: that is broken off over and over closes no origin, and buys one job', async () => {
    const tokens = await Promise.all(Array.from({ length: 5 }, () => makeToken({ service: 'call' })));
    for (const [index, { authorization }] of tokens.entries()) {
      const before = sales().length;
      const arrived = new Promise<void>((resolve) => {
        system.origin.stream = (request) => request.once('data', () => resolve());
      });
      const head = `POST /call/job HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\nContent-Length: 1000\r\n\r\n`;
      const socket = await open(`${head}${'a'.repeat(500)}`, `127.0.0.${index + 2}`);
      await arrived;
      socket.destroy();
      await untilSold(before + 1);
    }
    expect(sales()).toEqual(['counted', 'counted', 'counted', 'counted', 'counted']);
    system.origin.stream = undefined;
    expect((await ask('/call/again', tokens[0]!.authorization, { method: 'POST', body: 'x' })).status).toBe(402);
    // What the isolate has seen is told with its next requests, and comes back with those after them.
    for (let call = 0; call < 3; call++) {
      const { authorization } = await makeToken({ service: 'call' });
      expect((await ask('/call/next', authorization)).status).toBe(200);
    }
  });
});

describe('an answer that is paid only when it is whole', () => {
  /** Ten parts, and then the origin thinks until whoever asked has gone. */
  const showFilm = () => {
    system.origin.stream = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      for (let part = 1; part <= 10; part++) response.write(`part-${part} `.padEnd(100, '.'));
    };
  };
  const endings: readonly (readonly [string, (socket: Socket) => void])[] = [
    ['closes', (socket) => void socket.destroy()],
    ['resets', (socket) => void socket.resetAndDestroy()],
    ['ends its side', (socket) => void socket.end()],
  ];
  const requests = [
    { what: 'a call at an origin with places', service: 'film', head: 'GET', rest: '' },
    { what: 'an upload that it has not finished', service: 'open', head: 'POST', rest: 'Content-Length: 100\r\n\r\n{"a":1}' },
    { what: 'an upload in chunks', service: 'open', head: 'POST', rest: 'Transfer-Encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n' },
  ];
  // Of a call without a body, nothing tells of a client that merely closes until the next part is written.
  const endingsOf = (head: string) => endings.filter(([how]) => head !== 'GET' || how === 'resets');
  const cases = requests.flatMap((request) => endingsOf(request.head).map(([how, end]) => ({ request, what: request.what, how, end })));

  async function watch({ service, head, rest }: (typeof requests)[number], authorization: string): Promise<Socket> {
    const start = `${head} /${service}/film HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\n`;
    const socket = await open(`${start}${rest === '' ? '\r\n' : rest}`, '127.0.0.1');
    let seen = '';
    await new Promise<void>((resolve) => {
      socket.on('data', (part: Buffer) => {
        seen += part.toString();
        if (seen.includes('part-10')) resolve();
      });
    });
    return socket;
  }

  it.each(cases)('M40: is counted when its client $how after the last part, in $what', async ({ end, request }) => {
    const { authorization } = await makeToken({ service: request.service });
    const before = sales().length;
    showFilm();
    const socket = await watch(request, authorization);
    end(socket);
    await untilSold(before + 1);
    socket.destroy();
    expect(sales().slice(before)).toEqual(['counted']);
    system.origin.stream = undefined;
    expect((await ask(`/${request.service}/again`, authorization)).status).toBe(402);
  });

  it('M40: is counted when its client sends more than the route takes once it has the answer', async () => {
    const { authorization } = await makeToken({ service: 'small' });
    const before = sales().length;
    showFilm();
    const chunked = { what: '', service: 'small', head: 'POST', rest: 'Transfer-Encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n' };
    const socket = await watch(chunked, authorization);
    socket.write(`20\r\n${'x'.repeat(32)}\r\n`);
    await untilSold(before + 1);
    socket.destroy();
    expect(sales().slice(before)).toEqual(['counted']);
    system.origin.stream = undefined;
  });
});

describe('clients of an origin with few places', () => {
  it('M41: who abort all their calls leave the places to others', async () => {
    const { authorization } = await makeToken({ service: 'pass', terms: { access: { kind: 'pass' } } });
    for (let call = 0; call < 3; call++) {
      const closed = new Promise<void>((resolve) => {
        system.origin.stream = (request) => {
          request.socket.once('close', () => resolve());
          // A socket that is merely closed on one side may still be read from.
          socket.resetAndDestroy();
        };
      });
      const socket = await open(`GET /pass/hang HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\n\r\n`, '127.0.0.9');
      await closed;
    }
    system.origin.stream = undefined;
    const { authorization: other } = await makeToken({ service: 'call' });
    expect((await ask('/call/next', other)).status).toBe(200);
  });
});
