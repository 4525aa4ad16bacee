/*
 * One invoice, one token, for ever (M3): through the front door, over real objects, with everything changed between the
 * sale and the use that a seller can change, and with a node that hands out one invoice twice.
 */
import { describe, expect, it } from 'vitest';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { decodeTokenId } from '#protocol/token-id.ts';
import { defineGateway, type Gateway } from '#src/config/config.ts';
import { type Lightning } from '#src/ports.ts';
import { makeToken, OTHER_SECRET, type TestTokenOptions } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, openGateway } from './front-door.ts';

const routes: Gateway['routes'] = [
  { match: 'GET /call/*', service: 'call', priceSats: 1 },
  { match: 'GET /premium', service: 'premium', priceSats: 1 },
];
const shop = defineGateway({ routes, claimShardBits: 4 });
const TWO_KEYS = { TOKEN_SECRET_2: 'c2'.repeat(32) };
const secondKey = new Uint8Array(32).fill(0xc2);
const hours = Math.floor(Date.now() / 3_600_000);

interface Twin {
  readonly differs: string;
  readonly path: string;
  readonly changes: Omit<TestTokenOptions, 'service' | 'preimage'> & { readonly service?: string };
}

/** Tokens that this gateway could have signed over the payment hash of another of its tokens, with the same place. */
const TWINS: readonly Twin[] = [
  { differs: 'nothing but its random rest', path: '/call/x', changes: {} },
  { differs: 'epoch', path: '/call/x', changes: { id: { epoch: { startHours: hours - 1, lengthHours: 1 } } } },
  { differs: 'key id', path: '/call/x', changes: { id: { keyId: 2 }, secret: secondKey } },
  { differs: 'service', path: '/premium', changes: { service: 'premium' } },
  { differs: 'end', path: '/call/x', changes: { terms: { validUntilSeconds: hours * 3600 + 90_000 } } },
];

describe('two tokens over one payment hash', () => {
  it.each(TWINS)('M3: that differ in $differs buy one call between them, whichever comes first', async ({ path, changes }) => {
    for (const order of ['sold first', 'twin first']) {
      const preimage = crypto.getRandomValues(new Uint8Array(32));
      const sold = { path: '/call/x', token: await makeToken({ service: 'call', preimage }) };
      const twin = { path, token: await makeToken({ service: 'call', preimage, ...changes }) };
      const door = openGateway(shop, { variables: TWO_KEYS, parts: { lightning: startEmbedded() } });
      const answers: (number | string | undefined)[] = [];
      for (const use of order === 'sold first' ? [sold, twin] : [twin, sold]) {
        const response = await door.ask(use.path, { headers: { authorization: use.token.authorization } });
        answers.push(response.status, await codeOf(response));
      }
      expect(answers, order).toEqual([200, undefined, 402, 'payment_spent']);
      expect(door.seen, order).toHaveLength(1);
    }
  });

  it.each(TWINS)('M3: that differ in $differs buy one call between them in a race of ten each', async ({ path, changes }) => {
    const preimage = crypto.getRandomValues(new Uint8Array(32));
    const sold = await makeToken({ service: 'call', preimage });
    const twin = await makeToken({ service: 'call', preimage, ...changes });
    const door = openGateway(shop, { variables: TWO_KEYS });
    const use = (index: number) =>
      index % 2 === 0
        ? door.ask('/call/x', { headers: { authorization: sold.authorization } })
        : door.ask(path, { headers: { authorization: twin.authorization } });
    const statuses = (await Promise.all(Array.from({ length: 20 }, (_, index) => use(index)))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(door.seen).toHaveLength(1);
  });

  it('M3: a twin signed by a stranger buys nothing', async () => {
    const { authorization } = await makeToken({ service: 'call', secret: OTHER_SECRET });
    const door = openGateway(shop);
    await door.ask('/call/x', { headers: { authorization } });
    expect(door.seen).toEqual([]);
  });
});

const placeOf = (authorization: string) => {
  const macaroon = parseToken(authorization.slice('L402 '.length).split(':')[0]!);
  const id = macaroon.ok ? decodeTokenId(macaroon.value.identifier.slice(34)) : macaroon;
  if (!id.ok) throw new Error(id.refusal.code);
  return [id.value.region, id.value.shardBits];
};

describe('a place of claims that is changed in the configuration', () => {
  it.each<[string, Partial<Gateway>]>([
    ['more shards', { claimShardBits: 9 }],
    ['fewer shards', { claimShardBits: 0 }],
    ['another region', { claimRegion: 'oc' }],
    ['another region and other shards', { claimRegion: 'me', claimShardBits: 16 }],
  ])('M3: never makes a spent token good: %s between the sale and the use', async (_, changes) => {
    const lightning = startEmbedded();
    const before = openGateway(shop, { parts: { lightning } });
    const after = openGateway({ ...shop, ...changes }, { parts: { lightning } });
    for (const [first, second] of [
      [before, after],
      [after, before],
    ] as const) {
      // Sold before the change, used on either side of it, and shown again on the other.
      const authorization = await buy(before, '/call/moved', lightning.pay);
      expect(placeOf(authorization)).toEqual([0, 4]);
      expect((await first.ask('/call/moved', { headers: { authorization } })).status).toBe(200);
      const again = await second.ask('/call/moved', { headers: { authorization } });
      expect([again.status, await codeOf(again)]).toEqual([402, 'payment_spent']);
    }
    expect([...before.seen, ...after.seen]).toHaveLength(2);
  });

  it('M3: touches the tokens that are sold from then on', async () => {
    const lightning = startEmbedded();
    const after = openGateway({ ...shop, claimRegion: 'oc', claimShardBits: 9 }, { parts: { lightning } });
    const authorization = await buy(after, '/call/new', lightning.pay);
    expect(placeOf(authorization)).toEqual([7, 9]);
    expect((await after.ask('/call/new', { headers: { authorization } })).status).toBe(200);
    const again = await openGateway(shop).ask('/call/new', { headers: { authorization } });
    expect([again.status, again.headers.has('www-authenticate')]).toEqual([503, false]);
  });
});

/** A node that answers every order with its first invoice. */
function startStuckNode(): Lightning {
  const embedded = startEmbedded();
  let first: ReturnType<Lightning['mint']> | undefined;
  return { ...embedded, mint: (order) => (first ??= embedded.mint(order)) };
}

describe('a node that answers with the same invoice twice', () => {
  it.each<[string, { readonly path?: string; readonly changes?: Partial<Gateway> }]>([
    ['for the same call', {}],
    ['for another service', { path: '/premium' }],
    ['to a deployment with other shards', { changes: { claimShardBits: 0 } }],
    ['to a deployment in another region', { changes: { claimRegion: 'wnam' } }],
  ])('M3: gets one token made of it, and a 503 without a challenge the second time: %s', async (_, { path = '/call/x', changes = {} }) => {
    const lightning = startStuckNode();
    const first = await openGateway(shop, { parts: { lightning } }).ask('/call/x');
    expect([first.status, first.headers.has('www-authenticate')]).toEqual([402, true]);
    const second = await openGateway({ ...shop, ...changes }, { parts: { lightning } }).ask(path);
    expect([second.status, second.headers.has('www-authenticate'), await codeOf(second)]).toEqual([503, false, 'node_unavailable']);
  });

  it('M3: gets one token made of it when twenty ask at once', async () => {
    const door = openGateway(shop, { parts: { lightning: startStuckNode() } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => door.ask('/call/x')));
    expect(answers.filter(({ headers }) => headers.has('www-authenticate'))).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 503)).toHaveLength(19);
  });
});
