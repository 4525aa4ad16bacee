/*
 * The circuit breaker on the path, through the front door over the real control object, on a clock that the test moves.
 */
import { reset } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Gateway } from '#src/config/config.ts';
import { createOriginProbe } from '#adapters/origin-probe.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, from, openGateway } from './front-door.ts';

const START_MS = Date.now();
beforeEach(async () => {
  await reset();
  vi.setSystemTime(START_MS);
});
afterEach(() => void vi.useRealTimers());

const breaker = { failuresInARow: 3, openSeconds: 10, openMaxSeconds: 10 };
const routes: Gateway['routes'] = [
  { match: 'GET /free', free: true },
  { match: 'GET /once', service: 'once', priceSats: 1 },
  { match: 'GET /apart', service: 'apart', priceSats: 1, policy: { breaker: false } },
];

/** A gateway whose origin answers as the test says, and time that goes on by two seconds a call. */
function openShop(more: { readonly probePath?: string } = {}) {
  const state = { status: 200, minted: 0, calls: 0 };
  const node = startEmbedded();
  const lightning = { ...node, mint: (order: Parameters<typeof node.mint>[0]) => ((state.minted += 1), node.mint(order)) };
  const origin = () => Promise.resolve(new Response('origin', { status: ((state.calls += 1), state.status) }));
  const door = openGateway({ routes, policy: { breaker: { ...breaker, ...more } } }, { parts: { lightning, origin } });
  const ask = async (path: string, address: string, authorization = '') => {
    vi.setSystemTime(Date.now() + 2000);
    const response = await door.ask(path, from(address, authorization === '' ? {} : { authorization }));
    return { status: response.status, code: await codeOf(response.clone()), headers: response.headers };
  };
  const use = async (address: string, path = '/once') => ask(path, address, (await makeToken({ service: path.slice(1) })).authorization);
  const fail = async () => {
    state.status = 500;
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) expect((await use(address)).status).toBe(500);
    // The last vote goes out with the next request, a second later at the soonest.
    await ask('/free', '192.0.2.4');
  };
  return { state, ask, use, fail };
}

describe('the breaker on the path', () => {
  it('D18 M12: after three payers in a row have met a failing origin nobody is sent there, and no invoice is made', async () => {
    const { state, ask, use, fail } = openShop();
    await fail();
    const { calls, minted } = state;
    const payer = await use('192.0.2.9');
    expect([payer.status, payer.code]).toEqual([503, 'origin_down']);
    expect(Number(payer.headers.get('retry-after'))).toBeGreaterThan(0);
    const unpaid = await ask('/once', '192.0.2.9');
    expect([unpaid.status, unpaid.code, unpaid.headers.get('www-authenticate')]).toEqual([503, 'origin_down', null]);
    expect((await ask('/free', '192.0.2.9')).code).toBe('origin_down');
    expect([state.calls, state.minted]).toEqual([calls, minted]);
    expect((await use('192.0.2.9', '/apart')).status).toBe(500);
  });

  it('D18: half open, calls that work close it', async () => {
    const { state, use, ask, fail } = openShop();
    await fail();
    expect((await use('192.0.2.9')).code).toBe('origin_down');
    state.status = 200;
    vi.setSystemTime(Date.now() + 12_000);
    expect((await use('192.0.2.7')).status).toBe(200);
    expect((await use('192.0.2.8')).status).toBe(200);
    // The snapshot of this isolate learns of it within its interval.
    vi.setSystemTime(Date.now() + 10_000);
    await ask('/free', '192.0.2.8');
    for (let call = 0; call < 5; call++) expect((await use('192.0.2.9')).status).toBe(200);
  });

  it('M12: one payer alone does not open it, nor do those who have paid nothing', async () => {
    const { state, ask, use } = openShop();
    state.status = 500;
    for (let call = 0; call < 10; call++) expect((await use('192.0.2.1')).status).toBe(500);
    for (let call = 0; call < 10; call++) expect((await ask('/free', `198.51.100.${call}`)).status).toBe(500);
    expect((await use('192.0.2.1')).status).toBe(500);
  });

  it('M12: a failed probe of the gateway opens it when the first call has failed', async () => {
    // The address of the origin answers nobody: the calls of this test do not go there, and the probe does.
    const { state, ask, use } = openShop({ probePath: '/health' });
    state.status = 500;
    expect((await use('192.0.2.1')).status).toBe(500);
    await ask('/free', '192.0.2.4');
    expect((await use('192.0.2.9')).code).toBe('origin_down');
  });

  it('M12: stays closed when the origin answers 501, which the request decides', async () => {
    const door = openGateway(
      { routes, policy: { breaker } },
      { parts: { origin: () => Promise.resolve(new Response('', { status: 501 })) } },
    );
    for (let payer = 0; payer < 8; payer++) {
      vi.setSystemTime(Date.now() + 2000);
      const { authorization } = await makeToken({ service: 'once' });
      expect((await door.ask('/once', from(`192.0.2.${payer}`, { authorization }))).status).toBe(501);
    }
  });

  it('M22: half open, a crowd that has not paid leaves the way free for one who has', async () => {
    const { state, ask, use, fail } = openShop();
    await fail();
    await use('192.0.2.9');
    state.status = 200;
    vi.setSystemTime(Date.now() + 12_000);
    const nowMs = Date.now();
    for (let call = 0; call < 20; call++) {
      await ask('/once', `198.51.100.${call}`, 'L402 garbage');
      await ask('/free', `198.51.100.${call}`);
      vi.setSystemTime(nowMs);
    }
    expect((await use('192.0.2.9')).status).toBe(200);
  });
});

