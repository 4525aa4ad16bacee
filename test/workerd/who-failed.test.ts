/*
 * Who broke it: a call is given back, and its origin voted against, only where the client did its part (M40); and who has left
 * gives the place at the origin to others (M41). Origins and clients are the test's, time too.
 */
import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { SIGN_OF_LIFE_MS } from '#gateway/upstream/watched-upload.ts';
import { makeToken } from '#support/tokens.ts';
import { openShop, openUpload, post, resets, shop, takesThen, TIMEOUT_SECONDS, untilAborted } from './upload-shop.ts';

beforeEach(() => reset());

describe('an upload', () => {
  it.each([
    ['of a known length', { 'content-length': '1000' }],
    ['of an unknown length', {}],
  ])(
    'M40: %s that the client breaks off is counted, votes for nothing, and does not reach the origin as if it were whole',
    async (_, headers) => {
      const upload = openUpload();
      const { door, votes, outcomes } = openShop(takesThen(5, (request) => (upload.breakOff(), untilAborted(request))));
      const asked = door.ask('/call/job', await post('call', upload.body, headers));
      upload.send('lines');
      expect((await asked).status).toBe(408);
      expect([outcomes(), votes]).toEqual([['counted'], []]);
    },
  );

  it('M40: that is too slow is counted at the time-out, and votes for nothing', async () => {
    const upload = openUpload();
    const { door, votes, outcomes, timeOut } = openShop(
      takesThen(5, () => (queueMicrotask(() => timeOut(TIMEOUT_SECONDS * 1000)), new Promise(() => undefined))),
    );
    const asked = door.ask('/call/job', await post('call', upload.body, { 'content-length': '1000' }));
    upload.send('lines');
    const answer = await asked;
    expect([answer.status, (await answer.json<{ code: string }>()).code]).toEqual([408, 'upload_failed']);
    expect([outcomes(), votes]).toEqual([['counted'], []]);
  });

  it('M40: that the origin does not take in time is given back, and the origin voted against', async () => {
    const { door, voted, outcomes, timeOut } = openShop(
      takesThen(5, () => (queueMicrotask(() => timeOut(TIMEOUT_SECONDS * 1000)), new Promise(() => undefined))),
    );
    const upload = openUpload();
    const asked = door.ask('/call/job', await post('call', upload.body, { 'content-length': '1000' }));
    upload.send('lines');
    upload.send('more');
    expect((await asked).status).toBe(504);
    expect([outcomes(), voted()]).toEqual([['released'], ['failed']]);
  });

  it('M40: that takes its time votes for an origin that is quick, and an origin that takes its own is slow', async () => {
    for (const [clientMs, originMs, vote] of [
      [5000, 0, 'ok'],
      [5000, 1500, 'slow'],
      [0, 1500, 'slow'],
    ] as const) {
      let nowMs = Date.now();
      const gateway = { ...shop, policy: { breaker: { slowHeadSeconds: 1 } } };
      const upload = openUpload();
      const answers = takesThen(10, () => ((nowMs += originMs), Promise.resolve(new Response('done'))));
      const { door, voted } = openShop(answers, { gateway, parts: { clock: () => nowMs } });
      const asked = door.ask('/pass/job', await post('pass', upload.body, { 'content-length': '10' }));
      await door.ask('/free');
      nowMs += clientMs;
      upload.send('ten bytes.');
      upload.end();
      expect((await asked).status).toBe(200);
      expect(voted()).toEqual([vote]);
    }
  });

  it('M40: is given back when nobody listens at the origin, and votes only when the client had sent it', async () => {
    const waiting = openUpload();
    const early = openShop(resets, {
      parts: { wait: (ms) => (ms === SIGN_OF_LIFE_MS ? Promise.resolve() : new Promise(() => undefined)) },
    });
    expect((await early.door.ask('/call/job', await post('call', waiting.body, { 'content-length': '1000' }))).status).toBe(502);
    expect([early.outcomes(), early.voted()]).toEqual([['released'], []]);
    const whole = openShop(resets);
    expect((await whole.door.ask('/call/job', await post('call', 'a body'))).status).toBe(502);
    expect([whole.outcomes(), whole.voted()]).toEqual([['released'], ['failed']]);
  });

  it('M40: under way when the origin goes is given back if the client goes on sending, and counted if it does not', async () => {
    const live = openUpload();
    const first = openShop(takesThen(5, () => (live.send('and on'), resets())));
    const asked = first.door.ask('/call/job', await post('call', live.body, { 'content-length': '1000' }));
    live.send('lines');
    expect([(await asked).status, first.outcomes(), first.voted()]).toEqual([502, ['released'], ['failed']]);
    const stalled = openUpload();
    const second = openShop(takesThen(5, resets), {
      parts: { wait: (ms) => (ms === SIGN_OF_LIFE_MS ? Promise.resolve() : new Promise(() => undefined)) },
    });
    const waiting = second.door.ask('/call/job', await post('call', stalled.body, { 'content-length': '1000' }));
    stalled.send('lines');
    expect([(await waiting).status, second.outcomes(), second.voted()]).toEqual([408, ['counted'], []]);
  });

  it('M40: whose last byte is held back until the time is nearly over is counted, and votes for nothing', async () => {
    let nowMs = Date.now();
    const upload = openUpload();
    const half = Promise.withResolvers<void>();
    const answers: GateDeps['origin'] = async (request) => {
      await takesThen(5, () => (half.resolve(), Promise.resolve(new Response())))(request.clone());
      return new Promise(() => undefined);
    };
    const gateway = { ...shop, policy: { breaker: {} } };
    const { door, outcomes, votes, timeOut } = openShop(answers, { gateway, parts: { clock: () => nowMs } });
    const asked = door.ask('/call/job', await post('call', upload.body, { 'content-length': '10' }));
    upload.send('bytes');
    await half.promise;
    nowMs += TIMEOUT_SECONDS * 1000 - 100;
    upload.send(' held');
    upload.end();
    nowMs += 100;
    timeOut(TIMEOUT_SECONDS * 1000);
    expect((await asked).status).toBe(408);
    expect([outcomes(), votes]).toEqual([['counted'], []]);
  });

  it('M40: that leaves the origin less than its time is given back at the time-out, and votes only for a quick client', async () => {
    for (const [clientMs, votes] of [
      [900, ['failed']],
      [1500, []],
    ] as const) {
      let nowMs = Date.now();
      const upload = openUpload();
      const whole = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      const takes = takesThen(10, () => (whole.resolve(), new Promise(() => undefined)));
      const answers: GateDeps['origin'] = (request) => (begun.resolve(), takes(request));
      const { door, outcomes, voted, timeOut } = openShop(answers, { parts: { clock: () => nowMs } });
      const asked = door.ask('/call/job', await post('call', upload.body, { 'content-length': '10' }));
      await begun.promise;
      nowMs += clientMs;
      upload.send('ten bytes.');
      upload.end();
      await whole.promise;
      nowMs += TIMEOUT_SECONDS * 1000 - clientMs;
      timeOut(TIMEOUT_SECONDS * 1000);
      expect([(await asked).status, outcomes(), voted()]).toEqual([504, ['released'], votes]);
    }
  });

  it('M40: an upgrade that the origin drops votes for nothing: an origin may not know it', async () => {
    const { door, votes } = openShop(resets);
    const { authorization } = await makeToken({ service: 'call' });
    const headers = { authorization, upgrade: 'websocket', connection: 'upgrade' };
    expect((await door.ask('/call/socket', { headers })).status).toBe(502);
    expect(votes).toEqual([]);
  });

  it('M40: five that are broken off by five payers with passes say nothing about the origin either', async () => {
    for (let payer = 0; payer < 5; payer++) {
      const upload = openUpload();
      const { door, votes } = openShop(takesThen(5, (request) => (upload.breakOff(), untilAborted(request))));
      const asked = door.ask('/pass/job', await post('pass', upload.body, { 'content-length': '1000' }));
      upload.send('lines');
      expect([(await asked).status, votes]).toEqual([408, []]);
    }
  });
});

