/*
 * Parts that fail outside the Worker, provoked for real: the origin's process killed, its answers broken off, clients that go away,
 * a bridge that is down. docs/failure.md names these tests.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';

/** An origin in a process of its own: it tells its port, then each path it is asked for; what is below /call/hang it leaves without answer. */
const ORIGIN = `
const server = require('node:http').createServer((request, response) => {
  console.log(request.url);
  if (!request.url.startsWith('/call/hang')) response.end('alive');
});
server.listen(Number(process.argv[1]), '127.0.0.1', () => console.log(server.address().port));
`;

interface OriginProcess {
  readonly child: ChildProcess;
  readonly nextLine: () => Promise<string>;
}

function startOriginProcess(port: string): OriginProcess {
  const child = spawn(process.execPath, ['-e', ORIGIN, port], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const lines = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]();
  return { child, nextLine: async () => String((await lines.next()).value) };
}

async function kill({ child }: OriginProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const children: ChildProcess[] = [];
let first: OriginProcess;
let originPort: string;
let system: TestSystem;

beforeAll(async () => {
  first = startOriginProcess('0');
  originPort = await first.nextLine();
  system = await startTestSystem([
    { name: 'gateway' },
    { name: 'mortal', variables: { ORIGIN_URL: `http://127.0.0.1:${originPort}` } },
    // Nobody listens there.
    { name: 'bridgeless', variables: { BRIDGE_URL: 'http://127.0.0.1:1' } },
  ]);
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await system.close();
});
afterEach(() => void Object.assign(system.origin, { stream: undefined }));

async function ask(path: string, authorization: string, { gateway = 'gateway', ...init }: RequestInit & { gateway?: string } = {}) {
  const response = await fetch(`${system.urlOf(gateway)}${path}`, { ...init, headers: { authorization } });
  const text = await response.text();
  const { code } = text.startsWith('{') ? (JSON.parse(text) as { code: string }) : { code: '' };
  return { status: response.status, code, left: response.headers.get('l402-remaining'), headers: response.headers, text };
}

/** Until the gateway has said what became of the calls on a claim: its log is all that a client who went away leaves behind. */
async function nextSale(before: number): Promise<string> {
  for (;;) {
    const sale = system.lines.slice(before).find((line) => line.includes('"event":"sale"'));
    if (sale !== undefined) return (JSON.parse(sale) as { outcome: string }).outcome;
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

describe('an origin whose process is killed', () => {
  it('M16: in the middle of a call, and stays down, and comes back: the payment is good all the time', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const gone = { status: 502, code: 'origin_unreachable', left: '1' };
    const lost = ask('/call/hang', authorization, { gateway: 'mortal' });
    expect(await first.nextLine()).toBe('/call/hang');
    await kill(first);
    const failed = await lost;
    expect(failed).toMatchObject(gone);
    expect(failed.headers.get('retry-after')).toBe('5');
    expect(await ask('/call/down', authorization, { gateway: 'mortal' })).toMatchObject(gone);
    const second = startOriginProcess(originPort);
    await second.nextLine();
    expect(await ask('/call/back', authorization, { gateway: 'mortal' })).toMatchObject({ status: 200, text: 'alive' });
    await kill(second);
  });
});

describe('an answer that the origin breaks off', () => {
  it.each([
    ['with a length', { 'content-length': '1000' }],
    ['without one', {}],
  ])('M11: %s is broken off at the client too, and counted: its head was there', async (_, headers) => {
    const { authorization } = await makeToken({ service: 'call' });
    let breakOff = () => undefined as void;
    system.origin.stream = (_request, response) => {
      response.writeHead(200, headers).write('a part');
      breakOff = () => void response.destroy();
    };
    const response = await fetch(`${system.urlOf('gateway')}/call/part`, { headers: { authorization } });
    expect([response.status, response.headers.get('l402-remaining')]).toEqual([200, '0']);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('a part');
    breakOff();
    await expect(reader.read()).rejects.toThrow('terminated');
    expect(await ask('/call/part', authorization)).toMatchObject({ status: 402, code: 'payment_spent' });
  });
});

describe('a client that goes away while the origin works', () => {
  const leave = async (path: string, authorization: string) => {
    const arrived = system.origin.nextHanging();
    const abort = new AbortController();
    const left = fetch(`${system.urlOf('gateway')}${path}`, { headers: { authorization }, signal: abort.signal }).catch(() => 'left');
    await arrived;
    abort.abort();
    expect(await left).toBe('left');
  };

  it('M11: has used its payment when the origin answers after all', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const before = system.lines.length;
    await leave('/call/hang/gone', authorization);
    system.origin.releaseAll();
    expect(await nextSale(before)).toBe('counted');
    expect(await ask('/call/again', authorization)).toMatchObject({ status: 402, code: 'payment_spent' });
  });

  it('M11: has its payment back when the origin fails', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const before = system.lines.length;
    await leave('/call/hang/gone', authorization);
    for (const response of system.origin.hanging.splice(0)) response.writeHead(503).end();
    expect(await nextSale(before)).toBe('released');
    expect(await ask('/call/again', authorization)).toMatchObject({ status: 200 });
  });
});

describe('a bridge that is down', () => {
  it('M17: sells nothing new, and what has been paid for goes on', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const refused = await ask('/call/new', '', { gateway: 'bridgeless' });
    expect([refused.status, refused.code, refused.headers.get('retry-after')]).toEqual([503, 'node_unavailable', '5']);
    expect(refused.headers.has('www-authenticate')).toBe(false);
    expect(await ask('/call/old', authorization, { gateway: 'bridgeless' })).toMatchObject({ status: 200 });
  });
});
