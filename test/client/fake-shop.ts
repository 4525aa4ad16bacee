/*
 * A small L402 server as a fetch function, with a wallet that pays it: mock gateway and mock wallet, all offline (Y4). It
 * keeps what it saw, so that a test can say what went over the wire. Nothing here is shared with the gateway's own code
 * but the codecs.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { type Wallet } from '#client/index.ts';
import { encodeAscii, formatHex } from '#protocol/bytes.ts';
import { formatL402Challenge } from '#protocol/challenge-header.ts';
import { encodeIdentifier } from '#protocol/identifier.ts';
import { type Network } from '#protocol/invoice.ts';
import { formatToken } from '#protocol/macaroon-codec.ts';
import { formatAmount, makeInvoice, type InvoiceOptions } from './invoice-maker.ts';

export const ADDRESS = 'https://shop.example/v1/answer?of=everything';

/** A request as it arrived. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** What is sold by one challenge. */
export interface Sale {
  readonly token: string;
  readonly invoice: string;
  readonly preimageHex: string;
}

export interface ShopOptions {
  readonly network?: Network;
  readonly priceMsat?: bigint;
  /** How often a credential is good, said in `L402-Remaining`. Left out: always, and nothing is said. */
  readonly uses?: number;
  /** The value or values of `WWW-Authenticate`. */
  readonly challenge?: (sale: Sale) => string | readonly string[];
  /** What makes the invoice a special one. */
  readonly invoice?: Partial<InvoiceOptions>;
  readonly token?: (paymentHash: Uint8Array) => string;
  /** The problem body for a credential that is not good; left out: one that says nothing about it. */
  readonly refusal?: (presented: string) => Readonly<Record<string, unknown>>;
  /** Answers in the place of the shop; `credential` is the good one that was shown, if any. */
  readonly answer?: (seen: Seen, credential: string | undefined) => Response | undefined;
}

export interface Shop {
  readonly fetch: typeof fetch;
  readonly wallet: Wallet;
  readonly seen: readonly Seen[];
  readonly paid: readonly string[];
  readonly sales: readonly Sale[];
}

const COINS: Readonly<Record<Network, string>> = { mainnet: 'bc', testnet: 'tb', signet: 'tbs', regtest: 'bcrt', simnet: 'sb' };

/** Opens a shop; every setting is optional. */
export function openShop(options: ShopOptions = {}): Shop {
  const { network = 'regtest', priceMsat = 10_000n, uses, challenge = formatL402Challenge, answer } = options;
  const seen: Seen[] = [];
  const paid: string[] = [];
  const sales: Sale[] = [];
  const left = new Map<string, number>();

  const sell = (): Sale => {
    const preimage = crypto.getRandomValues(new Uint8Array(32));
    const paymentHash = sha256(preimage);
    const invoice = makeInvoice({ paymentHash, prefix: `${COINS[network]}${formatAmount(priceMsat)}`, ...options.invoice });
    const sale = { token: (options.token ?? makeToken)(paymentHash), invoice, preimageHex: formatHex(preimage) };
    sales.push(sale);
    left.set(sale.token, uses ?? Infinity);
    return sale;
  };

  return {
    seen,
    paid,
    sales,
    async wallet(invoice) {
      const sale = sales.find((sale) => sale.invoice === invoice);
      if (sale === undefined) throw new Error('no route');
      paid.push(invoice);
      return sale.preimageHex;
    },
    async fetch(input, init) {
      const request = new Request(input, init);
      const arrived = {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: new Uint8Array(await request.arrayBuffer()),
      };
      seen.push(arrived);
      const presented = request.headers.get('l402-authorization') ?? request.headers.get('authorization') ?? '';
      const [, token = '', preimageHex] = /^(?:L402|LSAT) (.+):([0-9a-f]{64})$/.exec(presented) ?? [];
      const good = sales.some((sale) => sale.token === token && sale.preimageHex === preimageHex) && left.get(token)! > 0;
      const own = answer?.(arrived, good ? presented : undefined);
      if (own !== undefined) return own;
      const problem = presented === '' ? undefined : options.refusal?.(presented);
      if (!good) return paymentRequired([challenge(sell())].flat(), problem);
      left.set(token, left.get(token)! - 1);
      return Response.json({ answer: 42 }, uses === undefined ? {} : { headers: { 'l402-remaining': String(left.get(token)) } });
    },
  };
}

/** A 402 with these challenges, one header line each. */
export function paymentRequired(
  challenges: readonly string[],
  problem: Readonly<Record<string, unknown>> = { code: 'payment_required' },
): Response {
  const headers = new Headers({ 'content-type': 'application/problem+json' });
  for (const challenge of challenges) headers.append('www-authenticate', challenge);
  return new Response(JSON.stringify(problem), { status: 402, headers });
}

/** A token in the layout that every real server uses; the client cannot check its signature. */
export function makeToken(paymentHash: Uint8Array, caveats: readonly string[] = []): string {
  return formatToken({
    location: undefined,
    identifier: encodeIdentifier({ paymentHash, tokenId: crypto.getRandomValues(new Uint8Array(32)) }),
    caveats: caveats.map(encodeAscii),
    signature: crypto.getRandomValues(new Uint8Array(32)),
  });
}

/** The response with an address of its own, as after a redirect. */
export function from(url: string, response: Response): Response {
  return Object.defineProperty(response, 'url', { value: url });
}
