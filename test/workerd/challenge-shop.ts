/*
 * A gateway for the tests about challenges: over real objects, with a node that counts what is ordered of it.
 */
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Gateway } from '#src/config/config.ts';
import { type Lightning, type MintedInvoice } from '#src/ports.ts';
import { identifierOf } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { codeOf, from, openGateway, type DoorOptions } from './front-door.ts';

/** Ten invoices of each offer in every object, and up to a hundred. */
export const POOL = { low: 160, high: 1600 } as const;
const routes: Gateway['routes'] = [
  { match: '/once/*', service: 'once', priceSats: 1 },
  { match: '/dear/*', service: 'dear', priceSats: 50 },
  { match: '/odd', service: 'odd', priceMsat: 1234 },
  { match: '/asked', service: 'asked', price: () => 2000n, minSats: 1, maxSats: 9 },
];

/** A node that counts what is ordered of it, and changes what it answers as told. */
export function startNode(change: (minted: MintedInvoice, order: number) => MintedInvoice | undefined = (minted) => minted) {
  const embedded = startEmbedded();
  const made = { direct: 0, ahead: 0 };
  const lightning: Lightning = {
    ...embedded,
    mint: (order) => ((made.direct += 1), embedded.mint(order)),
    async mintBatch(orders) {
      made.ahead += orders.length;
      return (await embedded.mintBatch(orders)).map((minted, index) => change(minted!, index));
    },
  };
  return { lightning, made, pay: embedded.pay };
}

/** Opens the gateway; the pool is on unless it is said otherwise. */
export function openShop(
  gateway: Partial<Gateway> = {},
  { node = startNode(), ...options }: DoorOptions & { node?: ReturnType<typeof startNode> } = {},
) {
  const door = openGateway({ routes, pool: POOL, ...gateway }, { ...options, parts: { lightning: node.lightning, ...options.parts } });
  const ask = async (client: string, path = '/once/a', authorization?: string) => {
    const response = await door.ask(path, from(client, authorization === undefined ? {} : { authorization }));
    const read = parseL402Offer(response.headers.get('www-authenticate') ?? '');
    const code = await codeOf(response.clone());
    return {
      status: response.status,
      code,
      body: await response.text(),
      ...(read.ok ? read.value : { token: undefined, invoice: undefined }),
    };
  };
  /** Asks until the pool has been filled. */
  const warm = async (client = '192.0.2.1', path = '/once/a') => {
    for (let call = 0; call < 3; call++) await ask(client, path);
  };
  return { door, ask, warm, made: node.made, pay: node.pay };
}

/** The payment hash of a challenge's token, in hex. */
export const hashOf = (token: string | undefined) => formatHex(identifierOf(token ?? '').paymentHash);
/** What has gone wrong, in the words of the log. */
export const faultsOf = ({ door }: ReturnType<typeof openShop>) =>
  door.logged.flatMap(([event, { message }]) => (event === 'fault' ? [message] : []));
