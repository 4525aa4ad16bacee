/*
 * What passes without being held back: event streams, large bodies both ways, WebSockets, gRPC-Web; and what keeps its
 * meaning: ranges, conditions, the origin's CORS policy. On raw workerd.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { constants, createGzip } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sendRaw } from '#support/raw-http.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';
import { echoWebSocket } from '#support/websocket.ts';

let system: TestSystem;
let gateway: string;

beforeAll(async () => {
  // The neighbour ends its streams after a second.
  system = await startTestSystem([{ name: 'gateway' }, { name: 'neighbour', bundle: 'neighbour' }]);
  gateway = system.urlOf('gateway');
});
afterAll(() => system.close());
afterEach(() => void Object.assign(system.origin, { stream: undefined, respond: undefined, upgrade: undefined }));

const paid = async () => (await makeToken({ service: 'call' })).authorization;

describe('a stream', () => {
  it('of events arrives event by event', async () => {
    let goOn = () => undefined as void;
    system.origin.stream = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n');
      goOn = () => void response.end('data: two\n\n');
    };
    const response = await fetch(`${gateway}/call/events`, { headers: { authorization: await paid() } });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('data: one\n\n');
    // The origin has not sent the second event yet, and does so only now.
    goOn();
    expect((await reader.read()).value).toBe('data: two\n\n');
    expect((await reader.read()).done).toBe(true);
  });

  it('to the origin arrives piece by piece', async () => {
    let arrived: (text: string) => void = () => undefined;
    system.origin.stream = (request, response) => {
      request.on('data', (chunk: Buffer) => arrived(chunk.toString()));
      request.on('end', () => void response.end('done'));
    };
    const upload = httpRequest(`${gateway}/call/upload`, { method: 'POST', headers: { authorization: await paid() } });
    const send = async (text: string) => {
      const seen = new Promise<string>((resolve) => void (arrived = resolve));
      upload.write(text);
      return seen;
    };
    expect([await send('first'), await send('second')]).toEqual(['first', 'second']);
    const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
    upload.end();
    const [response] = await answered;
    expect(response.statusCode).toBe(200);
    response.resume();
  });

  it.skipIf(process.platform !== 'linux')('of 1 GiB makes workerd grow by less than 64 MiB', async () => {
    const piece = Buffer.alloc(1_048_576, 7);
    system.origin.stream = async (_, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      for (let pieces = 0; pieces < 1024; pieces++) if (!response.write(piece)) await once(response, 'drain');
      response.end();
    };
    const residentMiB = () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${system.pid}/status`, 'utf8'))![1]) / 1024;
    await (await fetch(`${gateway}/free/warm`)).body?.cancel();
    const before = residentMiB();
    let [length, most, sampledAt] = [0, before, 0];
    const response = await fetch(`${gateway}/call/large`, { headers: { authorization: await paid() } });
    for await (const chunk of response.body!) {
      length += chunk.length;
      if (length - sampledAt < 4 * 1_048_576) continue;
      sampledAt = length;
      most = Math.max(most, residentMiB());
    }
    expect(length).toBe(1024 * 1_048_576);
    expect(most - before).toBeLessThan(64);
  });

  it('that nobody reads is not read from the origin either', async () => {
    const piece = Buffer.alloc(1_048_576, 7);
    let pieces = 0;
    let stuck: () => void = () => undefined;
    const stalled = new Promise<void>((resolve) => void (stuck = resolve));
    system.origin.stream = (_, response) => {
      response.writeHead(200);
      // A buffer that is still full after so many turns of the loop is not being emptied.
      let turns = 0;
      const fill = () => {
        if (pieces === 256 || turns > 20_000) return stuck();
        if (response.writableNeedDrain) turns += 1;
        else [pieces, turns] = [pieces + 1, 0];
        if (turns === 0) response.write(piece);
        setImmediate(fill);
        return undefined;
      };
      fill();
    };
    const call = httpRequest(`${gateway}/call/unread`, { headers: { authorization: await paid() } });
    call.end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.pause();
    await stalled;
    expect(pieces).toBeLessThan(64);
    response.destroy();
  });
});

describe('a stream without end', () => {
  /** An origin that sends an event whenever it is told to, and what becomes of its connection. */
  function startEvents({ headers = {}, encode = (text: string): string | Uint8Array => text } = {}) {
    let send = () => undefined as void;
    const closed = new Promise<string>((resolve) => {
      system.origin.stream = (_, response) => {
        response.once('close', () => resolve(response.writableFinished ? 'finished' : 'broken off'));
        response.writeHead(200, { 'content-type': 'text/event-stream', ...headers });
        send = () => void response.write(encode('data: one\n\n'));
        send();
      };
    });
    return { closed, send: () => send() };
  }
  const read = async (response: Response) => {
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('data: one\n\n');
    return reader;
  };

  it('M14: is broken off at both ends when it has gone on for maxStreamSeconds', async () => {
    const { closed } = startEvents();
    const { authorization } = await makeToken({ service: 'neighbour' });
    const reader = await read(await fetch(`${system.urlOf('neighbour')}/events`, { headers: { authorization } }));
    await expect(reader.read()).rejects.toThrow('terminated');
    expect(await closed).toBe('broken off');
  });

  it('M14: is broken off at the origin when its client has gone away, with the next event', async () => {
    const { closed, send } = startEvents();
    const abort = new AbortController();
    const response = await fetch(`${gateway}/call/leave`, { headers: { authorization: await paid() }, signal: abort.signal });
    await read(response);
    abort.abort();
    // Until the connection of the client is known to be gone, events are written into it.
    let isClosed = false;
    void closed.then(() => (isClosed = true));
    const keepSending = () => {
      send();
      if (!isClosed) setImmediate(keepSending);
    };
    keepSending();
    expect(await closed).toBe('broken off');
  });

  it('M14: arrives event by event though it is compressed', async () => {
    const compressor = createGzip({ flush: constants.Z_SYNC_FLUSH });
    system.origin.stream = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
      compressor.pipe(response);
      compressor.write('data: one\n\n');
    };
    const reader = await read(await fetch(`${gateway}/call/gzip`, { headers: { authorization: await paid() } }));
    compressor.end('data: two\n\n');
    expect((await reader.read()).value).toBe('data: two\n\n');
    expect((await reader.read()).done).toBe(true);
  });
});