describe('a download on a route that counts whole answers only', () => {
  /** An origin that breaks off when it is told to, a client that reads when it likes, and a clock that the test moves. */
  async function download() {
    let source: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (source = controller) });
    const state = { nowMs: Date.now() };
    const { door, outcomes } = openShop(() => Promise.resolve(new Response(body)), { parts: { clock: () => state.nowMs } });
    const { authorization } = await makeToken({ service: 'whole' });
    const answer = await door.open('/whole/film', { headers: { authorization } });
    return {
      reader: answer.body!.getReader(),
      send: (text: string) => source.enqueue(new TextEncoder().encode(text)),
      breakOff: () => source.error(new Error('time-out')),
      state,
      outcomes,
    };
  }
  const settled = async (outcomes: () => readonly unknown[]) => {
    while (outcomes().length === 0) await scheduler.wait(0);
    return outcomes();
  };

  it('M40: is given back when the origin breaks off while the client waits for it', async () => {
    const { reader, send, breakOff, outcomes } = await download();
    send('first');
    await reader.read();
    const next = reader.read();
    breakOff();
    await expect(next).rejects.toThrow();
    expect(await settled(outcomes)).toEqual(['released']);
  });

  it('M40: is counted when the client had stopped reading for more than two seconds before the origin gave up', async () => {
    const { reader, send, breakOff, state, outcomes } = await download();
    send('first');
    await reader.read();
    send('second');
    // The part lies there until the client takes it.
    for (let turn = 0; turn < 10; turn++) await scheduler.wait(0);
    state.nowMs += 2001;
    breakOff();
    await reader.read().catch(() => undefined);
    void reader.read().catch(() => undefined);
    expect(await settled(outcomes)).toEqual(['counted']);
  });
});

