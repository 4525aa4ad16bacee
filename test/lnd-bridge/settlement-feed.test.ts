/*
 * The bridge's end of the settlement feed (M24): whatever breaks, the gateway ends up with every payment, in sequence.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { readConfig } from '#lnd-bridge/config.ts';
import { RENEW_MS } from '#lnd-bridge/settlement-feed.ts';
import { type Wait } from '#lnd-bridge/nodes/node-answers.ts';
import { type FollowOptions, type LightningNode } from '#lnd-bridge/ports.ts';
import { startFakeGateway, type FakeGateway } from '#support/fake-gateway.ts';
import { mint, startBackend, type Backend } from './backends.ts';
import {
  createTestClock,
  createTestNode,
  KEY,
  PREVIOUS_KEY,
  START_SECONDS,
  startTestBridge,
  type TestBridge,
  type TestClock,
} from './bridge-harness.ts';

const TOKEN = 'token-of-the-metrics-0123456789abcdef';

/** Pauses are over at once; a feed is renewed when the test says so. */
function createWaits(): { readonly wait: Wait; readonly paused: number[]; renew(): void } {
  const paused: number[] = [];
  let renewal = Promise.withResolvers<void>();
  return {
    paused,
    wait: (ms, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        if (signal.aborted) resolve();
        if (ms === RENEW_MS) return void renewal.promise.then(resolve);
        paused.push(ms);
        setImmediate(resolve);
      }),
    renew() {
      renewal.resolve();
      renewal = Promise.withResolvers();
    },
  };
}

interface Line {
  readonly gateway: FakeGateway;
  readonly bridge: TestBridge;
  readonly waits: ReturnType<typeof createWaits>;
  readonly clock: TestClock;
  /** Another bridge over the same node, as after a restart. */
  again(): Promise<TestBridge>;
}

async function connect(node: LightningNode, { clock = createTestClock(), keys = [KEY] } = {}): Promise<Line> {
  const gateway = await startFakeGateway(KEY, clock);
  onTestFinished(() => gateway.stop());
  const waits = createWaits();
  const again = () => startTestBridge({ node, clock, wait: waits.wait, config: { gatewayUrl: gateway.url, keys, metricsToken: TOKEN } });
  return { gateway, waits, clock, again, bridge: await again() };
}

const settle = async ({ node, ledger }: Pick<Backend, 'node' | 'ledger'>): Promise<string> => {
  const { paymentHashHex } = await mint(node);
  ledger.settle(paymentHashHex);
  return paymentHashHex;
};
const settleMany = async (backend: Backend, count: number): Promise<string[]> => {
  const paid: string[] = [];
  while (paid.length < count) paid.push(await settle(backend));
  return paid;
};
const knows = (gateway: FakeGateway, paid: readonly string[]) => expect.poll(() => gateway.known).toEqual(paid);

