/*
 * The quota object with invoices of its own, in workerd: each is handed out once, whatever becomes of the object.
 */
import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MOST_OFFERS } from '#durable-objects/invoice-pool.ts';
import { MOST_ITEMS_AT_ONCE, REFILL_LEASE_MS, type PoolBounds, type ReadyChallenge } from '#durable-objects/pool-rules.ts';
import { type Quota as QuotaObject, type QuotaRequest } from '#durable-objects/quota.ts';

const { QUOTA } = env as unknown as { readonly QUOTA: DurableObjectNamespace<QuotaObject> };
const BOUNDS: PoolBounds = { low: 4, high: 1000, minLifeMs: 300_000 };
const plenty = { challenges: { perMinute: 10_000, open: 10_000 } };
afterEach(() => void vi.useRealTimers());

let count = 0;
const items = (many: number, lifeMs = 600_000): ReadyChallenge[] =>
  Array.from({ length: many }, () => {
    const id = (count++).toString(16).padStart(16, '0');
    return { id, paymentHashHex: id.repeat(4), invoice: `invoice ${id}`, token: `token ${id}`, endsAtMs: Date.now() + lifeMs };
  });

function open(name: string) {
  // A stub is broken for good when its object is.
  const stub = () => QUOTA.get(QUOTA.idFromName(name));
  const stock = (many: readonly ReadyChallenge[], key = 'offer', bounds = BOUNDS) => stub().stock({ key, bounds }, many);
  const ask = async (client = 'client', more: Partial<QuotaRequest> = {}, key = 'offer') => {
    const ask = {
      scope: 's',
      challengeId: `direct ${count++}`,
      challengeMs: 600_000,
      presented: [],
      offer: { key, repeats: true, pool: BOUNDS },
    };
    const answer = await stub().ask({
      client: { key: client },
      trafficClass: 'unpaid',
      ask,
      bounds: plenty,
      totals: plenty,
      paid: [],
      kept: [],
      ...more,
    });
    return answer.kind === 'challenge' ? { id: answer.item?.id, refill: answer.refill } : { id: answer.kind, refill: undefined };
  };
  const ids = async (many: number) =>
    (await Promise.all(Array.from({ length: many }, (_, index) => ask(`client ${index}`)))).map(({ id }) => id);
  return { stub, stock, ask, ids };
}

