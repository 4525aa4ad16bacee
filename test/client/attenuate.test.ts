/*
 * Tokens narrowed offline by whoever holds them: what is written, what is refused before it is written, and that a gateway
 * judges the result as it was meant. P8, M7, M9.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attenuate, digestRequest, type Narrowing } from '#client/index.ts';
import { encodeAscii } from '#protocol/bytes.ts';
import { judgeCaveats } from '#protocol/caveat.ts';
import { type CaveatFacts } from '#protocol/caveat-kinds.ts';
import { readCounters } from '#protocol/counters.ts';
import { formatToken, LARGEST_TOKEN_BYTES, MOST_CAVEATS, parseToken } from '#protocol/macaroon-codec.ts';
import { accept } from '#protocol/result.ts';
import { deriveEpochKey } from '#protocol/root-key.ts';
import { verifyToken, type VerifiedToken } from '#protocol/token.ts';
import { hmac, makeToken, TOKEN_SECRET } from '#support/tokens.ts';
import requestJson from '../vectors/requests.json' with { type: 'json' };

const PREIMAGE = new Uint8Array(32).fill(7);
const NOW_SECONDS = Math.floor(Date.now() / 1000);
const FACTS: CaveatFacts = {
  service: 'weather',
  tier: 0,
  capabilities: [],
  nowSeconds: NOW_SECONDS,
  skewSeconds: 0,
  preimage: PREIMAGE,
  method: 'GET',
  host: 'api.example.com',
  path: '/v1/weather/oslo',
  clientAddress: '203.0.113.7',
  requestDigest: '0f'.repeat(32),
};
const SOLD = makeToken({ service: 'weather', preimage: PREIMAGE, terms: { tier: 1, access: { kind: 'calls', calls: 100 } } });
const sold = async () => (await SOLD).token;

async function verify(token: string): Promise<VerifiedToken> {
  const macaroon = parseToken(token);
  if (!macaroon.ok) throw new Error(macaroon.refusal.code);
  const epochKeys = async (_: number, epoch: { startHours: number; lengthHours: number }) =>
    accept(await deriveEpochKey(TOKEN_SECRET, { epoch, hmac }));
  const token_ = await verifyToken(macaroon.value, { preimage: PREIMAGE, epochKeys, hmac });
  if (!token_.ok) throw new Error(token_.refusal.code);
  return token_.value;
}

async function added(token: string): Promise<readonly string[]> {
  return (await verify(token)).caveats.filter(({ author }) => author === 'holder').map(({ condition, value }) => `${condition}=${value}`);
}

const judge = async (token: string, facts: Partial<CaveatFacts> = {}) =>
  judgeCaveats((await verify(token)).caveats, { ...FACTS, ...facts })?.code ?? 'good';

const LATER = NOW_SECONDS + 60;

interface Limited {
  readonly narrowing: Narrowing;
  readonly text: string;
  /** What the narrowed token is no longer good for, and the original still is. */
  readonly outside: Partial<CaveatFacts>;
  readonly refusal: string;
}