/** A gateway whose origin has failed, works again, and is half open. */
const half = async (policy: Gateway['policy'], more: NonNullable<Gateway['routes']>) => {
  const state = { status: 500 };
  const lightning = startEmbedded();
  const origin = () => Promise.resolve(new Response('', { status: state.status }));
  const gateway = { routes: [...routes, ...more], policy: { breaker, ...policy } };
  const door = openGateway(gateway, { parts: { lightning, origin } });
  const ask = async (path: string, address: string, authorization = '') => {
    const response = await door.ask(path, from(address, authorization === '' ? {} : { authorization }));
    return (await codeOf(response.clone())) ?? response.status;
  };
  for (let payer = 0; payer < 4; payer++) {
    vi.setSystemTime(Date.now() + 2000);
    await ask('/once', `192.0.2.${payer}`, (await makeToken({ service: 'once' })).authorization);
  }
  vi.setSystemTime(Date.now() + 12_000);
  state.status = 200;
  return ask;
};

describe('a turn at an origin that is half open', () => {
  it('M12 M41: is not taken by a pass that is over its own rate', async () => {
    const ask = await half({}, [{ match: 'GET /pass', service: 'pass', priceSats: 1, access: { seconds: 3600, maxPerMinute: 1 } }]);
    const { authorization } = await makeToken({ service: 'pass', terms: { access: { kind: 'pass', maxPerMinute: 1 } } });
    expect(await ask('/pass', '198.51.100.1', authorization)).toBe(200);
    vi.setSystemTime(Date.now() + 1000);
    for (let call = 0; call < 20; call++) expect(await ask('/pass', '198.51.100.1', authorization)).toBe('rate_limited');
    expect(await ask('/once', '192.0.2.9', (await makeToken({ service: 'once' })).authorization)).toBe(200);
  });

  it('M12 M20: is not taken by a stranger that is over its quota', async () => {
    const ask = await half({ challenges: { perMinute: 1, open: 1, overQuota: 'refuse' } }, []);
    expect(await ask('/once', '198.51.100.1')).toBe('payment_required');
    vi.setSystemTime(Date.now() + 4000);
    for (let call = 0; call < 20; call++) expect(await ask('/once', '198.51.100.1')).toBe('quota_exceeded');
    expect(await ask('/once', '192.0.2.9')).toBe('payment_required');
  });
});

describe('the turns at an origin that is half open', () => {
  const passRoute = { match: 'GET /pass', service: 'pass', priceSats: 1, access: { seconds: 3600 } };

  it('M12 M41: are left to others by one pass that works and calls on, so the breaker closes', async () => {
    const ask = await half({}, [passRoute]);
    const { authorization } = await makeToken({ service: 'pass', terms: { access: { kind: 'pass' } } });
    const served: boolean[] = [];
    for (let payer = 0; payer < 20; payer++) {
      for (let call = 0; call < 5; call++) {
        vi.setSystemTime(Date.now() + 300);
        await ask('/pass', '198.51.100.1', authorization);
      }
      served.push((await ask('/once', `203.0.113.${payer}`, (await makeToken({ service: 'once' })).authorization)) === 200);
    }
    expect(served.filter(Boolean).length).toBeGreaterThanOrEqual(18);
  });

  it('M12 M41: are left to others by the strangers of one IPv6 /48', async () => {
    const ask = await half({ challenges: { perMinute: 1000, open: 1000 } }, [passRoute]);
    const served: unknown[] = [];
    for (let second = 0; second < 60; second++) {
      for (let call = 0; call < 10; call++) {
        vi.setSystemTime(Date.now() + 101);
        await ask('/once', `[2001:db8:7:${(second * 10 + call).toString(16)}::1]`);
      }
      served.push(await ask('/once', `198.51.100.${second}`));
    }
    expect(served.filter((answer) => answer === 'payment_required').length).toBeGreaterThan(50);
  });

  it('M18 M41: are not taken by an invoice that is given again', async () => {
    const ask = await half({ challenges: { perMinute: 1, open: 1 } }, []);
    expect(await ask('/once', '198.51.100.1')).toBe('payment_required');
    vi.setSystemTime(Date.now() + 4000);
    for (let call = 0; call < 20; call++) expect(await ask('/once', '198.51.100.1')).toBe('payment_required');
    expect(await ask('/once', '192.0.2.9')).toBe('payment_required');
  });
});

describe('a probe of the gateway', () => {
  type Reach = Parameters<typeof createOriginProbe>[0]['reach'];
  const probe = (reach: Reach, wait = () => new Promise<void>(() => undefined)) =>
    createOriginProbe({ reach, limitMs: 1000, wait })('http://origin.test');

  it('M12: finds an origin working that answers below 500, and tells it no secret', async () => {
    const seen: Parameters<Reach>[] = [];
    const answering =
      (status: number): Reach =>
      (...asked) => (seen.push(asked), Promise.resolve(new Response('x', { status })));
    expect(await Promise.all([200, 302, 404, 429, 499].map((status) => probe(answering(status))))).toEqual(Array(5).fill('ok'));
    expect(await Promise.all([500, 503, 599].map((status) => probe(answering(status))))).toEqual(Array(3).fill('failed'));
    expect([seen[0]![0], Object.keys(seen[0]![1])]).toEqual(['http://origin.test', ['redirect', 'signal']]);
  });

  it('M12: finds one failing that cannot be reached or says nothing within the time limit', async () => {
    expect(await probe(() => Promise.reject(new Error('refused')))).toBe('failed');
    const silent: Reach = (_, { signal }) =>
      new Promise<Response>((_resolve, reject) => signal!.addEventListener('abort', () => reject(new Error('aborted'))));
    expect(await probe(silent, () => Promise.resolve())).toBe('failed');
  });
});
