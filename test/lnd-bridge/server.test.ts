import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { HealthAnswer, LookupAnswer, MintAnswer } from '#lnd-bridge/contract.ts';
import { type LightningNode } from '#lnd-bridge/ports.ts';
import { accept } from '#protocol/result.ts';
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

/** What comes back over a bare socket until the bridge closes it. */
function sendRaw(url: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
}

describe('the bridge', () => {
  test('mints, looks up and tells its health', async () => {
    const { call, url, logged } = await startTestBridge();
    const minted = await call({ body: anOrder() });
    expect(minted).toMatchObject({ status: 200, isSigned: true });
    expect(minted.headers.get('cache-control')).toBe('no-store');
    const { paymentHashHex } = MintAnswer.parse(minted.body);
    const looked = await call({ method: 'GET', path: `/v1/invoices/${paymentHashHex}` });
    expect(looked).toMatchObject({ status: 200, isSigned: true });
    expect(LookupAnswer.parse(looked.body)).toEqual({ paymentHashHex, state: 'open' });
    const health = await fetch(`${url}/healthz`);
    expect(health.status).toBe(200);
    expect(HealthAnswer.parse(await health.json())).toEqual({ status: 'ok', network: 'regtest', backend: 'embedded' });
    expect(logged).toEqual([{ event: 'invoice_minted', amountMsat: '10000', paymentHashHex, node: 'embedded' }]);
  });

  test('tells amount and time of a payment', async () => {
    const clock = createTestClock();
    const node = createTestNode(clock);
    const { call } = await startTestBridge({ node, clock });
    const { invoice, paymentHashHex } = MintAnswer.parse((await call({ body: anOrder() })).body);
    node.pay(invoice);
    const looked = await call({ method: 'GET', path: `/v1/invoices/${paymentHashHex}` });
    expect(looked.body).toEqual({ paymentHashHex, state: 'settled', paidMsat: '10000', settledAtSeconds: START_SECONDS });
  });

  test('M28 refuses what is unsigned, stale, altered or signed for the other direction, and does not sign that answer', async () => {
    const { call, url } = await startTestBridge();
    const unsigned = await fetch(`${url}/v1/invoices`, { method: 'POST', body: JSON.stringify(anOrder()) });
    expect([unsigned.status, await unsigned.json()]).toEqual([401, expect.objectContaining({ code: 'unsigned' })]);
    const body = anOrder();
    const hash = 'ab'.repeat(32);
    const calls = {
      stale: [
        { body, signedAtSeconds: START_SECONDS - 61 },
        { body, signedAtSeconds: START_SECONDS + 61 },
      ],
      key_unknown: [{ body, key: { id: 'k9', secret: KEY.secret } }],
      signature_wrong: [
        { body, altered: { body: JSON.stringify({ ...body, amountMsat: '1' }) } },
        { body, altered: { path: '/v1/invoices?a=1' } },
        { body, method: 'PUT', altered: { method: 'POST' } },
        { method: 'GET', path: `/v1/invoices/${hash}`, altered: { path: `/v1/invoices/${'cd'.repeat(32)}` } },
        { body, key: { id: KEY.id, secret: PREVIOUS_KEY.secret } },
      ],
    };
    for (const [code, variants] of Object.entries(calls)) {
      for (const variant of variants) expect(await call(variant)).toMatchObject({ status: 401, body: { code }, isSigned: false });
    }
  });

  test('M28 refuses a request that was here before, for as long as its time would still be good', async () => {
    const { call, clock } = await startTestBridge();
    const again = { body: anOrder(), nonceHex: nextNonceHex(), signedAtSeconds: START_SECONDS + 60 };
    expect((await call(again)).status).toBe(200);
    for (const later of [0, 60, 120]) {
      clock.set(START_SECONDS + later);
      await call({ body: anOrder() });
      expect(await call(again)).toMatchObject({ status: 401, body: { code: 'replayed' }, isSigned: true });
    }
    clock.set(START_SECONDS + 121);
    expect(await call(again)).toMatchObject({ status: 401, body: { code: 'stale' } });
  });

  test('M28: mints nothing for a request that is unsigned, stale, of another key, seen before or too large', async () => {
    const clock = createTestClock();
    const real = createTestNode(clock);
    let mints = 0;
    const node: LightningNode = { ...real, mint: (order) => ((mints += 1), real.mint(order)) };
    const { call, url, logged } = await startTestBridge({ node, clock, config: { maxBodyBytes: 512 } });
    const once = { body: anOrder(), nonceHex: nextNonceHex() };
    expect((await call(once)).status).toBe(200);
    expect((await fetch(`${url}/v1/invoices`, { method: 'POST', body: JSON.stringify(anOrder()) })).status).toBe(401);
    expect((await call({ body: anOrder(), signedAtSeconds: START_SECONDS - 61 })).status).toBe(401);
    expect((await call({ body: anOrder(), key: { id: 'k9', secret: KEY.secret } })).status).toBe(401);
    expect((await call(once)).status).toBe(401);
    expect((await call({ body: anOrder({ memo: 'x'.repeat(600) }) })).status).toBe(413);
    const batch = { path: '/v1/invoices/batch', body: { orders: [anOrder()] }, signedAtSeconds: START_SECONDS - 61 };
    expect((await call(batch)).status).toBe(401);
    expect([mints, logged.filter(({ event }) => event === 'invoice_minted').length]).toEqual([1, 1]);
  });

  test('M28 refuses when it can remember no more nonces, and never forgets one early', async () => {
    const { call, clock } = await startTestBridge({ config: { maxRequestsPerSecond: 1, maxSkewSeconds: 1 } });
    const first = { body: anOrder(), nonceHex: nextNonceHex(), signedAtSeconds: START_SECONDS };
    expect((await call(first)).status).toBe(200);
    // A clock that jumps back and forth lets more in than the rate allows.
    clock.set(START_SECONDS + 1);
    expect((await call({ body: anOrder() })).status).toBe(200);
    clock.set(START_SECONDS);
    expect((await call({ body: anOrder() })).status).toBe(200);
    clock.set(START_SECONDS + 1);
    const full = await call({ body: anOrder() });
    expect(full).toMatchObject({ status: 503, body: { code: 'replay_memory_full' }, isSigned: true });
    expect(full.headers.get('retry-after')).toBe('5');
    expect(await call(first)).toMatchObject({ status: 401, body: { code: 'replayed' } });
    clock.set(START_SECONDS + 4);
    expect((await call({ body: anOrder() })).status).toBe(200);
  });

  test('takes both keys while they are being changed and answers with the one that was used', async () => {
    const { call } = await startTestBridge();
    expect(await call({ body: anOrder(), key: PREVIOUS_KEY })).toMatchObject({ status: 200, isSigned: true });
  });

  test('refuses more requests a second than allowed, of which unsigned and replayed ones are none', async () => {
    const { call, clock, url } = await startTestBridge({ config: { maxRequestsPerSecond: 2 } });
    const first = { body: anOrder(), nonceHex: nextNonceHex() };
    expect((await call(first)).status).toBe(200);
    for (let count = 0; count < 5; count++) {
      expect((await fetch(`${url}/v1/invoices`, { method: 'POST' })).status).toBe(401);
      expect((await call(first)).status).toBe(401);
    }
    expect((await call({ body: anOrder() })).status).toBe(200);
    const over = await call({ body: anOrder() });
    expect(over).toMatchObject({ status: 429, body: { code: 'rate_exceeded' }, isSigned: true });
    expect(over.headers.get('retry-after')).toBe('1');
    clock.set(START_SECONDS + 1);
    expect((await call({ body: anOrder() })).status).toBe(200);
  });

  test('refuses a large body by its stated length, before a byte of it has come', async () => {
    const { url } = await startTestBridge();
    const head = 'POST /v1/invoices HTTP/1.1\r\nHost: x\r\n';
    expect(await sendRaw(url, `${head}Content-Length: 1000000000\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 .*"code":"body_too_large"/s);
  });

  test('refuses a large body of no stated length as soon as it is too large', async () => {
    const { url } = await startTestBridge({ config: { maxBodyBytes: 256 } });
    const head = 'POST /v1/invoices HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await sendRaw(url, `${head}101\r\n${'x'.repeat(257)}\r\n`)).toMatch(/^HTTP\/1\.1 413 .*"code":"body_too_large"/s);
  });

  test('knows three paths and one method for each', async () => {
    const { url, call } = await startTestBridge();
    for (const path of ['/', '/v1/invoices/', '/v1/invoices/xyz', `/v1/invoices/${'AB'.repeat(32)}`, '/healthz/']) {
      expect((await fetch(url + path)).status).toBe(404);
    }
    const wrong = await fetch(`${url}/v1/invoices`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
    const posted = await fetch(`${url}/v1/invoices/${'ab'.repeat(32)}`, { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET']);
    expect(await call({ body: anOrder(), path: '/v1/invoices?a=1' })).toMatchObject({ status: 400, body: { code: 'query_refused' } });
  });

  test('names the problem keys of an order and none of their values', async () => {
    const { call } = await startTestBridge();
    const answer = await call({ body: { amountMsat: 'value-1', memo: 'ok', expirySeconds: 'value-2', more: 'value-3' } });
    expect(answer).toMatchObject({ status: 400, body: { code: 'body_invalid' }, isSigned: true });
    const detail = String(answer.body.detail);
    for (const key of ['amountMsat', 'expirySeconds', 'idempotencyKey', 'unknown keys']) expect(detail).toContain(key);
    expect(detail).not.toMatch(/value-|memo/);
    expect(await call({ body: [] })).toMatchObject({ status: 400 });
    expect(await call({})).toMatchObject({ status: 400, body: { code: 'body_invalid' } });
    for (const memo of ['\ud800', 'x'.repeat(640)]) expect(await call({ body: anOrder({ memo }) })).toMatchObject({ status: 400 });
  });

  test('refuses amounts of nothing and of more than there is', async () => {
    const { call } = await startTestBridge();
    for (const amountMsat of ['0', '2100000000000000001']) {
      expect(await call({ body: anOrder({ amountMsat }) })).toMatchObject({ status: 400, body: { code: 'amount_invalid' } });
    }
  });

  test('M23 repeats an invoice for the same key and order, and refuses the key for another one', async () => {
    const { call } = await startTestBridge();
    const order = anOrder();
    const first = await call({ body: order });
    expect((await call({ body: order })).body).toEqual(first.body);
    const other = await call({ body: { ...order, amountMsat: '1' } });
    expect(other).toMatchObject({ status: 409, body: { code: 'idempotency_key_used' }, isSigned: true });
  });

  test('says that it does not know a payment hash', async () => {
    const { call } = await startTestBridge();
    const answer = await call({ method: 'GET', path: `/v1/invoices/${'ab'.repeat(32)}` });
    expect(answer).toMatchObject({ status: 404, body: { code: 'invoice_unknown' }, isSigned: true });
  });

  test('refuses to start before a node on another network', async () => {
    await expect(startTestBridge({ config: { network: 'signet' } })).rejects.toThrow('regtest');
  });

  test('asks the node for its health once a second, however often it is asked itself', async () => {
    const clock = createTestClock();
    let asked = 0;
    const node: LightningNode = {
      ...createTestNode(clock),
      async health() {
        asked += 1;
        if (asked > 1) throw new Error('down');
        return 'ok';
      },
    };
    const { url } = await startTestBridge({ node, clock });
    for (let count = 0; count < 5; count++) expect((await fetch(`${url}/healthz`)).status).toBe(200);
    clock.set(START_SECONDS + 1);
    const down = await fetch(`${url}/healthz`);
    expect([down.status, await down.json()]).toEqual([503, { status: 'node_unavailable', network: 'regtest', backend: 'embedded' }]);
    expect(asked).toBe(2);
  });

  test('finishes what is in flight before it closes', async () => {
    const clock = createTestClock();
    const real = createTestNode(clock);
    const asked = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const node: LightningNode = {
      ...real,
      async nodeKeyHex() {
        asked.resolve();
        await released.promise;
        return accept(real.publicKeyHex);
      },
    };
    const bridge = await startTestBridge({ node, clock });
    const answer = bridge.call({ body: anOrder() });
    await asked.promise;
    const closed = bridge.close();
    released.resolve();
    expect(await answer).toMatchObject({ status: 200, isSigned: true });
    await closed;
    await expect(fetch(`${bridge.url}/healthz`)).rejects.toThrow();
  });
});
