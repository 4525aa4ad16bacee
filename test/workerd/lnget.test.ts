/*
 * The gateway before lnget, done as lnget does it (reference: its Go code): the challenge by aperture's regular expression, the
 * preimage as one caveat more, one paid token a domain that is shown until it is refused. lnget itself is not run here.
 */
import { describe, expect, it } from 'vitest';
import { formatHex, parseHex } from '#protocol/bytes.ts';
import { addCaveat } from '#protocol/macaroon.ts';
import { formatToken, parseToken } from '#protocol/macaroon-codec.ts';
import { sha256 } from '@noble/hashes/sha2.js';
import { type Gateway } from '#src/config/config.ts';
import { hmac } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { openGateway, type FrontDoor } from './front-door.ts';

const routes: Gateway['routes'] = [
  { match: 'GET /calls', service: 'calls', priceSats: 5, access: { calls: 3 } },
  { match: 'GET /pass', service: 'pass', priceSats: 5, access: { seconds: 600 } },
  { match: 'GET /call', service: 'call', priceSats: 1 },
];
/** aperture's, letter for letter. */
const CHALLENGE = /(LSAT|L402) macaroon="(.*?)", invoice="(.*?)"/;

/** Version 0, the payment hash, 32 bytes more: how aperture finds the hash in a macaroon. */
function hashIn(macaroon: string): string {
  const parsed = parseToken(macaroon);
  if (!parsed.ok) throw new Error(parsed.refusal.code);
  const { identifier } = parsed.value;
  expect([identifier.length, identifier[0], identifier[1]]).toEqual([66, 0, 0]);
  return formatHex(identifier.slice(2, 34));
}

function startLnget(door: FrontDoor, pay: (invoice: string) => string) {
  let kept: string | undefined;
  const told = { payments: 0, challenges: 0 };
  const send = (headers: Record<string, string>, path: string) => door.ask(path, { headers });
  async function get(path: string): Promise<Response> {
    const first = await send(kept === undefined ? {} : { authorization: kept }, path);
    if (first.status !== 402) return first;
    // A token that is refused is thrown away, whatever the reason.
    told.challenges += 1;
    const [, scheme, macaroon, invoice] = CHALLENGE.exec(first.headers.get('www-authenticate') ?? '') ?? [];
    const preimageHex = pay(invoice!);
    told.payments += 1;
    expect(hashIn(macaroon!)).toBe(formatHex(sha256(parseHex(preimageHex)!)));
    const parsed = parseToken(macaroon!);
    if (!parsed.ok) throw new Error(parsed.refusal.code);
    const caveat = new TextEncoder().encode(`preimage=${preimageHex}`);
    kept = `${scheme} ${formatToken(await addCaveat(parsed.value, { caveat, hmac }))}:${preimageHex}`;
    return send({ authorization: kept }, path);
  }
  return { get, told, presented: () => kept! };
}

function open() {
  const lightning = startEmbedded();
  const door = openGateway({ routes }, { parts: { lightning } });
  return { door, lnget: startLnget(door, lightning.pay) };
}

describe('lnget before this gateway', () => {
  it.each(['/calls', '/pass'])(
    'P18: pays at its first call of %s, and shows the same token again at the next: no payment',
    async (path) => {
      const { door, lnget } = open();
      for (let calls = 0; calls < 3; calls++) expect((await lnget.get(path)).status).toBe(200);
      expect([lnget.told, door.seen.length]).toEqual([{ payments: 1, challenges: 1 }, 3]);
    },
  );

  it('P18: gets one new challenge when its token is used up, and pays once more', async () => {
    const { door, lnget } = open();
    for (let calls = 0; calls < 4; calls++) expect((await lnget.get('/calls')).status).toBe(200);
    expect([lnget.told, door.seen.length]).toEqual([{ payments: 2, challenges: 2 }, 4]);
    // It keeps one token a domain, and every single call is a payment.
    for (let calls = 0; calls < 2; calls++) expect((await lnget.get('/call')).status).toBe(200);
    expect(lnget.told).toEqual({ payments: 4, challenges: 4 });
  });

  it('P18: is charged once when its token comes under both names, as the library under it sends it', async () => {
    const { door, lnget } = open();
    await lnget.get('/calls');
    const credential = lnget.presented().slice('L402 '.length);
    const answer = await door.ask('/calls', { headers: { authorization: `LSAT ${credential}, L402 ${credential}` } });
    expect([answer.status, answer.headers.get('l402-remaining')]).toEqual([200, '1']);
  });

  it('P18: is refused when the preimage in its caveat is not the one that it shows', async () => {
    const { door, lnget } = open();
    await lnget.get('/calls');
    const parsed = parseToken(lnget.presented().slice('L402 '.length).split(':')[0]!);
    if (!parsed.ok) throw new Error(parsed.refusal.code);
    const caveat = new TextEncoder().encode(`preimage=${'ab'.repeat(32)}`);
    const twice = await addCaveat(parsed.value, { caveat, hmac });
    const authorization = `L402 ${formatToken(twice)}:${lnget.presented().split(':')[1]}`;
    expect((await door.ask('/calls', { headers: { authorization } })).status).toBe(402);
    expect(door.seen).toHaveLength(1);
  });
});

describe('networks mixed up', () => {
  it('D33: a gateway of another network than its node sells nothing: no invoice goes out, and the log says why', async () => {
    for (const NETWORK of ['mainnet', 'testnet', 'signet', 'simnet']) {
      const door = openGateway({ routes }, { variables: { NETWORK }, parts: { lightning: startEmbedded() } });
      const refused = await door.ask('/call');
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([503, null]);
      expect(JSON.stringify(door.logged)).toContain('network');
    }
  });
});
