/*
 * Streams that were paid for: when they end, and who gets a timer (M14). The origin's bodies are real streams; time and waiting are
 * the test's.
 */
import { describe, expect, it } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { type Access } from '#protocol/access.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { LONGEST_WATCH_SECONDS } from '#gateway/payment/lease.ts';
import { defineGateway } from '#src/config/config.ts';
import { type ClaimOrder, type Outcome, type Wait } from '#src/ports.ts';
import { makeToken } from '#support/tokens.ts';
import { openGateway } from './front-door.ts';

const NOW = Math.floor(Date.now() / 1000);
const MAX_STREAM_SECONDS = 500;
const SKEW_SECONDS = 30;

const shop = defineGateway({
  maxStreamSeconds: MAX_STREAM_SECONDS,
  skewSeconds: SKEW_SECONDS,
  originTimeoutSeconds: 7,
  routes: [
    { match: 'GET /pass/*', service: 'pass', priceSats: 1, access: { seconds: 3600 } },
    { match: 'GET /pack/*', service: 'pack', priceSats: 1, access: { calls: 5 } },
    { match: 'GET /whole/*', brokenBody: 'released', service: 'whole', priceSats: 1 },
    { match: 'GET /free/*', free: true },
    { match: 'GET /given/*', service: 'given', priceSats: 1, policy: { freeCalls: { calls: 100, seconds: 3600, total: 16_000 } } },
  ],
});

/** An origin whose body goes on until it is cancelled, and a gateway whose waits the test ends. */
function openShop(headers: Readonly<Record<string, string>> = {}, parts: Partial<GateDeps> = {}) {
  const waits: { readonly seconds: number; readonly signal: AbortSignal | undefined; readonly over: () => void }[] = [];
  const wait: Wait = (ms, signal) => new Promise((over) => void waits.push({ seconds: ms / 1000, signal, over }));
  let cancelled: () => void;
  const atOrigin = new Promise<string>((resolve) => void (cancelled = () => resolve('cancelled')));
  let source: ReadableStreamDefaultController<Uint8Array>;
  const origin = () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        source = controller;
        controller.enqueue(new TextEncoder().encode('first'));
      },
      cancel: () => cancelled(),
    });
    return Promise.resolve(new Response(body, { headers }));
  };
  const door = openGateway(shop, { clock: () => NOW * 1000, parts: { origin, wait, ...parts } });
  return {
    atOrigin,
    end: () => source.close(),
    /** Waits that are not for the head of an answer. */
    streamWaits: () => waits.filter(({ seconds }) => seconds !== 7),
    /** Not to the end of all work, as there is none. */
    ask: (path: string, authorization = '') => door.open(path, { headers: { authorization } }),
  };
}

async function tokenOf(service: string, access: Access, secondsLeft: number) {
  return makeToken({ service, terms: { access, validUntilSeconds: NOW + secondsLeft } });
}

async function firstOf(response: Response) {
  const reader = response.body!.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe('first');
  return reader;
}

describe('a stream', () => {
  it('M14: of a pass is broken off at both ends when the pass ends', async () => {
    const { ask, streamWaits, atOrigin } = openShop();
    const { authorization } = await tokenOf('pass', { kind: 'pass' }, 100);
    const reader = await firstOf(await ask('/pass/events', authorization));
    const [limit] = streamWaits();
    expect(limit!.seconds).toBe(100 + SKEW_SECONDS);
    const next = reader.read();
    limit!.over();
    // Not done: what came is not the whole.
    await expect(next).rejects.toThrow('the time of this stream is over');
    expect(await atOrigin).toBe('cancelled');
  });

  it('M14: of a pass that its holder has narrowed ends with the narrower end', async () => {
    const { ask, streamWaits } = openShop();
    const { token, preimage } = await tokenOf('pass', { kind: 'pass' }, 300);
    const narrowed = await attenuate(token, { validUntilSeconds: NOW + 50 });
    await firstOf(await ask('/pass/events', formatCredential({ scheme: 'L402', token: narrowed, preimage })));
    expect(streamWaits().map(({ seconds }) => seconds)).toEqual([50 + SKEW_SECONDS]);
  });

  it('M14: of a pass with a counter ends with the pass too', async () => {
    const { ask, streamWaits } = openShop();
    const { token, preimage } = await tokenOf('pass', { kind: 'pass' }, 100);
    const counted = await attenuate(token, { maxCalls: 3 });
    await firstOf(await ask('/pass/events', formatCredential({ scheme: 'L402', token: counted, preimage })));
    expect(streamWaits().map(({ seconds }) => seconds)).toEqual([100 + SKEW_SECONDS]);
  });

  it('M14: goes on for no longer than maxStreamSeconds', async () => {
    const { ask, streamWaits, atOrigin } = openShop();
    const { authorization } = await tokenOf('pass', { kind: 'pass' }, 3600);
    const reader = await firstOf(await ask('/pass/events', authorization));
    const [limit] = streamWaits();
    expect(limit!.seconds).toBe(MAX_STREAM_SECONDS);
    limit!.over();
    await expect(reader.read()).rejects.toThrow('the time of this stream is over');
    expect(await atOrigin).toBe('cancelled');
  });

  it('M14: of a counted call is not broken off by the end of its token, only by maxStreamSeconds', async () => {
    const { ask, streamWaits } = openShop();
    const { authorization } = await tokenOf('pack', { kind: 'calls', calls: 5 }, 100);
    const response = await ask('/pack/events', authorization);
    expect(response.headers.get('l402-remaining')).toBe('4');
    await firstOf(response);
    expect(streamWaits().map(({ seconds }) => seconds)).toEqual([MAX_STREAM_SECONDS]);
  });

  it('M14: that ends by itself is whole, and leaves no timer behind', async () => {
    const { ask, streamWaits, end } = openShop();
    const { authorization } = await tokenOf('pass', { kind: 'pass' }, 100);
    const reader = await firstOf(await ask('/pass/events', authorization));
    const [limit] = streamWaits();
    const stopped = new Promise((resolve) => limit!.signal!.addEventListener('abort', resolve));
    end();
    expect((await reader.read()).done).toBe(true);
    await stopped;
  });

  it.each([
    ['with a length', '/pass/file', { 'content-length': '1000' }],
    ['that is free', '/free/events', {}],
  ])('M14: %s gets no timer', async (_, path, headers) => {
    const { ask, streamWaits } = openShop(headers);
    const { authorization } = await tokenOf('pass', { kind: 'pass' }, 100);
    const response = await ask(path, authorization);
    expect(response.status).toBe(200);
    expect(streamWaits()).toEqual([]);
  });
});

