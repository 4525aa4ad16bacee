/*
 * Keys over time, through the front door over real objects: a new secret beside an old one, epochs that move on by the clock, and
 * what becomes of tokens that were sold before. docs/operations.md names these tests.
 */
import { describe, expect, it } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { decodeTokenId, type TokenId } from '#protocol/token-id.ts';
import { defineGateway, type Gateway } from '#src/config/config.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, openGateway } from './front-door.ts';

const HOUR = 3600;
const EPOCH_HOURS = 24;
const GRACE_HOURS = 25;
/** Of a pass: with an invoice's ten minutes and five for a node whose clock runs ahead, it lives as long as the grace. */
const LONGEST = GRACE_HOURS * HOUR - 900;
/** The first instant of an epoch, in seconds. Later than now: what the objects keep must not have ended by their own clock. */
const START = Math.ceil(Date.now() / 1000 / HOUR / EPOCH_HOURS) * EPOCH_HOURS * HOUR;

const shop: Gateway = defineGateway({
  epochHours: EPOCH_HOURS,
  graceHours: GRACE_HOURS,
  routes: [
    { match: 'GET /pack/*', service: 'pack', priceSats: 100, access: { calls: 4 } },
    { match: 'GET /pass/*', service: 'pass', priceSats: 50, access: { seconds: 2 * HOUR } },
    { match: 'GET /day/*', service: 'day', priceSats: 50, access: { seconds: LONGEST } },
    { match: 'GET /once/*', service: 'once', priceSats: 1 },
  ],
});

const FIRST = {};
const BOTH = { TOKEN_SECRET_2: 'c2'.repeat(32) };
const SWITCHED = { ...BOTH, TOKEN_KEY_ID: '2' };
const RETIRED = { ...SWITCHED, TOKEN_SECRET_1: undefined };

/** One deployment at a time of its own that the test moves. */
function deploy(gateway = shop, variables: Readonly<Record<string, string | undefined>> = FIRST, clock = { seconds: START }) {
  const now = () => clock.seconds * 1000;
  const lightning = startEmbedded(now);
  const door = openGateway(gateway, { variables, clock: now, parts: { lightning } });
  return {
    clock,
    door,
    purchase: (path: string) => buy(door, path, lightning.pay),
    /** What the origin said, or the code of the refusal. */
    use: async (path: string, authorization: string) => {
      const response = await door.ask(path, { headers: { authorization } });
      return (await codeOf(response)) ?? `${response.status} ${response.headers.get('l402-remaining') ?? ''}`.trim();
    },
  };
}

function idOf(authorization: string): TokenId {
  const token = parseToken(/^L402 (.+):/.exec(authorization)![1]!);
  if (!token.ok) throw new Error(token.refusal.code);
  const id = decodeTokenId(token.value.identifier.slice(34));
  if (!id.ok) throw new Error(id.refusal.code);
  return id.value;
}

describe('a secret that is replaced', () => {
  it('D23: a new one is added beside it and then signs; no token is lost, until the old one is retired', async () => {
    const before = deploy();
    const { clock } = before;
    const sold = await before.purchase('/pack/a');
    expect(await before.use('/pack/a', sold)).toBe('200 3');

    const added = deploy(shop, BOTH, clock);
    expect(await added.use('/pack/a', sold)).toBe('200 2');
    const soldMeanwhile = await added.purchase('/pack/a');
    expect([idOf(sold).keyId, idOf(soldMeanwhile).keyId]).toEqual([1, 1]);

    const switched = deploy(shop, SWITCHED, clock);
    expect(await switched.use('/pack/a', sold)).toBe('200 1');
    expect(await switched.use('/pack/a', soldMeanwhile)).toBe('200 3');
    const soldByNew = await switched.purchase('/pack/a');
    expect(idOf(soldByNew).keyId).toBe(2);
    // A Worker that has not heard of the switch yet has the secret already.
    expect(await added.use('/pack/a', soldByNew)).toBe('200 3');

    const retired = deploy(shop, RETIRED, clock);
    for (const old of [sold, soldMeanwhile]) expect(await retired.use('/pack/a', old)).toBe('token_key_unknown');
    expect(await retired.use('/pack/a', soldByNew)).toBe('200 2');
  });

  it('D23: a challenge from before the switch is paid after it, and good', async () => {
    const before = deploy();
    const switched = deploy(shop, SWITCHED, before.clock);
    const authorization = await before.purchase('/once/a');
    expect(await switched.use('/once/a', authorization)).toBe('200 0');
    expect(switched.door.seen).toEqual(['/once/a']);
  });
});

