/*
 * A client before one shop or several, for counting what it pays. Each test has its own shop, store and wallet.
 */
import { createL402Fetch, type L402FetchOptions, type Wallet } from '#client/index.ts';
import { NOW_MS } from './invoice-maker.ts';
import { makeToken, openShop, type ShopOptions } from './fake-shop.ts';

export const ORIGIN = 'https://shop.example';
export const NOW = Math.floor(NOW_MS / 1000);

/** Tokens as our gateway makes them; `more` says what is bought. */
export const sells =
  (service: string, ...more: readonly string[]) =>
  (paymentHash: Uint8Array) =>
    makeToken(paymentHash, [`services=${service}:0`, ...more, `${service}_valid_until=${NOW + 3600}`]);

export function client(offered: ShopOptions = {}, options: Partial<L402FetchOptions> = {}) {
  const shop = openShop(offered);
  const kept = new Map<string, string>();
  const settings = {
    wallet: shop.wallet,
    maxPriceSats: 10,
    network: 'regtest',
    store: kept,
    fetch: shop.fetch,
    clock: () => NOW_MS,
  } as const;
  const make = (more: Partial<L402FetchOptions> = {}) => createL402Fetch({ ...settings, ...options, ...more });
  return { shop, kept, make, fetch: make() };
}

/** Several shops at one origin, each below the first segment of its own, with one client for all. */
export function street(offers: readonly (readonly [string, ShopOptions])[], options: Partial<L402FetchOptions> = {}) {
  const shops = new Map(offers.map(([name, offered]) => [name, openShop(offered)]));
  const all = [...shops.values()];
  const shopOf = (address: string) => shops.get(new URL(address).pathname.split('/')[1]!)!;
  const pay: Wallet = (invoice) => all.find(({ sales }) => sales.some((sale) => sale.invoice === invoice))!.wallet(invoice);
  const opened = client({}, { fetch: (input, init) => shopOf(String(input)).fetch(input, init), wallet: pay, ...options });
  return { ...opened, pay, payments: () => all.reduce((sum, { paid }) => sum + paid.length, 0) };
}

/** Lets everything that can settle settle. */
export const settle = async () => {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
};
