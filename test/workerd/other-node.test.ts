/*
 * A node is replaced by another one: what the first has made and nobody has seen is dropped, and nobody is given again what can
 * be paid nowhere any more (M44). Through the front door, over real objects.
 */
import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { type KnownNode, type Lightning } from '#src/ports.ts';
import { openShop, startNode } from './challenge-shop.ts';

beforeEach(() => reset());

/** A node of this name, of which the gateway knows since an instant. */
function nodeOf(name: string, learnedAtMs: number) {
  const node = startNode();
  const current: KnownNode = { name, learnedAtMs };
  const lightning: Lightning = {
    ...node.lightning,
    mint: async (order) => ({ ...(await node.lightning.mint(order)), node: name }),
    async mintBatch(orders) {
      const minted = await node.lightning.mintBatch(orders);
      return minted.map((one) => (one === undefined ? undefined : { invoice: one.invoice, settlement: one.settlement, node: name }));
    },
    currentNode: () => current,
  };
  return { ...node, lightning };
}

describe('another node', () => {
  it('M44: sells its own invoices from the first request on, and those of the one before go unseen', async () => {
    const before = openShop({}, { node: nodeOf('first', 1) });
    await before.warm();
    expect((await before.ask('192.0.2.2')).status).toBe(402);
    const node = nodeOf('second', 2);
    const after = openShop({}, { node });
    for (let client = 3; client < 30; client++) {
      const { invoice, token } = await after.ask(`192.0.2.${client}`);
      expect((await after.ask(`192.0.2.${client}`, '/once/a', `L402 ${token}:${node.pay(invoice!)}`)).status).toBe(200);
    }
    // What an isolate believes that has not heard of it yet changes nothing.
    const late = openShop({}, { node: nodeOf('first', 1) });
    const { invoice } = await late.ask('192.0.2.40');
    expect(node.pay(invoice!)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('M18 M44: is no reason to give a client again what the one before has made', async () => {
    const quota = { policy: { challenges: { perMinute: 2, open: 2 } }, pool: false } as const;
    const before = openShop(quota, { node: nodeOf('first', 1) });
    for (let call = 0; call < 2; call++) await before.ask('192.0.2.1');
    expect((await before.ask('192.0.2.1')).status).toBe(402);
    expect((await openShop(quota, { node: nodeOf('second', 2) }).ask('192.0.2.1')).status).toBe(429);
  });
});
