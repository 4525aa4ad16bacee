/*
 * The options of a paying fetch, checked once at creation: a missing limit or an unknown network must be reported before any
 * money is involved. Omitted options get their defaults here. Pure.
 */
import { NETWORKS, type Network } from '#protocol/invoice.ts';
import { msatFromSats, type Msat } from '#protocol/msat.ts';
import { type Fetch } from './call.ts';
import { createMemoryStore, type CredentialStore } from './credential-store.ts';
import { type Wallet } from './payment.ts';

export interface L402FetchOptions {
  /** `undefined`: nothing is ever paid, and the 402 is returned unchanged. */
  readonly wallet?: Wallet | undefined;
  /** The most that one call may cost, in satoshis, with up to three decimals. */
  readonly maxPriceSats: number;
  /** The only network whose invoices are paid. Default: mainnet. */
  readonly network?: Network | undefined;
  /** Where credentials are kept for later calls. Default: in memory. */
  readonly store?: CredentialStore | undefined;
  /** Sends requests. Default: the platform's fetch. */
  readonly fetch?: Fetch | undefined;
  /** The largest stream (or body of a Request) that is read into memory so that it can be sent twice. Default: 1 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** What a refusal to pay becomes: an error, or the server's 402. Once money may have moved it is always an error. */
  readonly unpaid?: 'throw' | 'response' | undefined;
  /** The time in milliseconds since 1970, to judge the expiry of invoices. */
  readonly clock?: (() => number) | undefined;
}

/** The options with all defaults. */
export interface Settings {
  readonly wallet: Wallet | undefined;
  readonly maxPriceMsat: Msat;
  readonly network: Network;
  readonly store: CredentialStore;
  readonly fetch: Fetch;
  readonly maxBodyBytes: number;
  readonly unpaid: 'throw' | 'response';
  readonly clock: () => number;
}

const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;

/** Checks and completes the options; throws on invalid ones. */
export function readSettings(options: L402FetchOptions): Settings {
  const { wallet, maxPriceSats, network = 'mainnet', maxBodyBytes = DEFAULT_MAX_BODY_BYTES, unpaid = 'throw', clock = Date.now } = options;
  if (typeof maxPriceSats !== 'number' || !(maxPriceSats >= 0))
    throw new TypeError('maxPriceSats: must be a number of satoshis, 0 or more');
  if (!NETWORKS.includes(network)) throw new TypeError(`network: must be one of ${NETWORKS.join(', ')}`);
  if (!(maxBodyBytes >= 0)) throw new TypeError('maxBodyBytes: must be a number of bytes, 0 or more');
  if (unpaid !== 'throw' && unpaid !== 'response') throw new TypeError('unpaid: must be "throw" or "response"');
  if (wallet !== undefined && typeof wallet !== 'function')
    throw new TypeError('wallet: must be a function that takes an invoice and returns its preimage');
  return {
    wallet,
    maxPriceMsat: msatFromSats(maxPriceSats),
    network,
    store: options.store ?? createMemoryStore({ clock }),
    // Looked up at each call, and never called as a method: browsers throw otherwise.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    maxBodyBytes,
    unpaid,
    clock,
  };
}
