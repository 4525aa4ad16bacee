/*
 * Bodies that are read before a call is let through, sent slowly by whoever gains by it (M32): time goes on meanwhile, and
 * what has ended by then is judged so. How long, how many and for whom bodies are held is bounded.
 */
import { reset } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { digestRequest } from '#client/request-digest.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { createHeldBodies, type HeldBodies, LONGEST_READ_MS, MOST_HELD, MOST_HELD_OF_CLIENT } from '#gateway/request/held-body.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { type Gateway } from '#src/config/config.ts';
import { fakeControl } from '#support/fakes.ts';
import { makeToken, type TestToken, type TestTokenOptions } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, from, openGateway, type DoorOptions } from './front-door.ts';

const START_MS = Date.UTC(2026, 10, 26, 22, 43, 30);
const START = START_MS / 1000;
const DAY = 86_400;
const BODY = 'x'.repeat(1000);

beforeEach(async () => {
  await reset();
  vi.setSystemTime(START_MS);
});
afterEach(() => void vi.useRealTimers());

const service = { fetch: () => Response.json({ price_msat: '1000' }) };
const gateway: Gateway = {
  routes: [
    { match: '/once/*', service: 'once', priceSats: 1 },
    { match: '/pass/*', service: 'pass', priceSats: 1, access: { seconds: 60 } },
    { match: '/asked/*', service: 'asked', price: { service: 'PRICING', bodyPrefixBytes: 4096 }, minSats: 1, maxSats: 9 },
  ],
};

function open(options: DoorOptions = {}) {
  const { parts, variables, bindings } = options;
  const bodies = watchBodies(parts?.bodies ?? createHeldBodies(parts?.wait ?? never));
  const door = openGateway(gateway, {
    ...options,
    parts: { lightning: startEmbedded(), ...parts, bodies },
    variables: { PRICING_SECRET: 'c7'.repeat(32), ADMIN_SECRET: 'ad'.repeat(32), ...variables },
    bindings: { PRICING: service, ...bindings },
  });
  return { ...door, begun: bodies.begun };
}

const never: GateDeps['wait'] = () => new Promise(() => undefined);

/** The same places for bodies, which tell when so many have begun to be read. */
function watchBodies(bodies: HeldBodies) {
  let begun = 0;
  const waiting = new Map<number, () => void>();
  const read: HeldBodies['read'] = (...asked) => {
    const outcome = bodies.read(...asked);
    begun += 1;
    waiting.get(begun)?.();
    return outcome;
  };
  const all = (count: number) => (begun >= count ? Promise.resolve() : new Promise<void>((done) => void waiting.set(count, done)));
  return { read, begun: all };
}

/** A body that comes when it is told to. */
function slowBody() {
  let sender!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (sender = controller) });
  const end = (text = BODY) => {
    sender.enqueue(new TextEncoder().encode(text));
    sender.close();
  };
  return { body, end };
}

const token = (name: string, options: Omit<TestTokenOptions, 'service'> = {}) =>
  makeToken({ service: name, ...options, terms: { validUntilSeconds: START + 600 + DAY, ...options.terms } });

/** The credential, narrowed to one request with the body: so it has to be read before the call is let through. */
async function narrow({ token: sold, preimage }: TestToken, path: string): Promise<string> {
  const digest = await digestRequest({ url: `http://gateway.test${path}`, method: 'POST', body: BODY });
  return formatCredential({ scheme: 'L402', token: await attenuate(sold, { requestDigest: digest }), preimage });
}

type Door = ReturnType<typeof open>;

/** Begins a request whose body is yet to come. */
function begin(door: Door, path: string, { authorization, client = '192.0.2.1' }: { authorization?: string; client?: string } = {}) {
  const { body, end } = slowBody();
  const headers = authorization === undefined ? {} : { authorization };
  const answer = door.open(path, { ...from(client, headers), method: 'POST', body });
  const told = answer.then(async (response) => (await codeOf(response.clone())) ?? response.text());
  return { end, told };
}

