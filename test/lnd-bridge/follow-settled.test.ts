/*
 * The payments of a node, followed from an index on: what every backend that has them must hold (M24), and the traps of
 * each wire.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { type FollowOptions, type LightningNode, type NodeRefusal, type SettledPayment } from '#lnd-bridge/ports.ts';
import { type TestLedger } from '#support/nodes/node-ledger.ts';
import { mint, startBackend, startPortBackend } from './backends.ts';
import { START_SECONDS } from './bridge-harness.ts';

/** Follows a node until told to stop; payments come out one by one. */
function follow(node: LightningNode, index: number) {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const batches: number[] = [];
  const come: SettledPayment[] = [];
  let arrived = Promise.withResolvers<void>();
  const take: FollowOptions['take'] = async (settled) => {
    batches.push(settled.length);
    come.push(...settled);
    arrived.resolve();
    arrived = Promise.withResolvers();
  };
  const ended = node.followSettled!(index, { signal: stop.signal, take });
  return {
    batches,
    ended,
    /** The first so many. */
    async next(count: number): Promise<readonly SettledPayment[]> {
      while (come.length < count) await arrived.promise;
      return come.splice(0, count);
    },
    async stop(): Promise<NodeRefusal | undefined> {
      stop.abort();
      return ended;
    },
  };
}

const hashesOf = (settled: readonly SettledPayment[]) => settled.map(({ paymentHashHex }) => paymentHashHex);

describe.each(['lnd', 'cln', 'embedded'] as const)('the payments of the %s backend', (kind) => {
  const firstIndex = kind === 'embedded' ? START_SECONDS * 1000 : 1;

  test('M24: are told in their sequence, with the time, and again from any index on', async () => {
    const { node, settle, clock } = await startPortBackend(kind);
    const invoices = [];
    for (let count = 0; count < 5; count++) invoices.push(await mint(node));
    const [a, b, c, d] = invoices as [(typeof invoices)[0], (typeof invoices)[0], (typeof invoices)[0], (typeof invoices)[0]];
    settle(a);
    const first = follow(node, firstIndex);
    clock.set(START_SECONDS + 30);
    settle(c);
    settle(b);
    expect(await first.next(2)).toEqual([
      { index: firstIndex + 1, paymentHashHex: c.paymentHashHex, settledAtSeconds: START_SECONDS + 30 },
      { index: firstIndex + 2, paymentHashHex: b.paymentHashHex, settledAtSeconds: START_SECONDS + 30 },
    ]);
    expect(await first.stop()).toBeUndefined();
    settle(d);
    const resumed = follow(node, firstIndex + 1);
    expect(hashesOf(await resumed.next(2))).toEqual([b.paymentHashHex, d.paymentHashHex]);
    expect(await resumed.stop()).toBeUndefined();
  });

  test('M24: are not read on before those that were told are taken', async () => {
    const { node, settle } = await startPortBackend(kind);
    const [first, second, third] = [await mint(node), await mint(node), await mint(node)];
    settle(first);
    const told: string[][] = [];
    const released = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const all = Promise.withResolvers<void>();
    const stop = new AbortController();
    const take: FollowOptions['take'] = async (settled) => {
      told.push([...hashesOf(settled)]);
      if (told.flat().length === 2) all.resolve();
      entered.resolve();
      await released.promise;
    };
    const ended = node.followSettled!(firstIndex, { signal: stop.signal, take });
    settle(second);
    await entered.promise;
    settle(third);
    expect(told.flat()).toEqual([second.paymentHashHex]);
    released.resolve();
    await all.promise;
    expect(told.flat()).toEqual([second.paymentHashHex, third.paymentHashHex]);
    stop.abort();
    await ended;
  });
});

test.each(['eclair', 'phoenixd'] as const)('M24: %s gives its payments no number to go on from, so it has no feed', async (kind) => {
  expect((await startPortBackend(kind)).node.followSettled).toBeUndefined();
});

/** Resolves once the node was asked for a stream of payments. */
async function asked({ calls }: { readonly calls: readonly string[] }, call: string, times = 1): Promise<void> {
  await expect.poll(() => calls.filter((one) => one === call).length).toBe(times);
}