describe('a WebSocket', () => {
  it('is paid for once, at the handshake, and then carries what it likes', async () => {
    system.origin.upgrade = echoWebSocket;
    const lines = ['Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'];
    const unpaid = await sendRaw(system.ports['gateway']!, { target: '/call/socket', headers: { connection: 'Upgrade, close' }, lines });
    expect(unpaid.status).toBe(402);
    const authorization = await paid();
    const init = { protocols: ['chat.v1'], headers: { authorization } } as unknown as string[];
    const socket = new WebSocket(`${gateway.replace('http', 'ws')}/call/socket`, init);
    await once(socket, 'open');
    expect(socket.protocol).toBe('chat.v1');
    for (const text of ['first', 'second', 'third']) {
      const answer = once(socket, 'message') as Promise<[MessageEvent]>;
      socket.send(text);
      expect((await answer)[0].data).toBe(text);
    }
    const closed = once(socket, 'close');
    socket.close();
    await closed;
    const seen = system.origin.seen.filter(({ url }) => url === '/call/socket');
    expect(seen).toHaveLength(1);
    expect(JSON.stringify(seen[0]!.rawHeaders)).not.toContain(authorization.slice(5, 40));
    const again = await fetch(`${gateway}/call/after-socket`, { headers: { authorization } });
    expect([again.status, ((await again.json()) as { code: string }).code]).toEqual([402, 'payment_spent']);
  });

  it('that the origin refuses is answered with the refusal', async () => {
    system.origin.upgrade = (_, socket) => void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
    const lines = ['Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'];
    const headers = { connection: 'Upgrade, close', authorization: await paid() };
    const answer = await sendRaw(system.ports['gateway']!, { target: '/call/no-socket', headers, lines });
    expect(answer.status).toBe(403);
    expect(answer.head).toMatch(/^l402-remaining: 1$/im);
  });
});