describe('a body that comes slowly', () => {
  it.each([
    ['that its token is narrowed to', '/once/a', async () => narrow(await token('once'), '/once/a')],
    ['that its price depends on', '/asked/a', async () => (await token('asked')).authorization],
    ['and is that of a pass', '/pass/a', async () => narrow(await token('pass', { terms: { access: { kind: 'pass' } } }), '/pass/a')],
  ])('M32: %s buys nothing once the token has ended', async (_, path, make) => {
    const door = open();
    const request = begin(door, path, { authorization: await make() });
    await door.begun(1);
    vi.setSystemTime((START + 600 + DAY + 31) * 1000);
    request.end();
    expect(await request.told).toBe('token_expired');
    expect(door.seen).toEqual([]);
  });

  it('M32: buys what it was sent for when the token is good to the end', async () => {
    for (const [path, name] of [
      ['/once/a', 'once'],
      ['/asked/a', 'asked'],
    ] as const) {
      const door = open();
      const request = begin(door, path, { authorization: await narrow(await token(name), path) });
      await door.begun(1);
      vi.setSystemTime(Date.now() + 20_000);
      request.end();
      expect(await request.told).toBe('origin');
    }
  });

  it('M32: brings no spent payment back whose row has been forgotten, however many bodies were begun before', async () => {
    const door = open();
    const sold = await token('once');
    expect((await door.ask('/once/a', { headers: { authorization: sold.authorization } })).status).toBe(200);
    vi.setSystemTime((START + 600 + DAY - 5) * 1000);
    const authorization = await narrow(sold, '/once/a');
    // Another isolate, which knows nothing of the first use.
    const other = open();
    const requests = Array.from({ length: MOST_HELD_OF_CLIENT }, () => begin(other, '/once/a', { authorization }));
    await other.begun(MOST_HELD_OF_CLIENT);
    vi.setSystemTime((START + 3 * DAY) * 1000);
    for (const { end } of requests) end();
    const told = await Promise.all(requests.map((request) => request.told));
    expect(told).toEqual(told.map(() => 'token_expired'));
    expect([door.seen.length, other.seen.length]).toEqual([1, 0]);
  });

  it.each([
    ['the token', { isRevoked: () => true }, 'token_revoked'],
    ['the route', { maintenances: [{ route: '*', fromSeconds: 0, extendsPasses: false }] }, 'maintenance'],
  ] as const)('M32 M30: is judged by what is known of %s when it has come', async (_, news, code) => {
    let control = fakeControl();
    const door = open({ parts: { control: { ...control, read: (background) => control.read(background) } } });
    const request = begin(door, '/once/a', { authorization: await narrow(await token('once'), '/once/a') });
    await door.begun(1);
    control = fakeControl(news);
    request.end();
    expect(await request.told).toBe(code);
    expect(door.seen).toEqual([]);
  });

  it('M32 M8: is judged by the keys that are good when it has come', async () => {
    const door = open();
    const sold = await token('once', { terms: { validUntilSeconds: START + 90 * DAY } });
    const request = begin(door, '/once/a', { authorization: await narrow(sold, '/once/a') });
    await door.begun(1);
    vi.setSystemTime((START + 80 * DAY) * 1000);
    request.end();
    expect(await request.told).toBe('token_epoch_out_of_range');
  });

  it('M32: is not even waited for when the token has ended or is for something else', async () => {
    const read = vi.fn();
    const bodies: HeldBodies = { read: () => (read(), Promise.reject(new Error('nothing is to be read'))) };
    const door = open({ parts: { bodies } });
    const ended = await token('once', { terms: { validUntilSeconds: START - 31 } });
    const other = await token('pass', { terms: { access: { kind: 'pass' } } });
    for (const sold of [ended, other]) {
      expect(await begin(door, '/once/a', { authorization: await narrow(sold, '/once/a') }).told).toMatch(
        /^(token_expired|service_wrong)$/,
      );
    }
    expect(read).not.toHaveBeenCalled();
  });
});

