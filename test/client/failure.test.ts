/*
 * When paying goes wrong: what is thrown, what it carries, whether it says truly if money has moved, and what it keeps
 * to itself.
 */
import { describe, expect, it } from 'vitest';
import {
  createCredential,
  createL402Fetch,
  L402_ERROR_CODES,
  L402Error,
  PaymentRefused,
  type L402FetchOptions,
  type Wallet,
} from '#client/index.ts';
import { NOW_MS } from './invoice-maker.ts';
import { ADDRESS, openShop, paymentRequired, type ShopOptions } from './fake-shop.ts';

function client(offered: ShopOptions = {}, options: (wallet: Wallet) => Partial<L402FetchOptions> = () => ({})) {
  const shop = openShop(offered);
  const settings = { wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock: () => NOW_MS } as const;
  return { shop, fetch: createL402Fetch({ ...settings, ...options(shop.wallet) }) };
}

async function failureOf(call: Promise<unknown>): Promise<L402Error> {
  const error: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(L402Error);
  return error as L402Error;
}

describe('a wallet that fails', () => {
  it('Y8, M31: leaves it unknown whether money has moved, and the error carries what it takes to find out', async () => {
    const cause = new TypeError('fetch failed');
    for (const unpaid of ['throw', 'response'] as const) {
      const { shop, fetch } = client({}, () => ({ wallet: () => Promise.reject(cause), unpaid }));
      const error = await failureOf(fetch(ADDRESS));
      expect(error).toMatchObject({ code: 'payment_failed', paid: 'unknown', cause, credential: undefined });
      const { token, invoice } = shop.sales[0]!;
      expect(error.offer).toMatchObject({ scheme: 'L402', token, invoice, paymentHashHex: expect.stringMatching(/^[0-9a-f]{64}$/) });
      expect(shop.seen).toHaveLength(1);
    }
  });

  it('Y8: by throwing in the middle of its own code is no different', async () => {
    const wallet = () => {
      throw new RangeError('bug');
    };
    const { fetch } = client({}, () => ({ wallet }));
    expect(await failureOf(fetch(ADDRESS))).toMatchObject({ code: 'payment_failed', paid: 'unknown' });
  });

  it('Y8: and knows that nothing was paid gives an error, or the original 402 unread, as the caller chose', async () => {
    const refusal = new PaymentRefused('no route');
    const wallet = () => Promise.reject(refusal);
    const throwing = client({}, () => ({ wallet }));
    expect(await failureOf(throwing.fetch(ADDRESS))).toMatchObject({ code: 'payment_refused', paid: 'no', cause: refusal });
    const quiet = client({}, () => ({ wallet, unpaid: 'response' }));
    const response = await quiet.fetch(ADDRESS);
    expect([response.status, await response.text()]).toEqual([402, '{"code":"payment_required"}']);
  });

  it.each<[string, (preimageHex: string) => unknown]>([
    ['the preimage of something else', () => 'ab'.repeat(32)],
    ['an empty text', () => ''],
    ['a text that is no hex', () => 'settled'],
    ['half a preimage', (preimageHex) => preimageHex.slice(0, 32)],
    ['an object', (preimageHex) => ({ preimage: preimageHex })],
    ['nothing', () => undefined],
  ])('M31, Y8: and gives %s is found out, and nothing is sent to the server', async (_, lie) => {
    for (const unpaid of ['throw', 'response'] as const) {
      const { shop, fetch } = client({}, (wallet) => ({ wallet: async (invoice) => lie(await wallet(invoice)) as string, unpaid }));
      expect(await failureOf(fetch(ADDRESS))).toMatchObject({ code: 'preimage_wrong', paid: 'unknown', credential: undefined });
      expect(shop.seen).toHaveLength(1);
    }
  });

  it('M31: a payment in doubt is recovered with the offer of the error and the preimage, without paying again', async () => {
    const { shop, fetch } = client({}, () => ({ wallet: () => Promise.reject(new Error('time-out')) }));
    const { offer } = await failureOf(fetch(ADDRESS));
    expect(createCredential(offer!, 'ab'.repeat(32))).toBeUndefined();
    const credential = createCredential(offer!, shop.sales[0]!.preimageHex);
    const response = await fetch(ADDRESS, { headers: { authorization: credential! } });
    expect([response.status, shop.paid.length]).toEqual([200, 0]);
  });
});

