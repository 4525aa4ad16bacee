/*
 * This build on the disk of the one before it: what was spent stays spent, what was left is honoured. The folders were written
 * by the old builds themselves (test/fixtures/write-rows.ts); they are copied for each run.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';
import {
  BUDGET_DRAW,
  CROWD,
  drawOn,
  HALF_CALLS,
  OBJECT_NAME,
  orderFor,
  preimageOf,
  type DriverOrder,
  type PaymentName,
} from '../fixtures/kept-payments.ts';

interface Answer {
  readonly kind: string;
  readonly left?: readonly number[];
  readonly remaining?: number;
}

describe.each(['test/fixtures/rows-v1', 'test/fixtures/rows-v2'])('the rows in %s', (rows) => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startTestSystem([{ name: 'gateway' }, { name: 'driver', bundle: 'rowsDriver', claimsOf: 'gateway' }], { rows });
  });
  afterAll(() => system.close());

  /** Shows a token over a payment of then at the front door: its epoch is of now, its claim is where it was. */
  async function show(name: PaymentName, path = '/call/upgraded'): Promise<string | number> {
    const terms = path.startsWith('/pack/') ? { access: { kind: 'calls', calls: HALF_CALLS } as const } : {};
    const { authorization } = await makeToken({ service: path.split('/')[1]!, preimage: preimageOf(name), id: { shardBits: 0 }, terms });
    const response = await fetch(`${system.urlOf('gateway')}${path}`, { headers: { authorization } });
    const text = await response.text();
    return response.ok ? response.status : (JSON.parse(text) as { code: string }).code;
  }

  async function ask(...orders: readonly DriverOrder[]): Promise<readonly (Answer | string)[]> {
    const body = JSON.stringify({ objectName: OBJECT_NAME, orders });
    const response = await fetch(`${system.urlOf('driver')}/`, { method: 'POST', body });
    expect(response.status).toBe(200);
    return (await response.json()) as readonly (Answer | string)[];
  }

  const kindsOf = (answers: readonly (Answer | string)[]) => answers.map((answer) => (typeof answer === 'string' ? answer : answer.kind));

  it('M36: a payment that was spent is refused at the front door, one that was revoked too, one in doubt waits', async () => {
    expect(await show('spent')).toBe('payment_spent');
    expect(await show('revoked')).toBe('token_revoked');
    expect(await show('doubtful')).toBe('claim_in_flight');
    expect(system.origin.seen).toEqual([]);
  });

  it('M36: what was left of a payment is honoured, once, and so is a call whose lease has ended', async () => {
    expect([await show('half', '/pack/upgraded'), await show('half', '/pack/upgraded')]).toEqual([200, 'payment_spent']);
    expect([await show('forgotten'), await show('forgotten')]).toEqual([200, 'payment_spent']);
    expect(system.origin.seen).toHaveLength(2);
  });

  it('M36 M33: counters go on where they stood, that of a month too', async () => {
    for (const [name, draws] of [
      ['narrowed', drawOn('n')],
      ['budget', drawOn('b', BUDGET_DRAW[0]!.period)],
      ['budget', drawOn('b', new Date().toISOString().slice(0, 7))],
    ] as const) {
      const once = (use: number) =>
        orderFor(name, { reservationId: `${name} ${draws[0]!.period} ${use}`, limit: 100, draws, outcome: 'release' });
      expect((await ask(once(1)))[0]).toMatchObject({ kind: 'granted', remaining: 96, left: [1] });
    }
    const spend = (use: number) => orderFor('narrowed', { reservationId: `spend ${use}`, limit: 100, draws: drawOn('n') });
    expect(kindsOf(await ask(spend(1), spend(2), spend(3)))).toEqual(['granted', 'granted', 'in_flight']);
  });

  it('M36 M10: each of a hundred uses in doubt is known by its reservation', async () => {
    const reserve = (reservationId: string) => orderFor('crowded', { reservationId, limit: CROWD });
    const finish = (reservationId: string, kind: string) => orderFor('crowded', { call: 'finish', reservationId, outcome: { kind } });
    expect(kindsOf(await ask(reserve('new'), reserve('c3'), finish('c5', 'release'), reserve('new')))).toEqual([
      'in_flight',
      'granted',
      'recorded',
      'granted',
    ]);
    await system.restart();
    expect(kindsOf(await ask(reserve('newer'), reserve('c99'), finish('c98', 'commit'), finish('c5', 'release')))).toEqual([
      'in_flight',
      'granted',
      'recorded',
      'stale',
    ]);
  });

  it('M36 M24: a payment that was proved needs no other proof', async () => {
    const [answer] = await ask(orderFor('proved', { limit: 2, settlement: 'unproved', outcome: 'release' }));
    expect(answer).toMatchObject({ kind: 'granted', remaining: 0 });
  });

  it('M36: all of it is so after another start', async () => {
    await system.restart();
    for (const name of ['spent', 'half', 'forgotten'] as const) {
      expect(await show(name, name === 'half' ? '/pack/upgraded' : '/call/upgraded')).toBe('payment_spent');
    }
    expect(await show('revoked')).toBe('token_revoked');
    expect(await show('doubtful')).toBe('claim_in_flight');
  });
});