describe('P8 whoever holds a token narrows it offline', () => {
  it.each<Limited>([
    { narrowing: { services: ['weather:0'] }, text: 'services=weather:0', outside: { tier: 1 }, refusal: 'tier_too_low' },
    {
      narrowing: { validUntilSeconds: LATER },
      text: `weather_valid_until=${LATER}`,
      outside: { nowSeconds: LATER },
      refusal: 'token_expired',
    },
    {
      narrowing: { capabilities: ['read'] },
      text: 'weather_capabilities=read',
      outside: { capabilities: ['write'] },
      refusal: 'capability_missing',
    },
    {
      narrowing: { notBeforeSeconds: NOW_SECONDS },
      text: `not_before=${NOW_SECONDS}`,
      outside: { nowSeconds: NOW_SECONDS - 1 },
      refusal: 'token_not_yet_valid',
    },
    { narrowing: { methods: ['GET', 'PUT'] }, text: 'methods=GET,PUT', outside: { method: 'POST' }, refusal: 'caveat_method' },
    { narrowing: { pathPrefix: '/v1/weather' }, text: 'path=/v1/weather', outside: { path: '/v1/weathers' }, refusal: 'caveat_path' },
    { narrowing: { hosts: ['api.example.com'] }, text: 'host=api.example.com', outside: { host: 'example.com' }, refusal: 'caveat_host' },
    {
      narrowing: { clientNetworks: ['203.0.113.0/24', '::1'] },
      text: 'client=203.0.113.0/24,::1',
      outside: { clientAddress: '::2' },
      refusal: 'caveat_client',
    },
    {
      narrowing: { requestDigest: '0f'.repeat(32) },
      text: `request=${'0f'.repeat(32)}`,
      outside: { requestDigest: '00'.repeat(32) },
      refusal: 'request_digest_wrong',
    },
  ])('$text', async ({ narrowing, text, outside, refusal }) => {
    const narrowed = await attenuate(await sold(), narrowing);
    expect(await added(narrowed)).toEqual([text]);
    expect(await judge(narrowed)).toBe('good');
    expect(await judge(narrowed, outside)).toBe(refusal);
    expect(await judge(await sold(), outside)).toBe('good');
    expect(await attenuate(await sold(), [text])).toBe(narrowed);
  });

  it('several at once, typed and as texts, in their order, and again by the next holder', async () => {
    const once = await attenuate(await sold(), [{ methods: ['GET', 'POST'], pathPrefix: '/v1' }, 'not_before=0']);
    const twice = await attenuate(once, { pathPrefix: '/v1/weather', methods: ['GET'] });
    expect(await added(twice)).toEqual(['methods=GET,POST', 'path=/v1', 'not_before=0', 'path=/v1/weather', 'methods=GET']);
    expect(await judge(twice)).toBe('good');
  });

  it('leaves the token that it was given as good as it was', async () => {
    const before = await sold();
    await attenuate(before, { validUntilSeconds: NOW_SECONDS - 1 });
    expect(await judge(before)).toBe('good');
  });

  it('M7 draws a label for everything that counts: children narrowed alike count apart', async () => {
    const narrowing = { maxCalls: 10, maxMsat: 50_000n, maxMsatPerMonth: 20_000n };
    const children = await Promise.all([
      attenuate(await sold(), narrowing),
      attenuate(await sold(), narrowing),
      attenuate(await sold(), ['max_calls=10', 'max_msat=50000', 'max_msat_month=20000']),
    ]);
    const keys = new Set<string>();
    for (const child of children) {
      const texts = await added(child);
      expect(texts.map((text) => text.replace(/:[0-9a-f]{16}$/, ''))).toEqual(['max_calls=10', 'max_msat=50000', 'max_msat_month=20000']);
      const counters = readCounters(await verify(child));
      if (!counters.ok) throw new Error(counters.refusal.code);
      for (const { key } of counters.value) keys.add(key.join());
    }
    expect(keys.size).toBe(9);
  });

  it('keeps a label that is given', async () => {
    const text = `max_calls=10:${'ab'.repeat(16)}`;
    expect(await added(await attenuate(await sold(), [text]))).toEqual([text]);
  });

  it('says the end of each service of a token, and of a token without services the end of all', async () => {
    const macaroon = (services: readonly string[]) => ({
      location: undefined,
      identifier: new Uint8Array(66),
      caveats: services.map(encodeAscii),
      signature: new Uint8Array(32),
    });
    const textsOf = async (services: readonly string[]) => {
      const narrowed = parseToken(await attenuate(formatToken(macaroon(services)), { validUntilSeconds: 9 }));
      return narrowed.ok && narrowed.value.caveats.slice(services.length).map((caveat) => String.fromCharCode(...caveat));
    };
    expect(await textsOf(['services=a:0,b:1'])).toEqual(['a_valid_until=9', 'b_valid_until=9']);
    expect(await textsOf(['services=a:0,b:1', 'services=b:0'])).toEqual(['b_valid_until=9']);
    expect(await textsOf([])).toEqual(['valid_until=9']);
    await expect(attenuate(formatToken(macaroon([])), { capabilities: ['read'] })).rejects.toThrow(RangeError);
  });
});