describe('an answer of the origin', () => {
  it.each([
    ['/call/a', 301, '/call/a/', 'released'],
    ['/call/a', 302, 'http://gateway.test/call/b', 'released'],
    ['/call/a', 307, 'http://127.0.0.1:1/call/a/', 'released'],
    ['/call/a', 308, 'https://gateway.test/call/a', 'released'],
    ['/call/a', 302, 'https://elsewhere.test/film', 'counted'],
    ['/call/a', 302, undefined, 'counted'],
    ['/call/a', 302, 'http://[', 'counted'],
    ['/call/a', 303, '/call/done', 'released'],
    ['/call/a', 304, '/call/a/', 'counted'],
    ['/call/a', 404, undefined, 'counted'],
    ['/call/a', 429, undefined, 'released'],
    ['/own/a', 404, undefined, 'released'],
    ['/own/a', 302, '/own/b', 'released'],
    ['/own/a', 301, '/own/b', 'counted'],
    ['/own/a', 429, undefined, 'counted'],
    ['/own/a', 500, undefined, 'released'],
  ] as const)('M40: to a GET of %s: %i to %s is %s', async (...[path, status, location, outcome]) => {
    const headers: Record<string, string> = location === undefined ? {} : { location };
    const { door, outcomes } = openShop(() => Promise.resolve(new Response(null, { status, headers })));
    const { authorization } = await makeToken({ service: path.split('/')[1]! });
    // Under the name by which Cloudflare's edge knows us.
    expect((await door.ask(path, { headers: { authorization }, cf: { colo: 'TXL' } } as RequestInit)).status).toBe(status);
    expect(outcomes()).toEqual([outcome]);
  });

  it('M40: to another host is counted under whatever name the client calls us; without a host of its own it is given back', async () => {
    for (const [location, outcome] of [
      ['http://gateway.test/call/b', 'counted'],
      ['//gateway.test/call/b', 'counted'],
      ['/\\gateway.test/call/b', 'counted'],
      ['/call/b', 'released'],
      ['?b', 'released'],
      ['http://127.0.0.1/call/b', 'released'],
    ] as const) {
      const { door, outcomes } = openShop(() => Promise.resolve(new Response(null, { status: 302, headers: { location } })));
      await door.ask('/call/a', { headers: { authorization: (await makeToken({ service: 'call' })).authorization } });
      expect([location, ...outcomes()]).toEqual([location, outcome]);
    }
  });

  it.each([
    [301, 'counted'],
    [302, 'counted'],
    [303, 'counted'],
    [307, 'released'],
    [308, 'released'],
  ])('M40: of %i to a POST is %s: the work has been done unless the client is to send it again', async (status, outcome) => {
    const { door, outcomes } = openShop(() => Promise.resolve(new Response(null, { status, headers: { location: '/call/done' } })));
    await door.ask('/call/job', await post('call', 'a body'));
    expect(outcomes()).toEqual([outcome]);
  });
});

