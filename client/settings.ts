/*
 * What a paying fetch is told, checked once when it is made: a limit that is missing or a network that does not exist
 * must show up before there is any money in play. What is left out gets its default here.
 */
import { NETWORKS, type Network } from '#protocol/invoice.ts';
import { msatFromSats, type Msat } from '#protocol/msat.ts';
import { type Fetch } from './call.ts';
import { createMemoryStore, type CredentialStore } from './credential-store.ts';
import { type Wallet } from './payment.ts';

export interface L402FetchOptions {
  /** Without one nothing is ever paid, and the 402 comes back as it is. */
  readonly wallet?: Wallet | undefined;
  /** The most that one call may cost, in satoshi, with up to three decimals. */
  readonly maxPriceSats: number;
  /** The only network whose invoices are paid: mainnet unless told otherwise. */
  readonly network?: Network | undefined;
  /** Where credentials are kept for later calls: in memory unless told otherwise. */
  readonly store?: CredentialStore | undefined;
  /** Does the sending: the platform's own unless told otherwise. */
  readonly fetch?: Fetch | undefined;
  /** The largest stream (or body of a Request) that is read into memory so that it can be sent twice: 1 MiB unless told otherwise. */
  readonly maxBodyBytes?: number | undefined;
  /** What a refusal to pay becomes: an error, or the server's 402. Once money may have moved it is always an error. */
  readonly unpaid?: 'throw' | 'response' | undefined;
  /** The time in milliseconds since 1970, for the expiry of invoices. */
  readonly clock?: (() => number) | undefined;
}

/** The same without gaps. */
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

/** Checks and completes the options; what is wrong with them is the caller's mistake and throws. */
export function readSettings(options: L402FetchOptions): Settings {
  const { wallet, maxPriceSats, network = 'mainnet', maxBodyBytes = DEFAULT_MAX_BODY_BYTES, unpaid = 'throw', clock = Date.now } = options;
  if (typeof maxPriceSats !== 'number' || !(maxPriceSats >= 0)) throw new TypeError('maxPriceSats: a number of satoshi from 0');
  if (!NETWORKS.includes(network)) throw new TypeError(`network: one of ${NETWORKS.join(', ')}`);
  if (!(maxBodyBytes >= 0)) throw new TypeError('maxBodyBytes: a number of bytes from 0');
  if (unpaid !== 'throw' && unpaid !== 'response') throw new TypeError('unpaid: "throw" or "response"');
  if (wallet !== undefined && typeof wallet !== 'function') throw new TypeError('wallet: a function from invoice to preimage');
  return {
    wallet,
    maxPriceMsat: msatFromSats(maxPriceSats),
    network,
    store: options.store ?? createMemoryStore({ clock }),
    // Looked up at each call, and never called as a method of something else: browsers throw at that.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    maxBodyBytes,
    unpaid,
    clock,
  };
}