describe('M9 attenuate refuses what a gateway would skip or refuse', () => {
  it.each([
    ['a kind with a typing error', 'method=GET'],
    ['a kind in another case', 'Methods=GET'],
    ['a kind with a blank', ' methods=GET'],
    ['a kind of another service', 'wether_valid_until=1'],
    ['text that is no caveat', 'justtext'],
    ['nothing', ''],
  ])('%s, unless it is told otherwise', async (_, text) => {
    await expect(attenuate(await sold(), [text])).rejects.toThrow(TypeError);
    const told = await attenuate(await sold(), [text], { allowUnknown: true });
    expect(await judge(told)).toBe('good');
  });

  it.each<[string, Narrowing | readonly string[]]>([
    ['a value that does not parse', ['methods=get']],
    ['a known kind without =', ['weather_capabilities']],
    ['a time in milliseconds', { validUntilSeconds: 1_700_000_000_000 }],
    ['half a second', { notBeforeSeconds: 1.5 }],
    ['no method', { methods: [] }],
    ['a path that is not canonical', { pathPrefix: '/v1/../admin' }],
    ['a path without its slash', { pathPrefix: 'v1' }],
    ['a host with a port', { hosts: ['api.example.com:443'] }],
    ['a network with bits beyond its length', { clientNetworks: ['203.0.113.7/24'] }],
    ['no calls', { maxCalls: 0 }],
    ['not a number of calls', { maxCalls: Number.NaN }],
    ['a negative amount', { maxMsat: -1n }],
    ['a digest that is none', { requestDigest: 'abc' }],
    ['characters beyond ASCII', ['path=/caf\u00e9']],
    ['a line break', ['path=/a\nb']],
    ['a later end', { validUntilSeconds: NOW_SECONDS + 1_000_000 }],
    ['a higher tier', { services: ['weather:2'] }],
    ['another service', { services: ['weather:0', 'maps:0'] }],
    ['a wider path than the one just added', ['path=/v1/weather', 'path=/v1']],
    ['more calls than the ones just left', [`max_calls=10`, `max_calls=11`]],
    ['more calls than were sold, said as access', ['access=calls:101']],
    ['fewer calls than were sold, said as access', ['access=calls:10']],
    ['nothing at all', {}],
    ['an empty list', []],
    ['a fifth counter', ['max_calls=9', 'max_calls=8', 'max_calls=7', 'max_calls=6', 'max_calls=5']],
    ['more caveats than are read', Array.from({ length: MOST_CAVEATS }, () => 'methods=GET')],
    ['more bytes than are read', [`path=/${'a'.repeat(LARGEST_TOKEN_BYTES)}`]],
  ])('%s', async (_, caveats) => {
    await expect(attenuate(await sold(), caveats)).rejects.toThrow(RangeError);
  });

  it('a limit that is misspelled or has no value: it would silently not be there', async () => {
    await expect(attenuate(await sold(), { maxCall: 10 } as Narrowing)).rejects.toThrow(TypeError);
    await expect(attenuate(await sold(), { constructor: 10 } as Narrowing)).rejects.toThrow(TypeError);
    await expect(attenuate(await sold(), { maxCalls: undefined } as unknown as Narrowing)).rejects.toThrow(TypeError);
  });

  it('a term of the sale that the seller has not written', async () => {
    const { token } = await makeToken({ service: 'weather', preimage: PREIMAGE });
    await expect(attenuate(token, ['access=calls:100'])).rejects.toThrow(RangeError);
    expect(await judge(await attenuate(await sold(), ['access=calls:100']))).toBe('good');
  });

  it('what is no token, without a word of it in the message', async () => {
    const wrong = 'c2VjcmV0LXRva2Vu';
    const error: unknown = await attenuate(wrong, { maxCalls: 1 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(RangeError);
    expect(String(error)).not.toContain(wrong);
  });

  it('and whatever it does write, a gateway neither skips nor finds malformed or wider', async () => {
    const texts = fc.oneof(
      fc.constantFrom('methods=GET', 'methods=HEAD', 'methods=GET,POST', 'path=/', 'path=/v1', 'path=/v1/weather', 'host=a.example'),
      fc.constantFrom('client=203.0.113.0/24', 'client=0.0.0.0/0', 'not_before=1', 'not_before=2', 'max_calls=5', 'max_calls=6'),
      fc.constantFrom('valid_until=99', 'valid_until=98', 'weather_valid_until=99', 'weather_capabilities=a,b', 'weather_capabilities=a'),
      fc.constantFrom('services=weather:1', 'services=weather:0', 'access=calls:100', 'access=pass', 'paid_msat=1', 'path=x', 'max_msat=0'),
    );
    const token = await sold();
    let written = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(texts, { minLength: 1, maxLength: 4 }), async (list) => {
        const narrowed = await attenuate(token, list).catch((error: unknown) => {
          expect(error).toBeInstanceOf(RangeError);
        });
        if (narrowed === undefined) return;
        written += 1;
        expect((await added(narrowed)).length).toBe(list.length);
        expect(['caveat_widens', 'caveat_malformed']).not.toContain(await judge(narrowed));
      }),
      { numRuns: 150 },
    );
    expect(written).toBeGreaterThan(20);
  });
});

describe('M9 the digest of a request that is still to be made', () => {
  const made = requestJson.filter(({ input }) => !/[^ -~]/.test(input.query));
  it.each(made)('$name: $why', async ({ input, expected }) => {
    const { method, host, path, query, body_hex: bodyHex } = input;
    const body = Uint8Array.from(bodyHex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
    const url = `https://${host}${path}${query}`;
    expect(await digestRequest({ url, method, body })).toBe(expected.digest_hex);
    expect(await digestRequest({ url: new URL(`${url}#part`), method, body })).toBe(expected.digest_hex);
  });

  it('takes host, port and escapes as the gateway reads them', async () => {
    const plain = await digestRequest({ url: 'https://api.example.com/caf%C3%A9' });
    for (const url of ['https://API.example.com:8443/caf\u00e9', 'http://api.example.com./caf%c3%a9']) {
      expect(await digestRequest({ url })).toBe(plain);
    }
    expect(await digestRequest({ url: 'https://a.example/', method: 'POST', body: '\u20ac' })).toBe(
      await digestRequest({ url: 'https://a.example/', method: 'POST', body: Uint8Array.of(0xe2, 0x82, 0xac) }),
    );
  });

  it('throws at what no gateway would read', async () => {
    await expect(digestRequest({ url: '/relative' })).rejects.toThrow(TypeError);
    await expect(digestRequest({ url: 'https://a.example//b' })).rejects.toThrow(RangeError);
    await expect(digestRequest({ url: 'https://a.example/', method: 'get' })).rejects.toThrow(RangeError);
  });
});