describe('a WebSocket', () => {
  /** An origin that takes upgrades, and its end of the socket. */
  function openSockets() {
    const { 0: theirs, 1: atOrigin } = new WebSocketPair();
    atOrigin.accept();
    const origin = () => Promise.resolve(new Response(null, { status: 101, webSocket: theirs, headers: { 'x-own': 'kept' } }));
    const closed = new Promise<CloseEvent>((resolve) => atOrigin.addEventListener('close', resolve));
    return { ...openShop({}, { origin }), closed };
  }

  const authorizations: Readonly<Record<string, () => Promise<string>>> = {
    pass: async () => (await tokenOf('pass', { kind: 'pass' }, 100)).authorization,
    pack: async () => (await tokenOf('pack', { kind: 'calls', calls: 5 }, 100)).authorization,
    given: () => Promise.resolve(''),
  };

  it.each([
    ['of a pass ends with it', 'pass', 100 + SKEW_SECONDS],
    ['of a counted call goes on for maxStreamSeconds', 'pack', MAX_STREAM_SECONDS],
    ['that is given away on a sold route does too', 'given', MAX_STREAM_SECONDS],
  ])('M14: %s', async (...[, service, seconds]) => {
    const { ask, streamWaits, closed } = openSockets();
    const response = await ask(`/${service}/socket`, await authorizations[service]!());
    expect([response.status, response.headers.get('x-own')]).toEqual([101, 'kept']);
    const client = response.webSocket!;
    client.accept();
    const [limit, ...others] = streamWaits();
    expect([limit!.seconds, others]).toEqual([seconds, []]);
    const over = new Promise<CloseEvent>((resolve) => client.addEventListener('close', resolve));
    limit!.over();
    expect([(await over).code, (await closed).code]).toEqual([1008, 1008]);
  });

  it('M14: that ends by itself leaves no timer behind', async () => {
    const { ask, streamWaits, closed } = openSockets();
    const { authorization } = await tokenOf('pass', { kind: 'pass' }, 100);
    const client = (await ask('/pass/socket', authorization)).webSocket!;
    client.accept();
    client.close(1000, 'done');
    expect((await closed).reason).toBe('done');
    expect(streamWaits().map(({ signal }) => signal!.aborted)).toEqual([true]);
  });
});

describe('a call that is given away on a sold route', () => {
  it('M14: streams for maxStreamSeconds at most', async () => {
    const { ask, streamWaits } = openShop();
    await firstOf(await ask('/given/events'));
    expect(streamWaits().map(({ seconds }) => seconds)).toEqual([MAX_STREAM_SECONDS]);
  });
});

describe('a body that is watched to its end (brokenBody)', () => {
  it.each([
    ['with a length', { 'content-length': '1000' }],
    ['without one', {}],
  ])('M10 M14 M40: %s ends by the clock, is counted then, and the lease lasts longer than it is watched', async (_, headers) => {
    const orders: ClaimOrder[] = [];
    let tell: (outcome: Outcome) => void;
    const told = new Promise<Outcome>((resolve) => void (tell = resolve));
    const finish = (outcome: Outcome) => Promise.resolve(tell(outcome));
    const reserve = (order: ClaimOrder) => {
      orders.push(order);
      return Promise.resolve({ kind: 'granted', remaining: 0, left: [], lease: { finish } } as const);
    };
    const { ask, streamWaits, atOrigin } = openShop(headers, { claims: { reserve } });
    const { authorization } = await makeToken({ service: 'whole' });
    const reader = await firstOf(await ask('/whole/file', authorization));
    const [limit] = streamWaits();
    expect([limit!.seconds, orders[0]!.leaseMs]).toEqual([MAX_STREAM_SECONDS, (7 + LONGEST_WATCH_SECONDS + 60) * 1000]);
    const next = reader.read();
    limit!.over();
    await expect(next).rejects.toThrow('the time of this stream is over');
    expect([await atOrigin, await told]).toEqual(['cancelled', { kind: 'commit' }]);
  });
});