describe.each(['lnd', 'cln'] as const)('the feed of the %s backend', (kind) => {
  /** The gateway knows the first payment, so that the feed has begun. */
  async function begin() {
    const backend = await startBackend(kind);
    const line = await connect(backend.node, { clock: backend.clock });
    const stream = kind === 'lnd' ? 'GET /v1/invoices/subscribe' : 'POST /v1/waitanyinvoice';
    await expect.poll(() => backend.server.calls).toContain(stream);
    const paid = [await settle(backend)];
    await knows(line.gateway, paid);
    return { backend, paid, ...line };
  }

  test('M24: pushes each payment as it comes, once and in sequence', async () => {
    const { backend, gateway, paid } = await begin();
    paid.push(...(await settleMany(backend, 5)));
    await knows(gateway, paid);
    expect([gateway.refused, [...gateway.standsAt.values()]]).toEqual([[], [6]]);
  });

  test('M24: has no gap after the bridge was stopped, and none after it was started anew', async () => {
    const { backend, gateway, paid, bridge, again } = await begin();
    await bridge.close();
    paid.push(...(await settleMany(backend, 120)));
    await again();
    await knows(gateway, paid);
    paid.push(await settle(backend));
    await knows(gateway, paid);
    expect(Math.max(...gateway.pushes.map(({ settled }) => settled.length))).toBeLessThanOrEqual(100);
  });

  test('M24: has no gap after the gateway was away, and waits longer from time to time while it is', async () => {
    const { backend, gateway, paid, waits, bridge } = await begin();
    await gateway.stop();
    paid.push(...(await settleMany(backend, 3)));
    await expect.poll(() => waits.paused.length).toBeGreaterThan(8);
    expect(waits.paused.slice(0, 8)).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    expect(bridge.logged).toContainEqual(expect.objectContaining({ event: 'feed_failed', node: kind, reason: 'unreachable' }));
    await gateway.start();
    await knows(gateway, paid);
  });

  test('M24: has no gap and nothing twice, whether a push or its answer was lost', async () => {
    const { backend, gateway, paid } = await begin();
    for (const trouble of ['break off before', 'break off after', 'answer 500', 'sign wrongly'] as const) {
      gateway.troubles.push(trouble);
      paid.push(await settle(backend));
      await knows(gateway, paid);
    }
    expect(gateway.troubles).toEqual([]);
  });

  test('M24: has no gap after the node was away', async () => {
    const { backend, gateway, paid, bridge } = await begin();
    backend.ledger.troubles.hangUp = true;
    await expect
      .poll(async () => {
        // Something for a stream to break off at.
        await backend.server.dropAll();
        return bridge.logged.some(({ event }) => event === 'feed_failed');
      })
      .toBe(true);
    backend.ledger.settle(backend.ledger.make({ amountMsat: 1n, memo: '', expirySeconds: 60 }).paymentHashHex);
    paid.push(backend.ledger.invoices.at(-1)!.paymentHashHex);
    backend.ledger.troubles.hangUp = false;
    await knows(gateway, paid);
  });

  test('M24: is renewed now and then, and goes on where it was', async () => {
    const { backend, gateway, paid, waits } = await begin();
    const greetings = () => gateway.pushes.filter(({ settled }) => settled.length === 0).length;
    const before = greetings();
    waits.renew();
    await expect.poll(greetings).toBe(before + 1);
    paid.push(await settle(backend));
    await knows(gateway, paid);
    expect(waits.paused).toEqual([]);
  });
});

