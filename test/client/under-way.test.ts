/*
 * A purchase that is under way (M47): calls of the same intent wait for it, whatever becomes of the call that began it, and it is
 * used by somebody in the end. Payments are counted throughout.
 */
import { describe, expect, it } from 'vitest';
import { PaymentRefused, type Wallet } from '#client/index.ts';
import { ADDRESS, type ShopOptions } from './fake-shop.ts';
import { client, ORIGIN, sells, settle, street } from './payer.ts';

describe('a purchase that others wait for', () => {
  it('M31 M47: is not made a second time when it is not known whether it was made', async () => {
    let payments = 0;
    const wallet = async () => {
      payments += 1;
      await settle();
      throw new Error('connection lost');
    };
    const { fetch } = client({ uses: 100 }, { wallet });
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => fetch(ADDRESS)));
    expect(outcomes.map((one) => (one.status === 'rejected' ? (one.reason as { code: string }).code : one.value.status))).toEqual(
      Array(10).fill('payment_failed'),
    );
    expect(payments).toBe(1);
  });

  /** A wallet that pays when it is told to, once for each time that it has been asked. */
  function slowWallet(pay: Wallet) {
    const asked: { readonly goOn: () => void; readonly fail: (cause: unknown) => void }[] = [];
    const wallet: Wallet = async (invoice) => {
      await new Promise<void>((resolve, reject) => void asked.push({ goOn: resolve, fail: reject }));
      return pay(invoice);
    };
    return { asked, wallet };
  }

  /** Calls, and has no time as soon as all that can be done is done. */
  async function callInVain(fetch: typeof globalThis.fetch, address = ADDRESS): Promise<unknown> {
    const impatient = new AbortController();
    const call = fetch(address, { signal: impatient.signal }).catch((error: unknown) => error);
    await settle();
    impatient.abort(new Error('no time'));
    return call;
  }

  const kinds: readonly [string, ShopOptions][] = [
    ['a pack', { uses: 100, token: sells('pack', 'access=calls:100') }],
    ['one call', { uses: 1, token: sells('once') }],
    ['nobody knows what', { uses: 1 }],
  ];

  it.each(kinds)(
    'M47: is not made again by those who have no time to wait for the wallet, and is used when it is made: %s',
    async (_, sold) => {
      const { shop, kept, make } = client(sold);
      const { asked, wallet } = slowWallet(shop.wallet);
      const fetch = make({ wallet });
      expect(await callInVain(fetch)).toMatchObject({ code: 'payment_interrupted', paid: 'unknown' });
      for (let attempt = 0; attempt < 4; attempt++) expect(await callInVain(fetch)).toMatchObject({ message: 'no time' });
      const patient = fetch(ADDRESS);
      await settle();
      expect([asked.length, kept.size]).toEqual([1, 0]);
      asked[0]!.goOn();
      expect((await patient).status).toBe(200);
      expect([asked.length, shop.paid.length]).toEqual([1, 1]);
    },
  );

  it.each(kinds)('M47: is kept for the next call when nobody waits for it any more: %s', async (_, sold) => {
    const { shop, kept, make } = client(sold);
    const { asked, wallet } = slowWallet(shop.wallet);
    await callInVain(make({ wallet }));
    asked[0]!.goOn();
    while (kept.size === 0) await settle();
    expect((await make({ wallet })(ADDRESS)).status).toBe(200);
    expect([asked.length, shop.paid.length]).toEqual([1, 1]);
  });

  it.each(kinds)('M47: is used by the next call when the one that began it has no time to wait for the store: %s', async (_, sold) => {
    const { shop, kept, make } = client(sold);
    const impatient = new AbortController();
    const write = Promise.withResolvers<void>();
    const store = {
      get: (key: string) => kept.get(key),
      set: async (key: string, credential: string) => {
        impatient.abort(new Error('no time'));
        await write.promise;
        kept.set(key, credential);
      },
      delete: (key: string) => kept.delete(key),
    };
    const fetch = make({ store });
    await expect(fetch(ADDRESS, { signal: impatient.signal })).rejects.toMatchObject({ code: 'payment_interrupted' });
    const patient = fetch(ADDRESS);
    await settle();
    write.resolve();
    expect([(await patient).status, shop.paid.length]).toEqual([200, 1]);
  });

  it.each(kinds)('M31 M47: leaves in doubt those who waited when the wallet fails after all, and only those: %s', async (_, sold) => {
    const { shop, make } = client(sold);
    const { asked, wallet } = slowWallet(shop.wallet);
    const fetch = make({ wallet });
    await callInVain(fetch);
    const patient = fetch(ADDRESS);
    await settle();
    asked[0]!.fail(new Error('connection lost'));
    await expect(patient).rejects.toMatchObject({ code: 'payment_failed', paid: 'unknown' });
    const later = fetch(ADDRESS);
    await settle();
    asked[1]!.goOn();
    expect([(await later).status, asked.length]).toEqual([200, 2]);
  });

  it.each(kinds)('M47: is made by the next when the wallet says that it has not paid: %s', async (_, sold) => {
    const { shop, make } = client(sold);
    const { asked, wallet } = slowWallet(shop.wallet);
    const fetch = make({ wallet });
    await callInVain(fetch);
    const patient = fetch(ADDRESS);
    await settle();
    asked[0]!.fail(new PaymentRefused('no route'));
    while (asked.length < 2) await settle();
    asked[1]!.goOn();
    expect([(await patient).status, shop.paid.length]).toEqual([200, 1]);
  });

  it('M47: is taken over by one call each where it is good for one, and holds up nobody else', async () => {
    const { shop, kept, make } = client({ uses: 1, token: sells('once') });
    const { asked, wallet } = slowWallet(shop.wallet);
    const fetch = make({ wallet });
    await Promise.all([callInVain(fetch), callInVain(fetch)]);
    const calls = [fetch(ADDRESS), fetch(ADDRESS), fetch(ADDRESS), fetch(`${ADDRESS}&more`)];
    await settle();
    expect(asked).toHaveLength(4);
    for (const { goOn } of asked) goOn();
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect([shop.paid.length, kept.size]).toEqual([4, 0]);
  });

  it('M47: holds up nobody who buys from another service of the origin', async () => {
    const { asked, wallet } = slowWallet((invoice) => opened.pay(invoice));
    const opened = street(
      ['a', 'b'].map((name) => [name, { token: sells(name, 'access=pass') }]),
      { wallet },
    );
    await callInVain(opened.fetch, `${ORIGIN}/a`);
    const other = opened.fetch(`${ORIGIN}/b`);
    await settle();
    asked[1]!.goOn();
    expect([(await other).status, opened.payments()]).toEqual([200, 1]);
    asked[0]!.goOn();
    expect([(await opened.fetch(`${ORIGIN}/a`)).status, opened.payments()]).toEqual([200, 2]);
  });

  it('M47: lets those go who abort, and goes on without them', async () => {
    const { shop, make } = client({ uses: 100 });
    let pay = () => undefined as void;
    const asked = new Promise<void>((resolve) => void (pay = resolve));
    const wallet = async (invoice: string) => {
      await asked;
      return shop.wallet(invoice);
    };
    const first = make({ wallet })(ADDRESS);
    await settle();
    const impatient = new AbortController();
    const second = make({ wallet })(ADDRESS, { signal: impatient.signal });
    await settle();
    impatient.abort(new Error('no time'));
    await expect(second).rejects.toThrow('no time');
    pay();
    expect((await first).status).toBe(200);
    expect(shop.paid).toHaveLength(1);
  });
});