describe('a client that leaves while the origin is quiet', () => {
  it('M40: is noticed at once on a route that pays for whole answers only, and its call is counted', async () => {
    const body = new ReadableStream<Uint8Array>({ start: (control) => control.enqueue(new TextEncoder().encode('all of it')) });
    const { door, outcomes } = openShop(() => Promise.resolve(new Response(body)));
    const { authorization } = await makeToken({ service: 'whole' });
    const leaving = new AbortController();
    const answer = await door.open('/whole/a', { headers: { authorization }, signal: leaving.signal });
    expect((await answer.body!.getReader().read()).done).toBe(false);
    leaving.abort();
    await vi.waitFor(() => expect(outcomes()).toEqual(['counted']));
  });
});

describe('a client that goes away', () => {
  it('M40: votes for slowness only where the origin was slow by the measure of its seller', async () => {
    for (const [slowHeadSeconds, votes] of [
      [24, ['slow']],
      [90, []],
    ] as const) {
      let nowMs = Date.now();
      const leaving = new AbortController();
      const asked = Promise.withResolvers<void>();
      const gateway = { ...shop, originTimeoutSeconds: 120, policy: { breaker: { slowHeadSeconds } } };
      const silent: GateDeps['origin'] = () => (asked.resolve(), new Promise(() => undefined));
      const { door, voted, timeOut } = openShop(silent, { gateway, parts: { clock: () => nowMs } });
      const { authorization } = await makeToken({ service: 'call' });
      const lost = door.ask('/call/a', { headers: { authorization }, signal: leaving.signal });
      await asked.promise;
      leaving.abort();
      nowMs += 25_000;
      timeOut(25_000);
      expect([(await lost).status, voted()]).toEqual([504, votes]);
    }
  });

  it('M41: gives its place at the origin back at once, its call is broken off there, and counted', async () => {
    const gateway = { ...shop, policy: { concurrency: { most: 1 } } };
    let broken = 0;
    const origin: GateDeps['origin'] = (request) => {
      if (!request.url.endsWith('/hang')) return Promise.resolve(new Response('served'));
      request.signal.addEventListener('abort', () => void (broken += 1));
      leaving.abort();
      return untilAborted(request);
    };
    const leaving = new AbortController();
    const { door, outcomes, votes } = openShop(origin, { gateway });
    const { authorization } = await makeToken({ service: 'call' });
    const lost = await door.ask('/call/hang', { headers: { authorization }, signal: leaving.signal });
    expect([lost.status, broken, outcomes(), votes]).toEqual([499, 1, ['counted'], []]);
    const { authorization: other } = await makeToken({ service: 'call' });
    expect((await door.ask('/call/next', { headers: { authorization: other } })).status).toBe(200);
  });
});
