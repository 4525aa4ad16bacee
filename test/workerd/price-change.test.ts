/*
 * A price that changes between the sale and the use (M5): two gateways over the same objects, the one that sold and the one
 * that is in force when the token comes back.
 */
import { describe, expect, it } from 'vitest';
import { defineGateway } from '#src/config/config.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, openGateway } from './front-door.ts';

const lightning = startEmbedded();

/** Two routes of one service and a priced parameter; a second service as a matter of comparison. */
function openAt(priceSats: number) {
  const papers = [
    { match: 'GET /paper/:id', service: 'papers', priceSats },
    { match: 'GET /article/:id', service: 'papers', priceSats },
    { match: 'GET /query', query: { kind: 'short' }, service: 'queries', priceSats },
    { match: 'GET /query', query: { kind: 'long' }, service: 'queries', priceSats },
    { match: 'GET /other', service: 'other', priceSats },
  ];
  return openGateway(defineGateway({ routes: papers }), { parts: { lightning } });
}

const cheap = openAt(10);
const expensive = openAt(50);

async function use(door: typeof cheap, path: string, authorization: string) {
  const response = await door.ask(path, { headers: { authorization } });
  return [response.status, await codeOf(response)];
}

describe('a price that was raised after the sale', () => {
  it('M5: is not asked of a token for the inputs that it was sold for', async () => {
    for (const path of ['/paper/1', '/query?kind=short']) {
      const authorization = await buy(cheap, path, lightning.pay);
      expect(await use(expensive, path, authorization), path).toEqual([200, undefined]);
      expect(await use(expensive, path, authorization), path).toEqual([402, 'payment_spent']);
    }
  });

  it('M5: holds for the route, not for the text of the path: another paper of the same route is the same input', async () => {
    expect(await use(expensive, '/paper/2', await buy(cheap, '/paper/1', lightning.pay))).toEqual([200, undefined]);
  });

  it.each([
    ['another route of the service', '/paper/1', '/article/1'],
    ['another value of the priced parameter', '/query?kind=short', '/query?kind=long'],
  ])('M5: is asked of a token for %s, and the payment is not used up by that', async (_, sold, other) => {
    const authorization = await buy(cheap, sold, lightning.pay);
    expect(await use(expensive, other, authorization)).toEqual([402, 'payment_too_small']);
    expect(await use(cheap, other, authorization)).toEqual([200, undefined]);
    expect(await use(expensive, sold, authorization)).toEqual([402, 'payment_spent']);
  });

  it('M5: comes with a challenge at the new price', async () => {
    const authorization = await buy(cheap, '/paper/1', lightning.pay);
    const refused = await expensive.ask('/article/1', { headers: { authorization } });
    expect(await refused.json()).toMatchObject({ code: 'payment_too_small', price_sats: 50 });
  });
});

describe('a price that was lowered after the sale', () => {
  it('M5: is covered by what was paid, for the same inputs and for others of the service', async () => {
    for (const path of ['/paper/1', '/article/1']) {
      expect(await use(cheap, path, await buy(expensive, '/paper/1', lightning.pay)), path).toEqual([200, undefined]);
    }
  });

  it('M5: does not make a token good for another service', async () => {
    expect(await use(cheap, '/other', await buy(expensive, '/paper/1', lightning.pay))).toEqual([402, 'service_wrong']);
  });
});