describe('the pool', () => {
  it('M23: hands every challenge out once, to two hundred who ask at once, oldest first, and then none', async () => {
    const { stock, ids } = open('once');
    const all = items(150);
    for (let from = 0; from < 150; from += MOST_ITEMS_AT_ONCE) await stock(all.slice(from, from + MOST_ITEMS_AT_ONCE));
    const given = await ids(200);
    expect(given.slice(0, 150)).toEqual(all.map(({ id }) => id));
    expect(given.slice(150)).toEqual(Array.from({ length: 50 }));
  });

  it('M23: loses nothing and hands nothing out twice when it is put to sleep between hand-outs', { timeout: 15_000 }, async () => {
    const { stub, stock, ids } = open('sleepy');
    const all = items(10);
    await stock(all);
    const given: (string | undefined)[] = [];
    for (let round = 0; round < 2; round++) {
      given.push(...(await ids(5)));
      await evictDurableObject(stub());
    }
    expect(given).toEqual(all.map(({ id }) => id));
    expect(await ids(1)).toEqual([undefined]);
  });

  it('M23: hands nothing out twice when it is torn down in the middle of it, and loses no more than a block', async () => {
    const { stock, ids } = open('torn');
    const all = items(100);
    await stock(all.slice(0, 50));
    await stock(all.slice(50));
    const given = [...(await ids(7))];
    await abortAllDurableObjects();
    given.push(...(await ids(60)));
    const presented = given.filter((id) => id !== undefined);
    expect(new Set(presented).size).toBe(presented.length);
    expect(presented).toEqual([...all.slice(0, 7), ...all.slice(50)].map(({ id }) => id));
  });

  it('keeps what nobody asks for over a restart, and drops what nobody can pay any more', async () => {
    const { stub, stock, ids } = open('tidy');
    await stock(items(10));
    await evictDurableObject(stub());
    vi.setSystemTime(Date.now() + 601_000);
    expect(await runDurableObjectAlarm(stub())).toBe(true);
    const rows = await runInDurableObject(stub(), (_, { storage }) => [...storage.sql.exec('SELECT id FROM pool_v1')].length);
    expect([rows, ...(await ids(1))]).toEqual([0, undefined]);
  });

  it('does not hand out what has too little life left', async () => {
    const { stock, ids } = open('old');
    const [old, fresh] = [items(3, 299_000), items(2, 400_000)];
    await stock([...old, fresh[0]!]);
    await stock(old);
    await stock([fresh[1]!]);
    expect(await ids(3)).toEqual([fresh[0]!.id, fresh[1]!.id, undefined]);
  });

  it('sells an offer only what was made for it', async () => {
    const { stock, ask } = open('offers');
    await stock(items(5), 'other');
    expect((await ask('client', {}, 'offer')).id).toBeUndefined();
    expect((await ask('client', {}, 'other')).id).toBeDefined();
  });

  it('tells one who asks to bring more once an offer is warm, one at a time, and anew when nothing came', async () => {
    vi.setSystemTime(Date.now());
    const { ask, stock } = open('warm');
    const refills = [];
    for (let call = 0; call < 5; call++) refills.push((await ask()).refill);
    expect(refills).toEqual([undefined, undefined, BOUNDS.low, undefined, undefined]);
    vi.setSystemTime(Date.now() + REFILL_LEASE_MS);
    expect((await ask()).refill).toBe(BOUNDS.low);
    await stock(items(1));
    expect((await ask()).refill).toBe(BOUNDS.low);
  });

  it('counts nobody who is over quota as demand, and hands them nothing', async () => {
    const { stock, ask } = open('refused');
    await stock(items(10));
    const bounds = { challenges: { perMinute: 2, open: 2 } };
    const offer = { key: 'offer', repeats: false, pool: BOUNDS };
    const over = { bounds, ask: { scope: 's', challengeId: 'c', challengeMs: 1000, presented: [], offer } };
    const answers = [];
    for (let call = 0; call < 20; call++) answers.push(await ask('greedy', over));
    expect(answers.filter(({ id }) => id === 'refused')).toHaveLength(18);
    expect(answers.map(({ refill }) => refill)).toEqual(Array.from({ length: 20 }));
  });

  it('remembers how much was asked for over a sleep, and tells it to one who asks for nothing himself', async () => {
    const { stub, ask } = open('cron');
    for (let call = 0; call < 40; call++) await ask();
    await evictDurableObject(stub());
    vi.setSystemTime(Date.now() + REFILL_LEASE_MS);
    const offers = [
      { key: 'offer', bounds: BOUNDS },
      { key: 'never asked for', bounds: BOUNDS },
    ];
    const [wanted, ...others] = await stub().want(offers);
    expect(wanted).toBeGreaterThan(15);
    expect([others, await stub().want(offers)]).toEqual([[0], [0, 0]]);
  });

  it('is bounded in offers, in what one call brings, and at its high mark', async () => {
    const { stub, stock } = open('bounded');
    for (let offer = 0; offer < MOST_OFFERS + 10; offer++) await stock(items(1), `offer ${offer}`);
    await stock(items(60), 'offer 0');
    for (let call = 0; call < 3; call++) await stock(items(50), 'offer 1', { ...BOUNDS, high: 70 });
    const rows = await runInDurableObject(stub(), (_, { storage }) => [
      ...storage.sql.exec<{ offer: string; count: number }>('SELECT offer, SUM(count) AS count FROM pool_v1 GROUP BY offer'),
    ]);
    const countOf = (name: string) => rows.find(({ offer }) => offer === name)?.count;
    expect([rows.length, countOf('offer 0'), countOf('offer 1')]).toEqual([MOST_OFFERS, 51, 70]);
  });
});
