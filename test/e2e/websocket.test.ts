/*
 * WebSockets that were paid for, on raw workerd: every message and every close passes as it was sent, and the time of the socket
 * ends it at both ends (M14).
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';
import { echoWebSocket, formatFrame, shakeHands } from '#support/websocket.ts';

let system: TestSystem;

beforeAll(async () => {
  // The neighbour ends its streams after a second.
  system = await startTestSystem([{ name: 'gateway' }, { name: 'neighbour', bundle: 'neighbour' }]);
});
afterAll(() => system.close());
afterEach(() => void (system.origin.upgrade = undefined));

/** A socket through the gateway to an origin that echoes, and what the origin got as its end. */
async function openEcho(gateway: 'gateway' | 'neighbour' = 'gateway') {
  let atOrigin: Promise<string> | undefined;
  system.origin.upgrade = (request, socket) => void (atOrigin = echoWebSocket(request, socket).closed);
  const { authorization } = await makeToken({ service: gateway === 'gateway' ? 'call' : 'neighbour' });
  const socket = new WebSocket(`${system.urlOf(gateway).replace('http', 'ws')}/call/socket`, {
    headers: { authorization },
  } as unknown as string[]);
  socket.binaryType = 'arraybuffer';
  await once(socket, 'open');
  const next = async () => {
    const [{ data }] = (await once(socket, 'message')) as [MessageEvent];
    return typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer);
  };
  const closed = (once(socket, 'close') as Promise<[CloseEvent]>).then(([{ code, reason }]) => `${code} ${reason}`);
  return { socket, next, closed, atOrigin: () => atOrigin! };
}

/** The connection of a client that has shaken hands and does nothing more. */
async function openRaw(target: string): Promise<Socket> {
  const { authorization } = await makeToken({ service: 'call' });
  const client = connect(system.ports['gateway']!, '127.0.0.1');
  client.on('error', () => undefined);
  const lines = [`GET ${target} HTTP/1.1`, 'Host: gateway.test', 'Connection: Upgrade', 'Upgrade: websocket'];
  const key = ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13', `Authorization: ${authorization}`];
  client.write(`${[...lines, ...key].join('\r\n')}\r\n\r\n`);
  await once(client, 'data');
  return client;
}

describe('a WebSocket that was paid for', () => {
  it('carries text and bytes of any length both ways, as they were sent', async () => {
    const { socket, next } = await openEcho();
    for (const message of [
      '',
      'text',
      'ß€😀',
      'long '.repeat(20_000),
      Buffer.from([]),
      Buffer.from([0, 255, 1]),
      Buffer.alloc(70_000, 7),
    ]) {
      const answer = next();
      socket.send(message);
      expect(await answer).toEqual(message);
    }
    socket.close();
  });

  it.each([
    [1000, 'done'],
    [4321, 'a reason of its own'],
  ])('hands on with which code either end closes it: %i', async (code, reason) => {
    const byClient = await openEcho();
    byClient.socket.close(code, reason);
    expect([await byClient.atOrigin(), await byClient.closed]).toEqual([`${code} ${reason}`, `${code} ${reason}`]);
    const byOrigin = await openEcho();
    byOrigin.socket.send(`close ${code} ${reason}`);
    expect(await byOrigin.closed).toBe(`${code} ${reason}`);
  });

  it('is closed without a code where it was', async () => {
    const { socket, closed, atOrigin } = await openEcho();
    socket.close();
    expect([await atOrigin(), await closed]).toEqual(['no code', '1005 ']);
  });

  it('M14: is closed at both ends when it has gone on for maxStreamSeconds', async () => {
    const { socket, next, closed, atOrigin } = await openEcho('neighbour');
    const answer = next();
    socket.send('while it lasts');
    expect(await answer).toBe('while it lasts');
    const over = '1008 the time of this stream is over';
    expect([await closed, await atOrigin()]).toEqual([over, over]);
  });

  it('is over for the client when the origin breaks off, and for the origin when the client does', async () => {
    let drop = () => undefined as void;
    system.origin.upgrade = (request, socket) => {
      shakeHands(request, socket);
      drop = () => void socket.destroy();
    };
    const { authorization } = await makeToken({ service: 'call' });
    const socket = new WebSocket(`${system.urlOf('gateway').replace('http', 'ws')}/call/socket`, {
      headers: { authorization },
    } as unknown as string[]);
    await once(socket, 'open');
    const closed = once(socket, 'close') as Promise<[CloseEvent]>;
    drop();
    expect((await closed)[0].code).toBe(1011);
    let atOrigin: Promise<string> | undefined;
    system.origin.upgrade = (request, stream) => void (atOrigin = echoWebSocket(request, stream).closed);
    const client = await openRaw('/call/leave');
    client.destroy();
    expect(await atOrigin).toMatch(/^1011 /);
  });

  it('M14: is cut off when its client takes the messages so much slower than they come', async () => {
    const piece = formatFrame(2, Buffer.alloc(65_536, 7));
    let written = 0;
    const cutOff = new Promise<void>((resolve) => {
      system.origin.upgrade = (request, socket) => {
        shakeHands(request, socket);
        socket.once('close', () => resolve());
        // The close of the gateway.
        socket.on('data', () => socket.destroy());
        const fill = () => {
          if (socket.destroyed) return;
          if (!socket.writableNeedDrain && written < 512 * 65_536) {
            socket.write(piece);
            written += 65_536;
          }
          setImmediate(fill);
        };
        fill();
      };
    });
    const client = await openRaw('/call/unread');
    client.pause();
    await cutOff;
    expect(written).toBeLessThan(512 * 65_536);
    client.destroy();
  });
});