describe('a server that takes the money', () => {
  it('M31: a second 402 after paying is never paid: the error has the credential', async () => {
    for (const unpaid of ['throw', 'response'] as const) {
      const { shop, fetch } = client({ uses: 0 }, () => ({ unpaid }));
      const error = await failureOf(fetch(ADDRESS));
      const { token, preimageHex } = shop.sales[0]!;
      expect(error).toMatchObject({ code: 'credential_refused', paid: 'yes', credential: `L402 ${token}:${preimageHex}` });
      expect([shop.paid.length, shop.seen.length]).toEqual([1, 2]);
    }
  });

  it('M31: a second 402 without any challenge is the same', async () => {
    const { shop, fetch } = client({ answer: (_, credential) => (credential === undefined ? undefined : paymentRequired([])) });
    expect(await failureOf(fetch(ADDRESS))).toMatchObject({ code: 'credential_refused', paid: 'yes' });
    expect(shop.paid).toHaveLength(1);
  });

  it.each([200, 204, 400, 401, 403, 404, 500])('Y11: any other answer after paying is returned as it is: %i', async (status) => {
    const { shop, fetch } = client({ answer: (_, credential) => (credential === undefined ? undefined : new Response(null, { status })) });
    expect((await fetch(ADDRESS)).status).toBe(status);
    expect([shop.paid.length, shop.seen.length]).toEqual([1, 2]);
  });
});

describe('a caller who aborts', () => {
  it('M31: before the payment: nothing is paid, and the reason comes out as from fetch', async () => {
    const reason = new Error('changed my mind');
    for (const asRequest of [false, true]) {
      const controller = new AbortController();
      const { shop, fetch } = client({ answer: () => void controller.abort(reason) });
      const { signal } = controller;
      await expect(asRequest ? fetch(new Request(ADDRESS, { signal })) : fetch(ADDRESS, { signal })).rejects.toBe(reason);
      expect([shop.seen.length, shop.paid.length]).toEqual([1, 0]);
    }
  });

  it('M31: during the payment: is let go at once with paid unknown, and the credential is there for the next call', async () => {
    const controller = new AbortController();
    const gate = Promise.withResolvers<void>();
    const kept = new Map<string, string>();
    const { shop, fetch } = client({}, (wallet) => ({
      store: kept,
      wallet: async (invoice) => {
        controller.abort(new Error('too slow'));
        await gate.promise;
        return wallet(invoice);
      },
    }));
    const error = await failureOf(fetch(ADDRESS, { signal: controller.signal }));
    expect(error).toMatchObject({ code: 'payment_interrupted', paid: 'unknown', cause: { message: 'too slow' } });
    expect(error.offer?.invoice).toBe(shop.sales[0]!.invoice);
    gate.resolve();
    await expect.poll(() => kept.size).toBe(1);
    expect((await fetch(ADDRESS)).status).toBe(200);
    expect(shop.paid).toHaveLength(1);
  });

  it('M31: after the payment: the error says that it was made and has the credential', async () => {
    const controller = new AbortController();
    const kept = new Map<string, string>();
    const store = {
      get: (key: string) => kept.get(key),
      delete: (key: string) => kept.delete(key),
      set: (key: string, value: string) => kept.set(key, value),
    };
    const shop = openShop();
    const fetch: typeof globalThis.fetch = (input, init) => {
      if (new Headers(init?.headers).has('authorization')) controller.abort();
      controller.signal.throwIfAborted();
      return shop.fetch(input, init);
    };
    const paying = createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', store, fetch, clock: () => NOW_MS });
    expect(await failureOf(paying(ADDRESS, { signal: controller.signal }))).toMatchObject({
      code: 'retry_failed',
      paid: 'yes',
      cause: { name: 'AbortError' },
    });
    expect(kept.size).toBe(1);
  });
});

describe('an error', () => {
  it('M31: shows neither preimage nor token in its text, its stack, its JSON or its own properties', async () => {
    const { shop, fetch } = client({ uses: 0 });
    const error = await failureOf(fetch(ADDRESS));
    const { token, preimageHex } = shop.sales[0]!;
    expect(error.credential).toContain(preimageHex);
    const own = Object.getOwnPropertyNames(error).map((name) => String(error[name as keyof L402Error]));
    for (const presented of [error.message, error.stack ?? '', String(error), JSON.stringify(error), ...own]) {
      expect(presented).not.toContain(preimageHex);
      expect(presented).not.toContain(token);
    }
  });

  it('Y8: has a stable code from the list, and a hint for each', () => {
    expect(new Set(L402_ERROR_CODES).size).toBe(L402_ERROR_CODES.length);
    for (const code of L402_ERROR_CODES) {
      const error = new L402Error(code, { paid: 'no', detail: 'a test' });
      expect([error.name, error.code, error.message]).toEqual(['L402Error', code, `${code}: a test`]);
      expect(error.hint).toMatch(/\.$/);
    }
  });
});
