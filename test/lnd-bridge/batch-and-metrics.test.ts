/*
 * Batches, two keys at once, the counters, and answers that reach nobody.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MintBatchAnswer } from '#lnd-bridge/contract.ts';
import { type LightningNode } from '#lnd-bridge/ports.ts';
import { signRequest } from '#lnd-bridge/request-auth.ts';
import {
  anOrder,
  createTestClock,
  createTestNode,
  KEY,
  nextNonceHex,
  PREVIOUS_KEY,
  START_SECONDS,
  startTestBridge,
} from './bridge-harness.ts';
import { makeNode, mintAt } from './fake-nodes.ts';

describe('a batch', () => {
  test('is made in one request, in the sequence of its orders', async () => {
    const bridge = await startTestBridge();
    const orders = Array.from({ length: 50 }, (_, index) => anOrder({ amountMsat: String(1000 + index) }));
    const answer = await bridge.call({ path: '/v1/invoices/batch', body: { orders } });
    expect(answer).toMatchObject({ status: 200, isSigned: true });
    const { results } = MintBatchAnswer.parse(answer.body);
    expect(new Set(results.map((result) => ('invoice' in result ? result.paymentHashHex : ''))).size).toBe(50);
    const again = await bridge.call({ path: '/v1/invoices/batch', body: { orders } });
    expect(again.body).toEqual(answer.body);
    expect(
      bridge.logged
        .filter(({ event }) => event === 'invoice_minted')
        .slice(0, 50)
        .map(({ amountMsat }) => amountMsat)
        .sort(),
    ).toEqual(orders.map(({ amountMsat }) => amountMsat as string).sort());
  });

  test('answers for each order: one that is refused spoils no other', async () => {
    const bridge = await startTestBridge();
    const orders = [anOrder(), anOrder({ amountMsat: '0' }), anOrder()];
    const { body } = await bridge.call({ path: '/v1/invoices/batch', body: { orders } });
    expect(MintBatchAnswer.parse(body).results.map((result) => ('code' in result ? result.code : 'made'))).toEqual([
      'made',
      'amount_invalid',
      'made',
    ]);
  });

  test('of which none can be made is answered for by the first refusal', async () => {
    const clock = createTestClock();
    const node = makeNode('alice', { clock });
    node.mood = 'down';
    const bridge = await startTestBridge({ nodes: [node], clock });
    const answer = await bridge.call({ path: '/v1/invoices/batch', body: { orders: [anOrder(), anOrder()] } });
    expect(answer).toMatchObject({ status: 503, body: { code: 'node_unavailable' }, isSigned: true });
    expect(answer.headers.get('retry-after')).toBe('5');
  });

  test('is bounded, holds no key twice, and is checked like a single order', async () => {
    const bridge = await startTestBridge({ config: { maxBodyBytes: 65_536 } });
    const order = anOrder();
    const batch = (orders: unknown) => bridge.call({ path: '/v1/invoices/batch', body: { orders } });
    for (const orders of [[], Array.from({ length: 51 }, () => anOrder()), [order, order], [{ ...order, more: 1 }], 'no list']) {
      expect(await batch(orders)).toMatchObject({ status: 400, body: { code: 'body_invalid' } });
    }
    expect(bridge.logged.filter(({ event }) => event === 'invoice_minted')).toEqual([]);
    expect((await fetch(`${bridge.url}/v1/invoices/batch`)).headers.get('allow')).toBe('POST');
  });
});

describe('changing the key between gateway and bridge', () => {
  test('loses no request: old and new key are good at once, under load', async () => {
    const bridge = await startTestBridge();
    const keys = [PREVIOUS_KEY, KEY];
    const calls = Array.from({ length: 100 }, (_, index) => bridge.call({ body: anOrder(), key: keys[index < 50 ? index % 2 : 1]! }));
    const answers = await Promise.all(calls);
    expect(answers.filter(({ status, isSigned }) => status === 200 && isSigned)).toHaveLength(100);
  });

  test('afterwards the old one is refused', async () => {
    const bridge = await startTestBridge({ config: { keys: [KEY] } });
    expect(await bridge.call({ body: anOrder(), key: PREVIOUS_KEY })).toMatchObject({ status: 401, body: { code: 'key_unknown' } });
    expect((await bridge.call({ body: anOrder() })).status).toBe(200);
  });
});

describe('the metrics', () => {
  const token = 'token-of-the-metrics-0123456789abcdef';

  test('count mints, failures by reason, latency, refusals and what stands in the queue', async () => {
    const clock = createTestClock();
    const node = makeNode('alice', { clock });
    const bridge = await startTestBridge({ nodes: [node], clock, config: { metricsToken: token } });
    await mintAt(bridge);
    await mintAt(bridge);
    node.mood = 'down';
    await mintAt(bridge);
    node.mood = 'lying';
    await mintAt(bridge);
    const answer = await fetch(`${bridge.url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    const text = await answer.text();
    for (const line of [
      'l402_bridge_mints_total{node="alice"} 2',
      'l402_bridge_mint_seconds_count{node="alice"} 2',
      'l402_bridge_mint_seconds_bucket{node="alice",le="+Inf"} 2',
      'l402_bridge_node_failures_total{node="alice",operation="mint",reason="unreachable"} 1',
      'l402_bridge_node_failures_total{node="alice",operation="mint",reason="answer_malformed"} 1',
      'l402_bridge_refused_total{code="node_unavailable"} 1',
      'l402_bridge_refused_total{code="node_answer_wrong"} 1',
      'l402_bridge_queue_depth{node="alice"} 0',
      'l402_bridge_breaker_open{node="alice"} 0',
      'l402_bridge_lost_answers_total 0',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    // The form of the format: help, type, samples; nothing else.
    for (const line of text.split('\n').slice(0, -1))
      expect(line).toMatch(/^(# (HELP|TYPE) l402_bridge_[a-z_]+ .+|l402_bridge_[a-z_]+(\{[^}]*\})? [0-9.e+-]+)$/);
  });

  test('are behind a token of their own, and without one in the settings do not exist', async () => {
    const open = await startTestBridge();
    expect((await fetch(`${open.url}/metrics`)).status).toBe(404);
    const bridge = await startTestBridge({ config: { metricsToken: token } });
    for (const authorization of [undefined, '', `Bearer ${token}x`, `Basic ${token}`]) {
      const refused = await fetch(`${bridge.url}/metrics`, authorization === undefined ? {} : { headers: { authorization } });
      expect([refused.status, await refused.json()]).toEqual([401, expect.objectContaining({ code: 'token_wrong' })]);
    }
  });
});

describe('an answer that reaches nobody', () => {
  test('is told in the log and counted, and the same order brings the invoice back', async () => {
    const clock = createTestClock();
    const real = createTestNode(clock);
    const asked = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const node: LightningNode = {
      ...real,
      async mint(order) {
        asked.resolve();
        await released.promise;
        return real.mint(order);
      },
    };
    const token = 'token-of-the-metrics-0123456789abcdef';
    const bridge = await startTestBridge({ node, clock, config: { metricsToken: token } });
    // The bridge's end of the connection, to know when it has noticed that the client is gone.
    const accepted = Promise.withResolvers<Socket>();
    const onSocket = (message: unknown): void => accepted.resolve((message as { socket: Socket }).socket);
    subscribe('net.server.socket', onSocket);
    onTestFinished(() => void unsubscribe('net.server.socket', onSocket));
    const order = anOrder();
    const body = JSON.stringify(order);
    const signed = { method: 'POST', pathAndQuery: '/v1/invoices', body };
    const headers = signRequest(signed, { key: KEY, nowSeconds: START_SECONDS, nonceHex: nextNonceHex() });
    const stop = new AbortController();
    const sent = fetch(`${bridge.url}/v1/invoices`, { method: 'POST', headers, body, signal: stop.signal }).catch(() => 'gone');
    await asked.promise;
    const closed = once(await accepted.promise, 'close');
    stop.abort();
    expect(await sent).toBe('gone');
    await closed;
    released.resolve();
    const again = await bridge.call({ body: order });
    expect(again.status).toBe(200);
    const { paymentHashHex } = again.body;
    expect(bridge.logged.filter(({ event }) => event === 'answer_lost')).toEqual([{ event: 'answer_lost', paymentHashHex }]);
    const metrics = await fetch(`${bridge.url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
    expect(await metrics.text()).toContain('l402_bridge_lost_answers_total 1');
  });
});