const settleNew = async (node: LightningNode, ledger: TestLedger): Promise<string> => {
  const { paymentHashHex } = await mint(node);
  ledger.settle(paymentHashHex);
  return paymentHashHex;
};

describe('the stream of LND', () => {
  const STREAM = 'GET /v1/invoices/subscribe';

  test('M24: begins with what comes from now on at index 0, and leaves out invoices that were only made', async () => {
    const { node, ledger, server } = await startBackend('lnd');
    await settleNew(node, ledger);
    const following = follow(node, 0);
    await asked(server, STREAM);
    await mint(node);
    const next = await settleNew(node, ledger);
    expect(await following.next(1)).toEqual([{ index: 2, paymentHashHex: next, settledAtSeconds: START_SECONDS }]);
  });

  test.each([
    ['the node is locked', { locked: true }, { fault: 'wallet_locked' }],
    ['the macaroon does not allow it', { forbid: ['/v1/invoices/subscribe'] }, { fault: 'permission_missing' }],
    ['the stream is no stream', { reply: { status: 200, text: 'not json\n' } }, { fault: 'answer_malformed' }],
    ['a line says less than it must', { reply: { status: 200, text: '{"result":{"state":"SETTLED"}}\n' } }, { fault: 'answer_malformed' }],
  ])('ends with the reason when %s', async (_, troubles, refusal) => {
    const { node, ledger } = await startBackend('lnd');
    Object.assign(ledger.troubles, troubles);
    expect(await follow(node, 1).ended).toMatchObject(refusal);
  });

  test('ends with the reason when it breaks off with an error, and what came before that was told', async () => {
    const { node, ledger } = await startBackend('lnd');
    await settleNew(node, ledger);
    const paid = await settleNew(node, ledger);
    const following = follow(node, 1);
    expect(hashesOf(await following.next(1))).toEqual([paid]);
    ledger.troubles.streamError = true;
    await mint(node);
    expect(await following.ended).toMatchObject({ fault: 'node_error' });
  });

  test('ends when the connection breaks', async () => {
    const { node, ledger, server } = await startBackend('lnd');
    await settleNew(node, ledger);
    await settleNew(node, ledger);
    const following = follow(node, 1);
    await following.next(1);
    await server.close();
    expect(await following.ended).toMatchObject({ fault: 'unreachable' });
  });
});

describe('the waits of Core Lightning', () => {
  test('M24: gather what is there, a hundred at most, and go on after a wait that was over', async () => {
    const { node, ledger, server } = await startBackend('cln');
    const paid: string[] = [];
    for (let count = 0; count < 130; count++) paid.push(await settleNew(node, ledger));
    const following = follow(node, 0);
    expect(hashesOf(await following.next(130))).toEqual(paid);
    expect(following.batches).toEqual([100, 30]);
    const waits = () => server.calls.filter((call) => call === 'POST /v1/waitanyinvoice').length;
    const before = waits();
    ledger.troubles.endWaits = true;
    await mint(node);
    await expect.poll(waits).toBeGreaterThan(before + 1);
    ledger.troubles.endWaits = false;
    const next = await settleNew(node, ledger);
    expect(hashesOf(await following.next(1))).toEqual([next]);
  });

  test.each([
    ['the rune does not allow it', { forbid: ['waitanyinvoice'] }, { fault: 'permission_missing' }],
    ['the answer says less than it must', { reply: { status: 201, text: '{}' } }, { fault: 'answer_malformed' }],
    [
      'the index does not go on',
      { reply: { status: 201, text: JSON.stringify({ pay_index: 1, payment_hash: 'ab'.repeat(32), paid_at: 1 }) } },
      { fault: 'answer_malformed' },
    ],
  ])('end with the reason when %s', async (_, troubles, refusal) => {
    const { node, ledger } = await startBackend('cln');
    Object.assign(ledger.troubles, troubles);
    expect(await follow(node, 1).ended).toMatchObject(refusal);
  });
});