describe('an answer that comes slowly', () => {
  /** A part that answers when it is told to, and tells when it is asked. */
  function slowAnswer<Answer>(answer: Answer) {
    const asked = Promise.withResolvers<void>();
    const told = Promise.withResolvers<Answer>();
    return { ask: () => (asked.resolve(), told.promise), asked: asked.promise, tell: () => told.resolve(answer) };
  }

  it.each(['/once/a', '/pass/a'])(
    'M32 M24: of the node, whether the payment was made, buys nothing at %s once the token has ended',
    async (path) => {
      const node = slowAnswer('settled' as const);
      const door = open({ parts: { lightning: { ...startEmbedded(), lookUp: node.ask } } });
      const name = path.split('/')[1]!;
      const access = { kind: name === 'pass' ? 'pass' : 'call' } as const;
      const { authorization } = await token(name, { terms: { settlement: 'strict', access } });
      const answer = door.open(path, from('192.0.2.1', { authorization }));
      await node.asked;
      vi.setSystemTime((START + 600 + DAY + 31) * 1000);
      node.tell();
      expect([await codeOf(await answer), door.seen]).toEqual(['token_expired', []]);
    },
  );

  it('M32: of a pricing service buys nothing once the token has ended', async () => {
    const pricing = slowAnswer(1000n as never);
    const door = open({ parts: { pricing: pricing.ask } });
    const { authorization } = await token('asked');
    const answer = door.open('/asked/a', from('192.0.2.1', { authorization }));
    await pricing.asked;
    vi.setSystemTime((START + 600 + DAY + 31) * 1000);
    pricing.tell();
    expect([await codeOf(await answer), door.seen]).toEqual(['token_expired', []]);
  });

  it('M32: of a pricing service costs no invoice when maintenance has begun meanwhile', async () => {
    let control = fakeControl();
    const pricing = slowAnswer(1000n as never);
    const door = open({ parts: { pricing: pricing.ask, control: { ...control, read: (background) => control.read(background) } } });
    const answer = door.open('/asked/a', from('192.0.2.1'));
    await pricing.asked;
    control = fakeControl({ maintenances: [{ route: '*', fromSeconds: 0, extendsPasses: false }] });
    pricing.tell();
    expect(await codeOf(await answer)).toBe('maintenance');
  });
});

describe('the time and the places for bodies', () => {
  const stoppedClock = () => {
    const late: (() => void)[] = [];
    const wait: GateDeps['wait'] = (ms, signal) =>
      new Promise((resolve) => {
        if (ms === LONGEST_READ_MS) late.push(() => signal?.aborted === true || resolve());
      });
    return { late, wait };
  };

  it('M32: end after 30 seconds with a 408 and no invoice, whoever the body is read for', async () => {
    for (const path of ['/once/a', '/asked/a', '/asked/b', '/_l402/control']) {
      const { late, wait } = stoppedClock();
      const door = open({ parts: { wait } });
      const authorizations: Readonly<Record<string, string>> = {
        '/once/a': await narrow(await token('once'), '/once/a'),
        '/asked/a': (await token('asked')).authorization,
        '/_l402/control': `Bearer ${'ad'.repeat(32)}`,
      };
      const authorization = authorizations[path];
      const request = begin(door, path, authorization === undefined ? {} : { authorization });
      await door.begun(1);
      expect(late, path).toHaveLength(1);
      late[0]!();
      expect(await request.told, path).toBe('body_too_slow');
      expect(door.seen).toEqual([]);
    }
  });

  it('M32: are few for one client; one more is told to wait, and others are served', async () => {
    const door = open();
    const slow = Array.from({ length: MOST_HELD_OF_CLIENT }, () => begin(door, '/asked/a'));
    await door.begun(MOST_HELD_OF_CLIENT);
    expect(await begin(door, '/asked/a').told).toBe('bodies_crowded');
    const other = begin(door, '/asked/a', { client: '192.0.2.2' });
    other.end();
    expect(await other.told).toBe('payment_required');
    for (const { end } of slow) end();
    for (const { told } of slow) expect(await told).toBe('payment_required');
  });

  it('M32 M22: are few in all; the slowest gives way to whoever comes, and those who have paid have places of their own', async () => {
    const door = open();
    const slow = Array.from({ length: MOST_HELD.unpaid }, (_, index) => begin(door, '/asked/a', { client: `192.0.3.${index}` }));
    await door.begun(MOST_HELD.unpaid);
    const { authorization } = await token('asked');
    const paid = begin(door, '/asked/a', { authorization });
    paid.end();
    expect(await paid.told).toBe('origin');
    const one = begin(door, '/asked/a', { client: '192.0.4.1' });
    one.end();
    expect(await one.told).toBe('payment_required');
    const first = await Promise.race(slow.map(async (request) => ({ request, told: await request.told })));
    expect(first.told).toBe('bodies_crowded');
    const others = slow.filter((request) => request !== first.request);
    for (const { end } of others) end();
    expect(new Set(await Promise.all(others.map(({ told }) => told)))).toEqual(new Set(['payment_required']));
  });
});
