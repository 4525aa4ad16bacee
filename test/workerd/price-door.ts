/*
 * A gateway inside workerd that sells at prices which depend on the request: the front door, with the embedded node to mint and
 * to pay, a pricing service behind a binding, and an origin that remembers what it got.
 */
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { type Gateway } from '#src/config/config.ts';
import { deadNode } from '#support/fakes.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, openGateway, type FrontDoor } from './front-door.ts';

export const PRICING_SECRET_HEX = 'c7'.repeat(32);

export interface SeenByOrigin {
  readonly path: string;
  readonly body: string;
  readonly length: string | null;
  readonly priceMsat: string | null;
}

export interface PriceDoor extends Pick<FrontDoor, 'ask'> {
  /** What the invoice of a 402 asks for; the code of any other refusal. */
  readonly price: (path: string, init?: RequestInit) => Promise<bigint | string | undefined>;
  /** Pays, and gives what goes into `Authorization`. */
  readonly buy: (path: string, init?: RequestInit) => Promise<string>;
  /** Uses a credential: the origin's word, or the code of a refusal. */
  readonly use: (path: string, authorization: string, init?: RequestInit) => Promise<string | undefined>;
  readonly seen: readonly SeenByOrigin[];
  /** One line of JSON each. */
  readonly logged: readonly string[];
  /** How many invoices were made. */
  readonly minted: () => number;
}

/** Opens a gateway that sells these routes; `service` answers behind the binding PRICING. */
export function openPriceDoor(
  routes: NonNullable<Gateway['routes']>,
  service?: (request: Request) => Response | Promise<Response>,
): PriceDoor {
  const node = startEmbedded();
  const seen: SeenByOrigin[] = [];
  let minted = 0;
  const door = openGateway(
    { routes },
    {
      variables: { PRICING_SECRET: PRICING_SECRET_HEX },
      bindings: { PRICING: { fetch: async (url: string, init: RequestInit) => service?.(new Request(url, init)) } },
      parts: {
        lightning: { ...deadNode, mint: (order) => ((minted += 1), node.mint(order)) },
        async origin(request) {
          const body = await request.text();
          const { pathname, search } = new URL(request.url);
          const [length, priceMsat] = [request.headers.get('content-length'), request.headers.get('x-l402-price-msat')];
          seen.push({ path: pathname + search, body, length, priceMsat });
          return new Response('origin');
        },
      },
    },
  );
  return {
    ask: door.ask,
    async price(path, init) {
      const response = await door.ask(path, init);
      const offer = parseL402Offer(response.headers.get('www-authenticate') ?? '');
      if (!offer.ok) return codeOf(response);
      const invoice = parseInvoice(offer.value.invoice);
      if (!invoice.ok) throw new Error(invoice.refusal.code);
      return invoice.value.amountMsat;
    },
    buy: (path, init) => buy({ ask: () => door.ask(path, init) }, path, node.pay),
    async use(path, authorization, init = {}) {
      const headers = new Headers(init.headers);
      headers.set('authorization', authorization);
      const response = await door.ask(path, { ...init, headers });
      return response.status === 200 ? response.text() : codeOf(response);
    },
    seen,
    get logged() {
      return door.logged.map(([event, fields]) => JSON.stringify({ event, ...fields }));
    },
    minted: () => minted,
  };
}
