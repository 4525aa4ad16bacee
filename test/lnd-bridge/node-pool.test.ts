/*
 * Several nodes behind one bridge, and what protects them: order, breaker, ownership, queue, rate.
 */
import { describe, expect, test } from 'vitest';
import { MintBatchAnswer, NodeAnswer } from '#lnd-bridge/contract.ts';
import { createMetrics } from '#lnd-bridge/metrics.ts';
import { createNodeBreaker } from '#lnd-bridge/node-breaker.ts';
import { createNodePool } from '#lnd-bridge/node-pool.ts';
import { type LightningNode } from '#lnd-bridge/ports.ts';
import { createWorkQueue } from '#lnd-bridge/work-queue.ts';
import { msat } from '#protocol/msat.ts';
import { refuse } from '#protocol/result.ts';
import { anOrder, createTestClock, START_SECONDS, startTestBridge } from './bridge-harness.ts';
import { makeNode, mintAt } from './fake-nodes.ts';

describe('several nodes', () => {
  test('are asked in their order: the next only when the one before cannot', async () => {
    const clock = createTestClock();
    const [first, second] = [makeNode('alice', { clock }), makeNode('bob', { clock })];
    const bridge = await startTestBridge({ nodes: [first, second], clock });
    expect((await mintAt(bridge)).signer).toBe(first.real.publicKeyHex);
    expect(second.asked).toBe(0);
    for (const mood of ['down', 'throws', 'lying'] as const) {
      first.mood = mood;
      expect(await mintAt(bridge)).toMatchObject({ status: 200, signer: second.real.publicKeyHex });
    }
    expect(bridge.logged.filter(({ event }) => event === 'invoice_minted').map(({ node }) => node)).toEqual(['alice', 'bob', 'bob', 'bob']);
  });

  test('a failing one is left alone after three failures, tried again after 5 seconds, then after 10', async () => {
    const clock = createTestClock();
    const [first, second] = [makeNode('alice', { clock }), makeNode('bob', { clock })];
    const bridge = await startTestBridge({ nodes: [first, second], clock });
    first.mood = 'down';
    for (let count = 0; count < 6; count++) expect((await mintAt(bridge)).status).toBe(200);
    expect(first.asked).toBe(3);
    expect(bridge.logged.filter(({ event }) => event === 'breaker_opened')).toEqual([{ event: 'breaker_opened', node: 'alice' }]);
    clock.set(START_SECONDS + 5);
    await mintAt(bridge);
    await mintAt(bridge);
    expect(first.asked).toBe(4);
    clock.set(START_SECONDS + 14);
    await mintAt(bridge);
    expect(first.asked).toBe(4);
    clock.set(START_SECONDS + 15);
    first.mood = 'well';
    expect((await mintAt(bridge)).signer).toBe(first.real.publicKeyHex);
    expect((await mintAt(bridge)).signer).toBe(first.real.publicKeyHex);
  });

  test('an order that the first one refuses is not taken to the second', async () => {
    const clock = createTestClock();
    const [first, second] = [makeNode('alice', { clock }), makeNode('bob', { clock })];
    const bridge = await startTestBridge({ nodes: [first, second], clock });
    const order = anOrder();
    expect((await bridge.call({ body: order })).status).toBe(200);
    expect(await bridge.call({ body: { ...order, memo: 'other' } })).toMatchObject({ status: 409, body: { code: 'idempotency_key_used' } });
    expect(second.asked).toBe(0);
  });

  test('M23 an invoice belongs to the node that made it: the repeat of its order goes there or nowhere', async () => {
    const clock = createTestClock();
    const [first, second] = [makeNode('alice', { clock }), makeNode('bob', { clock })];
    const bridge = await startTestBridge({ nodes: [first, second], clock });
    first.mood = 'down';
    const order = anOrder();
    const minted = await bridge.call({ body: order });
    first.mood = 'well';
    expect(await bridge.call({ body: order })).toMatchObject({ status: 200, body: minted.body });
    second.mood = 'down';
    expect(await bridge.call({ body: order })).toMatchObject({ status: 503, body: { code: 'node_unavailable' } });
    expect((await mintAt(bridge)).signer).toBe(first.real.publicKeyHex);
  });

  test('M23 repeats of one order at once are one invoice, also when the first node fails under one of them only', async () => {
    const clock = createTestClock();
    const [first, second] = [makeNode('alice', { clock }), makeNode('bob', { clock })];
    const released = Promise.withResolvers<void>();
    let asked = 0;
    const failsOnce: LightningNode = {
      ...first.node,
      async mint(order) {
        if (++asked > 1) return first.real.mint(order);
        await released.promise;
        return refuse({ code: 'node_unavailable', fault: 'timeout', detail: 'the Lightning node does not answer in time' });
      },
    };
    const limits = { network: 'regtest', maxSkewSeconds: 60, queueCapacity: 10, maxMintsPerSecond: 100 } as const;
    const pool = createNodePool([{ name: 'alice', node: failsOnce, concurrency: 4 }, second], {
      ...limits,
      clock,
      log: () => undefined,
      metrics: createMetrics(),
      stopwatchMs: () => 0,
    });
    const order = { amountMsat: msat(1000n), memo: 'weather', expirySeconds: 600, idempotencyKey: 'ab'.repeat(16) };
    const all = Promise.all(Array.from({ length: 5 }, () => pool.mint(order)));
    released.resolve();
    const minted = await all;
    expect(minted.map((one) => one.ok && one.value.name)).toEqual(['bob', 'bob', 'bob', 'bob', 'bob']);
    expect(new Set(minted.map((one) => one.ok && one.value.minted.invoice)).size).toBe(1);
    expect(asked).toBe(1);
  });

  test('a look-up goes to the owner; of an unknown invoice every node is asked, and unknown is said only when all were', async () => {
    const clock = createTestClock();
    const [first, second] = [makeNode('alice', { clock }), makeNode('bob', { clock })];
    const bridge = await startTestBridge({ nodes: [first, second], clock });
    const { hash } = await mintAt(bridge);
    // As after a restart: an invoice that the second node made and nobody here remembers.
    const made = await second.real.mint({ amountMsat: msat(1n), memo: '', expirySeconds: 600, idempotencyKey: 'ab'.repeat(16) });
    const forgotten = made.ok ? made.value.paymentHashHex : '';
    const lookUp = (of: string) => bridge.call({ method: 'GET', path: `/v1/invoices/${of}` });
    expect((await lookUp(forgotten)).body).toMatchObject({ state: 'open' });
    expect(await lookUp('ab'.repeat(32))).toMatchObject({ status: 404 });
    second.mood = 'down';
    expect((await lookUp(hash)).status).toBe(200);
    expect(await lookUp('ab'.repeat(32))).toMatchObject({ status: 503, body: { code: 'node_unavailable' } });
    [first.mood, second.mood] = ['down', 'well'];
    expect(await lookUp('ab'.repeat(32))).toMatchObject({ status: 503, body: { code: 'node_unavailable' } });
  });

  test('an amount that only one of them can hold goes to that one', async () => {
    const clock = createTestClock();
    const coarse = makeNode('alice', { clock, changes: { smallestMsat: msat(1000n) } });
    const fine = makeNode('bob', { clock });
    const bridge = await startTestBridge({ nodes: [coarse, fine], clock });
    expect((await mintAt(bridge, { amountMsat: '1500' })).signer).toBe(fine.real.publicKeyHex);
    expect((await mintAt(bridge, { amountMsat: '2000' })).signer).toBe(coarse.real.publicKeyHex);
  });

  test('health shows each, and the bridge is well while one is', async () => {
    const clock = createTestClock();
    const [first, second] = [makeNode('alice', { clock }), makeNode('bob', { clock })];
    const bridge = await startTestBridge({ nodes: [first, second], clock });
    first.mood = 'down';
    const health = await fetch(`${bridge.url}/healthz`);
    const nodes = [
      { name: 'alice', backend: 'embedded', status: 'node_unavailable', breaker: 'closed' },
      { name: 'bob', backend: 'embedded', status: 'ok', breaker: 'closed' },
    ];
    expect([health.status, await health.json()]).toEqual([200, { status: 'ok', network: 'regtest', backend: 'embedded', nodes }]);
    second.mood = 'down';
    for (let count = 0; count < 3; count++) await mintAt(bridge);
    clock.set(START_SECONDS + 1);
    const down = await fetch(`${bridge.url}/healthz`);
    expect(down.status).toBe(503);
    expect(await down.json()).toMatchObject({ status: 'node_unavailable', nodes: [{ breaker: 'open' }, { breaker: 'open' }] });
  });

  test('M24 one strict node makes the bridge strict, and the gateway is told so under a signature', async () => {
    const clock = createTestClock();
    const strict = makeNode('bob', { clock, changes: { settlement: 'strict', smallestMsat: msat(1000n) } });
    const bridge = await startTestBridge({ nodes: [makeNode('alice', { clock }), strict], clock });
    const told = await bridge.call({ method: 'GET', path: '/v1/node' });
    expect(told).toMatchObject({ status: 200, isSigned: true });
    const answer = NodeAnswer.parse(told.body);
    expect(answer).toMatchObject({ network: 'regtest', settlement: 'strict' });
    expect(answer.nodes.map(({ settlement, smallestMsat }) => [settlement, smallestMsat])).toEqual([
      ['preimage', '1'],
      ['strict', '1000'],
    ]);
    expect((await fetch(`${bridge.url}/v1/node`)).status).toBe(401);
    const minted = await bridge.call({ body: anOrder() });
    expect(minted.body).toMatchObject({ settlement: 'strict' });
    const lenient = await startTestBridge({ nodes: [makeNode('alice', { clock })], clock });
    expect((await lenient.call({ body: anOrder() })).body).toMatchObject({ settlement: 'preimage' });
  });
});

