/*
 * The policies on the path, through the front door: in one order, each switched on and off alone, and how many objects a
 * request asks.
 */
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { type Gateway } from '#src/config/config.ts';
import { deadNode, fakeControl, openPolicies } from '#support/fakes.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, from, openGateway } from './front-door.ts';
import { watchObjectCalls } from './object-calls.ts';

const ORIGIN = 'http://127.0.0.1:1';
const gone = () => Promise.reject(new Error('object gone'));

/** Every object of the deployment, with each message to it noted. */
function countObjectCalls() {
  const calls: string[] = [];
  return { calls, bindings: watchObjectCalls(env, (name) => void calls.push(name)) };
}

describe('objects asked for a request', () => {
  const gateway: Gateway = {
    routes: [
      { match: 'GET /free', free: true },
      { match: 'GET /once', service: 'once', priceSats: 1 },
      { match: 'GET /pass', service: 'pass', priceSats: 1, access: { seconds: 3600 } },
      { match: 'GET /slow', service: 'slow', priceSats: 1, access: { seconds: 3600, maxPerMinute: 2 } },
    ],
  };

  it('P2: are none for a free call and a pass, one for a counted call and an unpaid one, two for a replay that gets a challenge', async () => {
    const { calls, bindings } = countObjectCalls();
    const lightning = startEmbedded();
    const door = openGateway(gateway, { bindings, parts: { lightning } });
    const ask = async (path: string, authorization = '') => {
      calls.length = 0;
      const { status } = await door.ask(path, { headers: { authorization } });
      return [status, ...calls];
    };
    expect(await ask('/free')).toEqual([200, 'CONTROL']);
    const authorization = { once: await buy(door, '/once', lightning.pay), pass: await buy(door, '/pass', lightning.pay) };
    expect(await ask('/free')).toEqual([200]);
    expect(await ask('/pass')).toEqual([402, 'QUOTA']);
    // Its first use of an isolate is told to the claims, in the background.
    expect(await ask('/pass', authorization.pass)).toEqual([200, 'REPLAY_SET']);
    expect(await ask('/pass', authorization.pass)).toEqual([200]);
    expect(await ask('/once', authorization.once)).toEqual([200, 'REPLAY_SET']);
    expect(await ask('/once', authorization.once)).toEqual([402, 'REPLAY_SET', 'QUOTA']);
    expect(await ask('/once', 'L402 garbage')).toEqual([402, 'QUOTA']);
  });

  it('P2: are one for a pass with a rate of its own, which it holds to: 429 and what is left', async () => {
    const { calls, bindings } = countObjectCalls();
    const lightning = startEmbedded();
    const door = openGateway(gateway, { bindings, parts: { lightning } });
    const authorization = await buy(door, '/slow', lightning.pay);
    calls.length = 0;
    const answers = [];
    for (let call = 0; call < 3; call++) answers.push(await door.ask('/slow', { headers: { authorization } }));
    expect(calls.filter((name) => name !== 'REPLAY_SET')).toEqual(['RATE_LIMITER', 'RATE_LIMITER', 'RATE_LIMITER']);
    expect(calls).toHaveLength(4);
    expect(answers.map(({ status, headers }) => [status, headers.get('ratelimit')?.replace(/t=[0-9]+/, 't')])).toEqual([
      [200, '"pass";r=1;t'],
      [200, '"pass";r=0;t'],
      [429, '"pass";r=0;t'],
    ]);
    expect(answers[2]!.headers.get('ratelimit-policy')).toBe('"pass";q=2;w=60');
    expect(Number(answers[2]!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await codeOf(answers[2]!)).toBe('rate_limited');
  });

  it('P2 M30: a pass works with every object offline once the isolate has its snapshot, and without one where the seller says serve', async () => {
    const control = (env as unknown as Record<string, DurableObjectNamespace>)['CONTROL']!;
    let isOffline = false;
    const offline = { idFromName: () => 'id', get: () => ({ reserve: gone, ask: gone, take: gone, read: gone, report: gone }) };
    const CONTROL = {
      idFromName: control.idFromName.bind(control),
      get: (id: DurableObjectId) => (isOffline ? offline.get() : control.get(id)),
    };
    const bindings = { REPLAY_SET: offline, QUOTA: offline, RATE_LIMITER: offline, CONTROL };
    const use = async (door: ReturnType<typeof openGateway>, service: string) => {
      const access = service === 'pass' ? ({ kind: 'pass' } as const) : ({ kind: 'call' } as const);
      const { authorization } = await makeToken({ service, terms: { access } });
      const response = await door.ask(`/${service}`, { headers: { authorization } });
      return [response.status, await codeOf(response)];
    };
    const door = openGateway(gateway, { bindings });
    expect(await use(door, 'pass')).toEqual([200, undefined]);
    isOffline = true;
    for (let call = 0; call < 3; call++) expect(await use(door, 'pass')).toEqual([200, undefined]);
    expect(await use(door, 'once')).toEqual([503, 'claims_unavailable']);
    const unpaid = await door.ask('/pass');
    expect([unpaid.status, await codeOf(unpaid)]).toEqual([503, 'quota_unavailable']);
    expect(await use(openGateway(gateway, { bindings }), 'pass')).toEqual([503, 'control_unknown']);
    expect((await openGateway(gateway, { bindings }).ask('/free')).status).toBe(200);
    expect(await use(openGateway({ ...gateway, stale: 'serve' }, { bindings }), 'pass')).toEqual([200, undefined]);
  });
});

/** How each policy is made to refuse a request from 192.0.2.1, how it is switched off, and what it then says. */
interface Refusing {
  readonly code: string;
  readonly parts?: Partial<GateDeps>;
  readonly index?: Parameters<typeof fakeControl>[0];
  readonly isStale?: boolean;
  readonly gateway?: Gateway;
  readonly on?: NonNullable<Gateway['policy']>;
  readonly rate?: { readonly calls: number; readonly seconds: number };
  readonly off?: { readonly [name: string]: false };
}
const quotaOver = { kind: 'refused', by: 'challenges', retryAfterSeconds: 7, readings: [] } as const;
const rateOver = { allowed: false, retryAfterSeconds: 1, readings: [] } as const;
const POLICYS: Readonly<Record<string, Refusing>> = {
  lists: { code: 'client_blocked', on: { block: { cidrs: ['192.0.2.0/24'] } }, off: { block: false } },
  control: { code: 'control_unknown', isStale: true },
  maintenance: {
    code: 'maintenance',
    index: { maintenances: [{ route: '*', fromSeconds: 0, extendsPasses: false }] },
    off: { maintenance: false },
  },
  breaker: { code: 'origin_down', index: { openUntilMs: new Map([[ORIGIN, Infinity]]) }, off: { breaker: false } },
  revocation: { code: 'token_revoked', index: { isRevoked: () => true } },
  quota: { code: 'quota_exceeded', parts: { quota: { ...openPolicies().quota, ask: () => Promise.resolve(quotaOver) } } },
  rate: {
    code: 'rate_limited',
    rate: { calls: 1, seconds: 1 },
    parts: { rates: { take: () => Promise.resolve(rateOver) } },
    off: { rate: false },
  },
  concurrency: {
    code: 'origin_busy',
    on: { concurrency: { most: 1 } },
    parts: { places: { enter: () => Promise.resolve(undefined) } },
    off: { concurrency: false },
  },
};

/** The policies that a request can meet, in their order; which of them refuse, and which the route has switched off. */
async function refusalOf(refusing: readonly string[], { isPaid, off = [] }: { isPaid: boolean; off?: readonly string[] }) {
  const all = refusing.map((name) => POLICYS[name]!);
  const index = Object.assign({}, ...all.map((policy) => policy.index ?? {})) as Refusing['index'];
  const rate = all.find((policy) => policy.rate !== undefined)?.rate;
  const switched = Object.assign({}, ...off.map((name) => POLICYS[name]?.off ?? {})) as object;
  const gateway: Gateway = {
    ...(off.includes('control') ? { stale: 'serve' } : {}),
    policy: Object.assign({}, ...all.map((policy) => policy.on ?? {})) as Gateway['policy'],
    routes: [{ match: '/once', service: 'once', priceSats: 1, policy: { ...(rate === undefined ? {} : { rate }), ...switched } }],
  };
  const control = fakeControl(
    index,
    all.some((policy) => policy.isStale === true),
  );
  const parts = Object.assign({ ...openPolicies(), control, lightning: startEmbedded() }, ...all.map((policy) => policy.parts ?? {}));
  const door = openGateway(gateway, { parts });
  const { authorization } = await makeToken({ service: 'once' });
  const response = await door.ask('/once', from('192.0.2.1', isPaid ? { authorization } : {}));
  const code = await codeOf(response.clone());
  const { mayCost } = { mayCost: response.headers.has('www-authenticate') };
  return { code, mayCost, reached: door.seen.length };
}

/** What a request without and one with a payment meets; who is revoked has not paid. */
const LANES = {
  unpaid: ['lists', 'control', 'maintenance', 'breaker', 'quota'],
  paid: ['lists', 'control', 'maintenance', 'breaker', 'revocation', 'rate', 'concurrency'],
} as const;
const PAIRS = (['unpaid', 'paid'] as const).flatMap((trafficClass) =>
  LANES[trafficClass].flatMap((first, index) =>
    LANES[trafficClass].slice(index + 1).map((second) => [trafficClass, first, second] as const),
  ),
);

describe('the policies on the path', () => {
  it.each(Object.keys(POLICYS))(
    'D25: %s turns a request away alone, before the origin and, but for revocation, without an invoice',
    async (name) => {
      const isPaid = name !== 'quota';
      const refused = await refusalOf([name], { isPaid });
      expect(refused).toEqual({ code: POLICYS[name]!.code, mayCost: name === 'revocation', reached: 0 });
    },
  );

  it.each(['lists', 'control', 'maintenance', 'breaker', 'rate', 'concurrency'])('D25: %s is switched off alone', async (name) => {
    expect(await refusalOf([name], { isPaid: true, off: [name] })).toEqual({ code: undefined, mayCost: false, reached: 1 });
    const others = LANES.paid.filter((other) => other !== name && other !== 'revocation');
    for (const other of others) expect((await refusalOf([name, other], { isPaid: true, off: [name] })).code).toBe(POLICYS[other]!.code);
  });

  it.each(PAIRS)('D25: for a request that is %s, %s comes before %s', async (trafficClass, first, second) => {
    expect((await refusalOf([first, second], { isPaid: trafficClass === 'paid' })).code).toBe(POLICYS[first]!.code);
  });

  it('D25: a revoked token is as good as none: it comes before the quota, which then decides', async () => {
    expect((await refusalOf(['revocation', 'quota'], { isPaid: true })).code).toBe('quota_exceeded');
    expect((await refusalOf(['quota'], { isPaid: true })).code).toBeUndefined();
  });

  it('D17: an unknown route and a client that is not let in ask nothing, make no invoice and reach no origin', async () => {
    const { calls, bindings } = countObjectCalls();
    const door = openGateway(
      { policy: { allow: { cidrs: ['198.51.100.0/24'] } }, routes: [{ match: '/once', service: 'once', priceSats: 1 }] },
      { bindings, parts: { lightning: deadNode } },
    );
    expect((await door.ask('/once', from('198.51.100.7'))).status).toBe(503);
    calls.length = 0;
    const answers = [await door.ask('/other', from('198.51.100.7')), await door.ask('/once', from('192.0.2.1')), await door.ask('/once')];
    expect(await Promise.all(answers.map(async (answer) => [answer.status, await codeOf(answer)]))).toEqual([
      [404, 'route_unknown'],
      [403, 'client_blocked'],
      [403, 'client_blocked'],
    ]);
    expect([calls, door.seen]).toEqual([[], []]);
  });
});