describe('a feed', () => {
  /** A node whose payments are what the test says; it tells all after the index, and then waits. */
  function fakeNode(clock: TestClock, tell: (index: number, asked: number) => readonly number[]): LightningNode {
    let asked = 0;
    return {
      ...createTestNode(clock),
      async followSettled(index: number, { signal, take }: FollowOptions) {
        const settled = tell(index, asked++).map((number) => ({
          index: number,
          paymentHashHex: number.toString(16).padStart(64, '0'),
          settledAtSeconds: START_SECONDS,
          preimageHex: 'ab'.repeat(32),
        }));
        if (settled.length > 0) await take(settled);
        if (!signal.aborted) await new Promise<void>((resolve) => void signal.addEventListener('abort', () => resolve()));
        return undefined;
      },
    };
  }
  const indexesOf = (gateway: FakeGateway) => gateway.known.map((hash) => Number.parseInt(hash, 16));

  test('M24: asks the node again for payments that it has left out, and goes on without those that it has not', async () => {
    const clock = createTestClock();
    // 12 is told when it is asked for again; 15 is not there at all.
    const node = fakeNode(clock, (index, asked) => (asked === 0 ? [10, 11, 13] : [12, 13, 14, 16, 17]).filter((one) => one > index));
    const { gateway } = await connect(node, { clock });
    await expect.poll(() => indexesOf(gateway)).toEqual([10, 11, 12, 13, 14, 16, 17]);
  });

  test('M28: sends hashes, numbers and times, whatever the node says more', async () => {
    const clock = createTestClock();
    const { gateway, bridge } = await connect(
      fakeNode(clock, (index) => [1, 2].filter((one) => one > index)),
      { clock },
    );
    await expect.poll(() => indexesOf(gateway)).toEqual([1, 2]);
    expect(gateway.refused).toEqual([]);
    await bridge.close();
    expect(JSON.stringify([gateway.pushes, bridge.logged])).not.toContain('abab');
  });

  test('M24: goes on where the gateway stands when somebody else has pushed meanwhile', async () => {
    const clock = createTestClock();
    const node = fakeNode(clock, (index) => [1, 2, 3, 4].filter((one) => one > index));
    const { gateway, bridge, waits } = await connect(node, { clock });
    await expect.poll(() => indexesOf(gateway)).toEqual([1, 2, 3, 4]);
    const [feed] = gateway.standsAt.keys();
    gateway.standsAt.set(feed!, 2);
    waits.renew();
    await expect.poll(() => gateway.standsAt.get(feed!)).toBe(4);
    expect(bridge.logged.filter(({ event }) => event === 'fault')).toEqual([]);
  });

  test('M24: passes over payments that the gateway would forget at once, and stands after them', async () => {
    const clock = createTestClock();
    const node = fakeNode(clock, (index) => [1, 2, 3].filter((one) => one > index));
    clock.set(START_SECONDS + 48 * 3600);
    const { gateway } = await connect(node, { clock });
    await expect.poll(() => [...gateway.standsAt.values()]).toEqual([3]);
    expect([gateway.pushes.map(({ settled }) => settled.length).toSorted(), gateway.known]).toEqual([[0, 1], []]);
  });

  test('M24: of the embedded node goes on after a restart, though its ledger has begun anew', async () => {
    const clock = createTestClock();
    const pay = async (node: ReturnType<typeof createTestNode>) => {
      const { invoice, paymentHashHex } = await mint(node);
      expect(node.pay(invoice).ok).toBe(true);
      return paymentHashHex;
    };
    const before = createTestNode(clock);
    const { gateway, bridge, waits } = await connect(before, { clock });
    const paid = [await pay(before), await pay(before)];
    await knows(gateway, paid);
    await bridge.close();
    clock.set(START_SECONDS + 1);
    const after = createTestNode(clock);
    await startTestBridge({ node: after, clock, wait: waits.wait, config: { gatewayUrl: gateway.url, keys: [KEY] } });
    paid.push(await pay(after));
    await knows(gateway, paid);
  });

  test('M24 M28: is signed with whichever of the two keys the gateway knows while they are being changed', async () => {
    const clock = createTestClock();
    const node = createTestNode(clock);
    const NEW_KEY = { id: 'k2', secret: PREVIOUS_KEY.secret };
    const { gateway, bridge } = await connect(node, { clock, keys: [NEW_KEY, KEY] });
    const pay = async () => {
      const { invoice, paymentHashHex } = await mint(node);
      node.pay(invoice);
      return paymentHashHex;
    };
    const paid = [await pay()];
    await knows(gateway, paid);
    gateway.key = NEW_KEY;
    paid.push(await pay());
    await knows(gateway, paid);
    expect(new Set(gateway.refused)).toEqual(new Set([401]));
    expect(bridge.logged).toContainEqual(expect.objectContaining({ event: 'feed_failed', reason: 'unauthorized' }));
  });

  test('counts what it pushed, how far behind it was, and how often it broke off', async () => {
    const clock = createTestClock();
    const node = fakeNode(clock, (index) => [1, 2, 3].filter((one) => one > index));
    clock.set(START_SECONDS + 7);
    const { gateway, bridge, waits } = await connect(node, { clock });
    await expect.poll(() => gateway.known).toHaveLength(3);
    await gateway.stop();
    waits.renew();
    const metrics = async () => (await fetch(`${bridge.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })).text();
    await expect.poll(metrics).toContain('l402_bridge_settlements_pushed_total{node="embedded"} 3');
    expect(await metrics()).toContain('l402_bridge_settlement_lag_seconds{node="embedded"} 7');
    expect(await metrics()).toContain('l402_bridge_settlement_index{node="embedded"} 3');
    await expect.poll(metrics).toMatch(/l402_bridge_feed_failures_total\{node="embedded",reason="unreachable"\} [1-9]/);
  });
});

describe('the setting BRIDGE_GATEWAY_URL', () => {
  const read = (environment: Record<string, string>) =>
    readConfig({ BRIDGE_SECRET: 'c3'.repeat(32), BRIDGE_PREIMAGE_SECRET: '5e'.repeat(32), ...environment });

  test('is an address without path', () => {
    const address = read({ BRIDGE_GATEWAY_URL: 'https://api.example.com/' });
    expect(address.ok && address.value.gatewayUrl).toBe('https://api.example.com');
    for (const wrong of ['api.example.com', 'https://api.example.com/l402', 'https://user@api.example.com', 'ftp://api.example.com']) {
      expect(read({ BRIDGE_GATEWAY_URL: wrong })).toMatchObject({ refusal: [{ key: 'BRIDGE_GATEWAY_URL' }] });
    }
  });

  test('is refused where no node has payments to push', () => {
    const eclair = { BRIDGE_NODE: 'eclair', BRIDGE_NODE_URL: 'http://127.0.0.1:8080', BRIDGE_NODE_PASSWORD: 'p' };
    expect(read({ ...eclair, BRIDGE_GATEWAY_URL: 'https://api.example.com' })).toMatchObject({
      refusal: [{ key: 'BRIDGE_GATEWAY_URL', reason: expect.stringContaining('nothing to push') as string }],
    });
  });
});