describe('back-pressure', () => {
  test('beyond the queue the bridge says 503 with Retry-After at once, and what is queued is made', async () => {
    const clock = createTestClock();
    const released = Promise.withResolvers<void>();
    const held = makeNode('alice', { clock });
    let running = 0;
    let most = 0;
    const slow: LightningNode = {
      ...held.real,
      async mint(order) {
        most = Math.max(most, ++running);
        await released.promise;
        running -= 1;
        return held.real.mint(order);
      },
    };
    const token = 'token-of-the-metrics-0123456789abcdef';
    const bridge = await startTestBridge({
      nodes: [{ name: 'alice', node: slow, concurrency: 2 }],
      clock,
      config: { queueCapacity: 3, metricsToken: token },
    });
    const waiting = Array.from({ length: 5 }, () => mintAt(bridge));
    const depth = async (): Promise<string> =>
      (await fetch(`${bridge.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text();
    while (!(await depth()).includes('l402_bridge_queue_depth{node="alice"} 3')) await new Promise(setImmediate);
    const refused = await bridge.call({ body: anOrder() });
    expect(refused).toMatchObject({ status: 503, body: { code: 'queue_full' }, isSigned: true });
    expect(refused.headers.get('retry-after')).toBe('1');
    released.resolve();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(most).toBe(2);
    expect(await depth()).toContain('l402_bridge_queue_depth{node="alice"} 0');
  });

  test('no more invoices a second are asked of the nodes than allowed, batches counted one by one, and a quarter kept for clients', async () => {
    const clock = createTestClock();
    const node = makeNode('alice', { clock });
    const bridge = await startTestBridge({ nodes: [node], clock, config: { maxMintsPerSecond: 4 } });
    const batch = () => bridge.call({ path: '/v1/invoices/batch', body: { orders: Array.from({ length: 6 }, () => anOrder()) } });
    const { results } = MintBatchAnswer.parse((await batch()).body);
    expect(results.map((result) => ('code' in result ? result.code : 'made'))).toEqual([
      ...Array.from({ length: 3 }, () => 'made'),
      ...Array.from({ length: 3 }, () => 'rate_exceeded'),
    ]);
    expect((await batch()).status).toBe(429);
    expect((await mintAt(bridge)).status).toBe(200);
    expect(await bridge.call({ body: anOrder() })).toMatchObject({ status: 429, body: { code: 'rate_exceeded' } });
    expect(node.asked).toBe(4);
    clock.set(START_SECONDS + 1);
    expect((await mintAt(bridge)).status).toBe(200);
  });

  test('the queue hands its places on in order and survives a task that throws', async () => {
    const queue = createWorkQueue({ concurrency: 1, capacity: 2 });
    const first = Promise.withResolvers<void>();
    const order: number[] = [];
    const tasks = [
      queue.run(async () => {
        await first.promise;
        order.push(1);
        throw new Error('task');
      }),
      queue.run(async () => order.push(2)),
      queue.run(async () => order.push(3)),
    ];
    const settled = Promise.allSettled(tasks);
    expect([queue.running, queue.waiting]).toEqual([1, 2]);
    expect(await queue.run(async () => 4)).toEqual({ ok: false, refusal: 'full' });
    first.resolve();
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(order).toEqual([1, 2, 3]);
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });

  test('a breaker lets one try at a time, and pauses for at most a minute', () => {
    const breaker = createNodeBreaker();
    for (let count = 0; count < 3; count++) breaker.fail(0);
    expect([breaker.admit(4), breaker.isOpen(4)]).toEqual([false, true]);
    let now = 0;
    const pauses: number[] = [];
    for (let count = 0; count < 6; count++) {
      const from = now;
      while (!breaker.admit(now)) now += 1;
      expect(breaker.admit(now)).toBe(false);
      pauses.push(now - from);
      expect(breaker.fail(now)).toBe('opened');
    }
    expect(pauses).toEqual([5, 10, 20, 40, 60, 60]);
    // Late failures of requests that were under way change nothing.
    expect(breaker.fail(now)).toBe('counted');
    while (!breaker.admit(now)) now += 1;
    breaker.succeed();
    expect([breaker.admit(now), breaker.admit(now), breaker.isOpen(now)]).toEqual([true, true, false]);
  });
});