describe('gRPC', () => {
  it('P15: gRPC-Web passes byte for byte', async () => {
    const message = Buffer.from([0, 0, 0, 0, 3, 8, 150, 1]);
    const answer = Buffer.concat([message, Buffer.from([128, 0, 0, 0, 15]), Buffer.from('grpc-status:0\r\n')]);
    system.origin.respond = (_, response) => void response.writeHead(200, { 'content-type': 'application/grpc-web+proto' }).end(answer);
    const response = await fetch(`${gateway}/call/grpc-web`, {
      method: 'POST',
      headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1', authorization: await paid() },
      body: message,
    });
    expect(Buffer.from(await response.arrayBuffer())).toEqual(answer);
    const seen = system.origin.seen.find(({ url }) => url === '/call/grpc-web')!;
    expect([seen.headers['content-type'], Buffer.from(seen.body, 'latin1')]).toEqual(['application/grpc-web+proto', message]);
  });

  it.each(['application/grpc', 'application/grpc+proto', 'Application/GRPC; charset=x'])(
    'P15: native gRPC (%s) is told in its own form that it cannot pass, paid for or not',
    async (type) => {
      for (const target of ['/call/grpc', '/free/grpc']) {
        const authorization = await paid();
        const answer = await sendRaw(system.ports['gateway']!, {
          method: 'POST',
          target,
          headers: { 'content-type': type, authorization },
        });
        expect([answer.status, answer.body]).toEqual([200, '']);
        expect(answer.head).toMatch(/^content-type: application\/grpc$/im);
        expect(answer.head).toMatch(/^grpc-status: 12$/im);
        expect(answer.head).toMatch(/^grpc-message: native gRPC cannot pass this gateway; use gRPC-Web or REST$/im);
        expect(answer.head).not.toMatch(/^www-authenticate/im);
        expect((await fetch(`${gateway}/call/after-grpc`, { headers: { authorization } })).status).toBe(200);
      }
      expect(system.origin.seen.some(({ url }) => url.endsWith('/grpc'))).toBe(false);
    },
  );
});

describe('ranges and conditions', () => {
  it('keep their meaning, and a 206 or a 304 counts as a call', async () => {
    system.origin.respond = ({ headers }, response) => {
      if (headers['if-none-match'] === '"v1"') return void response.writeHead(304, { etag: '"v1"' }).end();
      if (headers.range === 'bytes=2-4') return void response.writeHead(206, { 'content-range': 'bytes 2-4/9', etag: '"v1"' }).end('cde');
      return void response.writeHead(200, { 'accept-ranges': 'bytes' }).end('abcdefghi');
    };
    const ask = async (headers: Readonly<Record<string, string>>) => {
      const answer = await sendRaw(system.ports['gateway']!, {
        target: '/call/file',
        headers: { ...headers, authorization: await paid() },
      });
      return { ...answer, remaining: /^l402-remaining: (\d)$/im.exec(answer.head)?.[1] };
    };
    const part = await ask({ range: 'bytes=2-4' });
    expect([part.status, part.remaining, part.body.includes('cde')]).toEqual([206, '0', true]);
    expect(part.head).toMatch(/^content-range: bytes 2-4\/9$/im);
    const unchanged = await ask({ 'if-none-match': '"v1"' });
    expect([unchanged.status, unchanged.remaining, unchanged.body]).toEqual([304, '0', '']);
    expect(unchanged.head).toMatch(/^etag: "v1"$/im);
  });
});

describe('a browser', () => {
  const origin = 'https://app.example';
  const exposed = (headers: Headers) => headers.get('access-control-expose-headers') ?? '';

  it('may read our fields of a paid answer where the origin lets it read the answer, and nowhere else', async () => {
    system.origin.respond = (_, response) => {
      response.writeHead(200, { 'access-control-allow-origin': origin, 'access-control-expose-headers': 'X-Total' }).end('ok');
    };
    const allowed = await fetch(`${gateway}/call/cors`, { headers: { origin, authorization: await paid() } });
    system.origin.respond = undefined;
    const silent = await fetch(`${gateway}/call/cors`, { headers: { origin, authorization: await paid() } });
    expect([allowed.headers.get('access-control-allow-origin'), silent.headers.get('access-control-allow-origin')]).toEqual([origin, null]);
    for (const name of ['X-Total', 'L402-Remaining', 'WWW-Authenticate']) expect(exposed(allowed.headers)).toContain(name);
    expect(exposed(silent.headers)).toBe('');
  });

  it('gets its preflight answered here for what is sold, and by the origin for what is free', async () => {
    const ask = (target: string) =>
      sendRaw(system.ports['gateway']!, { method: 'OPTIONS', target, headers: { origin, 'access-control-request-method': 'GET' } });
    const sold = await ask('/call/preflight');
    expect([sold.status, /^access-control-allow-origin: \*$/im.test(sold.head)]).toEqual([204, true]);
    system.origin.respond = (_, response) => void response.writeHead(403).end();
    const free = await ask('/free/preflight');
    expect([free.status, /^access-control-allow/im.test(free.head)]).toEqual([403, false]);
    expect(system.origin.seen.map(({ method, url }) => `${method} ${url}`)).toContain('OPTIONS /free/preflight');
    expect(system.origin.seen.some(({ url }) => url === '/call/preflight')).toBe(false);
  });
});
