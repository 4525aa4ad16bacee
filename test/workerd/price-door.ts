/*
 * A gateway inside workerd that sells at prices which depend on the request: wired as a deployment is, with the embedded node
 * to mint and to pay, a pricing service behind a binding, and an origin that remembers what it got.
 */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { createEmbeddedNode } from '#lnd-bridge/nodes/embedded.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { accept } from '#protocol/result.ts';
import { createApp } from '#src/app.ts';
import { type Gateway } from '#src/config.ts';
import { createDeps, type Env } from '#src/deps.ts';
import { deadNode } from '#support/fakes.ts';
import { TOKEN_SECRET_HEX } from '#support/tokens.ts';
import { forMany } from './front-door.ts';

export const PRICING_SECRET_HEX = 'c7'.repeat(32);

const VARIABLES = {
  ORIGIN_URL: 'http://127.0.0.1:1',
  BRIDGE_URL: 'http://127.0.0.1:1',
  NETWORK: 'regtest',
  TOKEN_SECRET_1: TOKEN_SECRET_HEX,
  BRIDGE_SECRET: 'b1'.repeat(32),
  PRICING_SECRET: PRICING_SECRET_HEX,
};

export interface SeenByOrigin {
  readonly path: string;
  readonly body: string;
  readonly length: string | null;
  readonly priceMsat: string | null;
}

export interface PriceDoor {
  readonly ask: (path: string, init?: RequestInit) => Promise<Response>;
  /** What the invoice of a 402 asks for; the code of any other refusal. */
  readonly price: (path: string, init?: RequestInit) => Promise<bigint | string>;
  /** Pays, and gives what goes into `Authorization`. */
  readonly buy: (path: string, init?: RequestInit) => Promise<string>;
  /** Uses a credential: the origin's word, or the code of a refusal. */
  readonly use: (path: string, authorization: string, init?: RequestInit) => Promise<string>;
  readonly seen: readonly SeenByOrigin[];
  readonly logged: readonly string[];
  /** How many invoices were made. */
  readonly minted: () => number;
}

/** Opens a gateway that sells these routes; `service` answers behind the binding PRICING. */
export function openPriceDoor(
  routes: NonNullable<Gateway['routes']>,
  service?: (request: Request) => Response | Promise<Response>,
): PriceDoor {
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const clock = { nowSeconds: () => Math.floor(Date.now() / 1000) };
  const node = createEmbeddedNode({ secretKey: new Uint8Array(32).fill(5), clock, random });
  const [seen, logged]: [SeenByOrigin[], string[]] = [[], []];
  let minted = 0;
  const objects = Object.fromEntries(Object.entries(env).filter(([, value]) => typeof value !== 'string'));
  const PRICING = { fetch: async (url: string, init: RequestInit) => service?.(new Request(url, init)) };
  const wired = createDeps({ ...objects, ...VARIABLES, PRICING } as Env, forMany({ routes }));
  if (!wired.ok) throw new Error(wired.refusal.join('; '));
  const deps: GateDeps = {
    ...wired.value,
    lightning: {
      ...deadNode,
      async mint(order) {
        const answer = await node.mint(order);
        if (!answer.ok) throw new Error(answer.refusal.code);
        minted += 1;
        return { invoice: answer.value.invoice, settlement: node.settlement };
      },
      lookUp: () => Promise.reject(new Error('nothing here is sold strictly')),
    },
    async origin(request) {
      const body = await request.text();
      const { pathname, search } = new URL(request.url);
      const [length, priceMsat] = [request.headers.get('content-length'), request.headers.get('x-l402-price-msat')];
      seen.push({ path: pathname + search, body, length, priceMsat });
      return new Response('origin');
    },
    log: (event, fields) => void logged.push(JSON.stringify({ event, ...fields })),
  };
  const app = createApp(accept(deps), deps.log);
  const ask = async (path: string, init: RequestInit = {}) => {
    const context = createExecutionContext();
    const response = await app.fetch(new Request(`http://gateway.test${path}`, init), env, context);
    await waitOnExecutionContext(context);
    return response;
  };
  const offerOf = (response: Response) => parseL402Offer(response.headers.get('www-authenticate') ?? '');
  return {
    ask,
    async price(path, init) {
      const response = await ask(path, init);
      const offer = offerOf(response);
      if (!offer.ok) return (await response.json<{ code: string }>()).code;
      const invoice = parseInvoice(offer.value.invoice);
      if (!invoice.ok) throw new Error(invoice.refusal.code);
      return invoice.value.amountMsat;
    },
    async buy(path, init) {
      const offer = offerOf(await ask(path, init));
      if (!offer.ok) throw new Error(offer.refusal.code);
      const paid = node.pay(offer.value.invoice);
      if (!paid.ok) throw new Error(paid.refusal.code);
      return `L402 ${offer.value.token}:${paid.value.preimageHex}`;
    },
    async use(path, authorization, init = {}) {
      const headers = new Headers(init.headers);
      headers.set('authorization', authorization);
      const response = await ask(path, { ...init, headers });
      return response.status === 200 ? response.text() : (await response.json<{ code: string }>()).code;
    },
    seen,
    logged,
    minted: () => minted,
  };
}
