/*
 * Parts that fail outside the Worker, provoked for real: the origin's process killed, its answers broken off, clients that go away,
 * a bridge that is down. docs/failure.md names these tests.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { gzipSync } from 'node:zlib';
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
    const sale = system.lines.slice(before).find((line) => line.includes('"event":"use"'));
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

describe('an answer that the origin breaks off where only whole ones are counted', () => {
  /** Sends a part at once, and the rest or nothing when it is told to. */
  const startAnswer = (headers: Record<string, string>) => {
    const control = { breakOff: () => undefined as void, finish: () => undefined as void, goOn: () => undefined as void };
    system.origin.stream = (_request, response) => {
      response.writeHead(200, headers).write('a part');
      control.breakOff = () => void response.destroy();
      control.goOn = () => {
        if (response.destroyed) return;
        response.write('more');
        setImmediate(control.goOn);
      };
      control.finish = () => void response.end(' and the rest');
    };
    return control;
  };
  const open = async (authorization: string, init: RequestInit = {}) => {
    const response = await fetch(`${system.urlOf('gateway')}/whole/part`, { ...init, headers: { authorization } });
    expect([response.status, response.headers.get('l402-remaining')]).toEqual([200, null]);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('a part');
    return { response, reader };
  };
  const kinds = [
    ['with a length', { 'content-length': '19' }],
    ['without one', {}],
  ] as const;

  it.each(kinds)('M11: %s is broken off at the client, and the payment is good again', async (_, headers) => {
    const { authorization } = await makeToken({ service: 'whole' });
    const before = system.lines.length;
    const answer = startAnswer(headers);
    const { reader } = await open(authorization);
    expect(await ask('/whole/other', authorization)).toMatchObject({ status: 409, code: 'claim_in_flight' });
    answer.breakOff();
    await expect(reader.read()).rejects.toThrow('terminated');
    expect(await nextSale(before)).toBe('released');
    Object.assign(system.origin, { stream: undefined });
    expect(await ask('/whole/again', authorization)).toMatchObject({ status: 200, text: 'origin' });
  });

  it.each(kinds)('M11: %s comes as it is when it is whole, and is counted', async (_, headers) => {
    const { authorization } = await makeToken({ service: 'whole' });
    const before = system.lines.length;
    const answer = startAnswer(headers);
    const { response, reader } = await open(authorization);
    expect(response.headers.get('content-length')).toBe(new Headers(headers).get('content-length'));
    answer.finish();
    expect([await reader.read(), await reader.read()]).toMatchObject([{ value: ' and the rest' }, { done: true }]);
    expect(await nextSale(before)).toBe('counted');
    expect(await ask('/whole/again', authorization)).toMatchObject({ status: 402, code: 'payment_spent' });
  });

  it('M11: an origin is asked for plain answers; one that is compressed all the same comes whole, and is counted', async () => {
    const { authorization } = await makeToken({ service: 'whole' });
    const before = system.lines.length;
    let asked: unknown;
    const packed = gzipSync('packed '.repeat(1000));
    system.origin.stream = ({ headers }, response) => {
      asked = headers['accept-encoding'];
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed);
    };
    expect(await ask('/whole/packed', authorization)).toMatchObject({ status: 200, text: 'packed '.repeat(1000) });
    expect([asked, await nextSale(before)]).toEqual(['identity', 'counted']);
  });

  it('M11: is counted when it was the client that broke off', async () => {
    const { authorization } = await makeToken({ service: 'whole' });
    const before = system.lines.length;
    const answer = startAnswer({});
    const leave = new AbortController();
    await open(authorization, { signal: leave.signal });
    leave.abort();
    // It is noticed at a write into its connection.
    answer.goOn();
    expect(await nextSale(before)).toBe('counted');
    expect(await ask('/whole/again', authorization)).toMatchObject({ status: 402, code: 'payment_spent' });
  });

  it('M11: an answer without a body is counted with its head', async () => {
    const { authorization } = await makeToken({ service: 'whole' });
    system.origin.stream = (_request, response) => void response.writeHead(200, { 'content-length': '19' }).end();
    expect(await ask('/whole/head', authorization, { method: 'HEAD' })).toMatchObject({ status: 200, left: '0' });
    expect(await ask('/whole/head', authorization)).toMatchObject({ status: 402, code: 'payment_spent' });
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