describe('an epoch', () => {
  it('D23: moves on by the clock, with no restart: new tokens are signed by the next key, and the old ones still pass', async () => {
    const { clock, purchase, use } = deploy();
    clock.seconds = START + EPOCH_HOURS * HOUR - 1;
    const old = await purchase('/pack/a');
    clock.seconds += 1;
    const young = await purchase('/pack/a');
    const startOf = (authorization: string) => idOf(authorization).epoch.startHours;
    expect(startOf(young) - startOf(old)).toBe(EPOCH_HOURS);
    for (const authorization of [old, young]) expect(await use('/pack/a', authorization)).toBe('200 3');
  });

  it('D24: when it is over its tokens pass inside grace, and fail after', async () => {
    const { clock, use } = deploy();
    const epoch = { startHours: START / HOUR, lengthHours: EPOCH_HOURS };
    const terms = { access: { kind: 'pass' }, validUntilSeconds: START + 1000 * HOUR } as const;
    const { authorization } = await makeToken({ service: 'pass', id: { epoch }, terms });
    clock.seconds = START + (EPOCH_HOURS + GRACE_HOURS) * HOUR;
    expect(await use('/pass/a', authorization)).toBe('200');
    clock.seconds += 1;
    expect(await use('/pass/a', authorization)).toBe('token_epoch_out_of_range');
  });

  it('D24: its grace never lengthens the life that was sold', async () => {
    const { clock, purchase, use } = deploy();
    const sold = clock.seconds;
    const authorization = await purchase('/pass/a');
    const ends = sold + 600 + 2 * HOUR;
    clock.seconds = ends + 29;
    expect(await use('/pass/a', authorization)).toBe('200');
    clock.seconds = ends + 30;
    expect(await use('/pass/a', authorization)).toBe('token_expired');
    clock.seconds = START + EPOCH_HOURS * HOUR;
    expect(await use('/pass/a', authorization)).toBe('token_expired');
  });

  it('M8: what was sold in its last second, by a node whose clock runs ahead, is good to its own last second', async () => {
    const clock = { seconds: START + EPOCH_HOURS * HOUR - 1 };
    const ahead = startEmbedded(() => (clock.seconds + 300) * 1000);
    const door = openGateway(shop, { clock: () => clock.seconds * 1000, parts: { lightning: ahead } });
    const authorization = await buy(door, '/day/a', ahead.pay);
    clock.seconds += 300 + 600 + LONGEST - 1;
    expect((await door.ask('/day/a', { headers: { authorization } })).status).toBe(200);
  });

  it('D24: of another length touches no token that has been sold', async () => {
    const week = deploy(defineGateway({ ...shop, epochHours: 168 }));
    const sold = await week.purchase('/pack/a');
    const hour = deploy(defineGateway({ ...shop, epochHours: 1 }), FIRST, week.clock);
    expect(await hour.use('/pack/a', sold)).toBe('200 3');
    const soldByHour = await hour.purchase('/pack/a');
    expect([idOf(sold).epoch.lengthHours, idOf(soldByHour).epoch.lengthHours]).toEqual([168, 1]);
    expect(await week.use('/pack/a', soldByHour)).toBe('200 3');
    week.clock.seconds += 24 * HOUR;
    for (const authorization of [sold, soldByHour]) expect(await hour.use('/pack/a', authorization)).toBe('200 2');
  });
});

describe('an end', () => {
  it.each([0, 30, 300])('Y9: is enforced to the second, and %i seconds of skew beyond it', async (skewSeconds) => {
    const { clock, use } = deploy(defineGateway({ ...shop, skewSeconds }));
    const epoch = { startHours: START / HOUR, lengthHours: EPOCH_HOURS };
    const end = START + HOUR;
    const sold = await makeToken({
      service: 'pass',
      id: { epoch },
      terms: { access: { kind: 'pass' }, validUntilSeconds: end },
    });
    const narrow = async (validUntilSeconds: number) => {
      const { token, preimage } = sold;
      return formatCredential({ scheme: 'L402', token: await attenuate(token, { validUntilSeconds }), preimage });
    };
    const ends = [
      [end, sold.authorization],
      [end - 60, await narrow(end - 60)],
    ] as const;
    for (const [endSeconds, authorization] of ends) {
      clock.seconds = endSeconds + skewSeconds - 1;
      expect(await use('/pass/a', authorization), 'a second before').toBe('200');
      clock.seconds = endSeconds + skewSeconds;
      expect(await use('/pass/a', authorization), 'at the second').toBe('token_expired');
    }
  });

  it('Y9: and a beginning likewise', async () => {
    const { clock, use } = deploy();
    const { token, preimage } = await makeToken({
      service: 'pass',
      id: { epoch: { startHours: START / HOUR, lengthHours: EPOCH_HOURS } },
      terms: { access: { kind: 'pass' }, validUntilSeconds: START + 10 * HOUR },
    });
    const narrowed = await attenuate(token, { notBeforeSeconds: START + HOUR });
    const authorization = formatCredential({ scheme: 'L402', token: narrowed, preimage });
    clock.seconds = START + HOUR - 31;
    expect(await use('/pass/a', authorization)).toBe('token_not_yet_valid');
    clock.seconds += 1;
    expect(await use('/pass/a', authorization)).toBe('200');
  });
});
