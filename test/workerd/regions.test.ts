/*
 * Where claims and quotas live (M45): from what the edge says of a request to the token that it is offered, and from the token
 * to the object, through the front door and over real objects.
 */
import { reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { decodeTokenId } from '#protocol/token-id.ts';
import { type Gateway } from '#src/config/config.ts';
import { hmac, identifierOf, makeToken } from '#support/tokens.ts';
import { startNode } from './challenge-shop.ts';
import { codeOf, openGateway } from './front-door.ts';
import { watchObjectCalls, type CalledObject } from './object-calls.ts';

beforeEach(() => reset());
afterEach(() => void vi.useRealTimers());

/** What Cloudflare's edge tells of buyers in some places. */
const TOKYO = { colo: 'NRT', continent: 'AS', longitude: '139.69' };
const BERLIN = { colo: 'TXL', continent: 'EU', longitude: '13.41' };
const NOWHERE = { clientIp: '192.0.2.1:4321' };
const routes: Gateway['routes'] = [
  { match: '/once', service: 'once', priceSats: 1 },
  { match: '/odd', service: 'odd', priceMsat: 1500 },
];
/** Some invoices of each offer in every object. */
const POOL = { low: 160, high: 1600 };

function open(gateway: Partial<Gateway> = {}, node = startNode()) {
  const called: (CalledObject & { readonly binding: string })[] = [];
  const bindings = watchObjectCalls(env, (binding, object) => void called.push({ binding, ...object }));
  const door = openGateway({ routes, ...gateway }, { bindings, parts: { lightning: node.lightning } });
  const ask = (cf: object, { path = '/once', client = '192.0.2.1', authorization = '' } = {}) =>
    door.ask(path, { cf, headers: { 'cf-connecting-ip': client, ...(authorization === '' ? {} : { authorization }) } } as RequestInit);
  const offered = async (cf: object, where: { path?: string; client?: string } = {}) => {
    const offer = parseL402Offer((await ask(cf, where)).headers.get('www-authenticate') ?? '');
    if (!offer.ok) throw new Error(offer.refusal.code);
    const id = decodeTokenId(identifierOf(offer.value.token).tokenId);
    if (!id.ok) throw new Error(id.refusal.code);
    const authorization = `L402 ${offer.value.token}:${node.pay(offer.value.invoice)}`;
    return { authorization, region: id.value.region, shardBits: id.value.shardBits };
  };
  /** The objects of one kind that were called, each once, and where they were to be made. */
  const objectsOf = (binding: string) => [
    ...new Set(called.flatMap((object) => (object.binding === binding ? [`${object.objectName} ${object.locationHint}`] : []))),
  ];
  return { door, ask, offered, objectsOf, made: node.made, forget: () => void called.splice(0) };
}

describe('the claim of a token', () => {
  it.each([
    { place: 'Tokyo', cf: TOKYO, region: 6, shardBits: 4, hint: 'apac' },
    { place: 'Berlin', cf: BERLIN, region: 4, shardBits: 4, hint: 'weur' },
    { place: 'a place that nobody tells', cf: NOWHERE, region: 0, shardBits: 0, hint: undefined },
  ])('M45: that was sold to $place lives there, also when it is used from elsewhere', async ({ cf, region, shardBits, hint }) => {
    const { ask, offered, objectsOf } = open();
    const { authorization, ...place } = await offered(cf);
    expect(place).toEqual({ region, shardBits });
    expect((await ask(BERLIN, { authorization })).status).toBe(200);
    expect(objectsOf('REPLAY_SET')).toEqual([expect.stringMatching(new RegExp(`^1/${region}/${shardBits}/[0-9a-f] ${hint}$`))]);
    const again = await ask(TOKYO, { authorization });
    expect([again.status, await codeOf(again)]).toEqual([402, 'payment_spent']);
  });

  it('M45: lives where the seller says, whoever buys', async () => {
    const { offered } = open({ claimRegion: 'afr' });
    expect([(await offered(TOKYO)).region, (await offered(NOWHERE)).region]).toEqual([8, 8]);
    expect((await open({ claimShardBits: 2 }).offered(TOKYO)).shardBits).toBe(2);
    expect((await open({ claimShardBits: 2 }).offered(NOWHERE)).shardBits).toBe(2);
  });

  it('M45: of an older token is where it has always been, under any number of a region', async () => {
    const { ask, objectsOf } = open();
    for (const region of [0, 3, 31]) {
      const { authorization } = await makeToken({ service: 'once', id: { region, shardBits: 0 }, hmac });
      expect((await ask(TOKYO, { authorization })).status).toBe(200);
      expect(await codeOf(await ask(BERLIN, { authorization }))).toBe('payment_spent');
    }
    expect(objectsOf('REPLAY_SET')).toEqual(['1/0/0/0 undefined', '1/3/0/0 sam', '1/31/0/0 undefined']);
  });

  it('M45 M3: is one, however many uses race from all over the world', async () => {
    const { ask, offered, door } = open();
    const { authorization } = await offered(TOKYO);
    const places = [TOKYO, BERLIN, NOWHERE];
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => ask(places[index % 3]!, { authorization })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(door.seen).toHaveLength(1);
  });
});

describe('challenges that are made beforehand', () => {
  it('M45: are made for the region that asks for them, and handed out nowhere else', async () => {
    const { offered, made } = open({ pool: POOL });
    for (let call = 0; call < 3; call++) await offered(TOKYO);
    const { direct, ahead } = made;
    expect(ahead).toBeGreaterThan(0);
    expect((await offered(TOKYO)).region).toBe(6);
    expect(made.direct).toBe(direct);
    // The same client, and so the same object: what lies there is not for Berlin.
    expect((await offered(BERLIN)).region).toBe(4);
    expect(made.direct).toBe(direct + 1);
  });

  it('M45: are made by the round of the clock for the region that wants them, where somebody has asked lately and nowhere else', async () => {
    vi.setSystemTime(Date.now());
    const down = startNode();
    const before = open({ pool: POOL }, { ...down, lightning: { ...down.lightning, mintBatch: () => Promise.reject(new Error('down')) } });
    for (let call = 0; call < 3; call++) await before.offered(TOKYO);
    const inUse = before.objectsOf('QUOTA').map((name) => name.split(' ')[0]);
    expect(inUse).toHaveLength(1);
    // Whoever was told to bring some has not.
    vi.setSystemTime(Date.now() + 15_000);
    const { door, offered, objectsOf, made, forget } = open({ pool: POOL });
    await door.tick();
    expect(objectsOf('QUOTA').map((name) => name.split(' ')[0])).toEqual(inUse);
    expect([made.direct, made.ahead > 0]).toEqual([0, true]);
    expect((await offered(TOKYO)).region).toBe(6);
    expect(made.direct).toBe(0);
    // An hour later nothing is wanted of it, and it is left asleep.
    vi.setSystemTime(Date.now() + 3_700_000);
    forget();
    await door.tick();
    expect(objectsOf('QUOTA')).toEqual([]);
  });

  it('M45: wake no object of a gateway that nobody uses', async () => {
    const { door, objectsOf } = open({ pool: POOL });
    await door.tick();
    expect(objectsOf('QUOTA')).toEqual([]);
  });
});

describe('the quota of clients', () => {
  it('M45: is made near the first that is counted there', async () => {
    const { ask, objectsOf } = open();
    await ask(TOKYO);
    expect(objectsOf('QUOTA')).toEqual([expect.stringMatching(/^quota\/1\/[0-9]+ apac$/)]);
  });

  it('M45 M20: is one for a client, from whichever region it comes: nobody gets more invoices by moving', async () => {
    const challenges = { perMinute: 3, open: 3 };
    const { ask, made } = open({ policy: { challenges } });
    for (const cf of [TOKYO, BERLIN, NOWHERE, TOKYO, BERLIN, TOKYO]) await ask({ ...cf, colo: 'TXL' }, { path: '/odd' });
    expect(made.direct).toBe(3);
  });
});
