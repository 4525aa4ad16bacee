/*
 * Caveats judged: who may call what, until when, and that a later caveat only narrows an earlier one. The list of
 * Aperture's own tests stands among the vectors. P4, P5, M5.
 */
import { describe, expect, it } from 'vitest';
import { decodeCaveat, judgeCaveats, type Caveat } from '#protocol/caveat.ts';
import { CAVEAT_KINDS, caveatKind, SERVICE_CAVEAT_KINDS, type CaveatFacts } from '#protocol/caveat-kinds.ts';
import { parseSeconds } from '#protocol/caveat-values.ts';
import { parseServices } from '#protocol/services.ts';
import { formatTerms, readTerms, type Terms } from '#protocol/terms.ts';
import { msat } from '#protocol/msat.ts';
import caveatJson from '../vectors/caveats.json' with { type: 'json' };
import { latin1 } from './arbitraries.ts';
import { bytesOf, readVectors, type Refused } from './vector.ts';

interface CaveatInput {
  readonly caveats: readonly string[];
  readonly service: string;
  readonly tier: number;
  readonly capabilities: readonly string[];
  readonly now_seconds: number;
  readonly skew_seconds: number;
  readonly preimage_hex: string;
  /** How many of the caveats are the minter's; all unless told otherwise. */
  readonly minter_caveats?: number;
  readonly method?: string;
  readonly host?: string;
  readonly path?: string;
  readonly client_address?: string;
  readonly request_digest_hex?: string;
}

const CAVEATS = readVectors<CaveatInput, { readonly accepted: true } | Refused>(caveatJson);
const minter = (texts: readonly string[]): readonly Caveat[] => texts.map((text) => decodeCaveat(latin1(text), 'minter'));
const REQUEST = { method: 'GET', host: 'api.example.com', path: '/' };

function factsOf(input: CaveatInput): CaveatFacts {
  const { service, tier, capabilities, now_seconds: nowSeconds, skew_seconds: skewSeconds, preimage_hex: preimageHex } = input;
  const { method = REQUEST.method, host = REQUEST.host, path = REQUEST.path } = input;
  const { client_address: clientAddress, request_digest_hex: requestDigest } = input;
  const asked = { method, host, path, clientAddress, requestDigest };
  return { service, tier, capabilities, nowSeconds, skewSeconds, preimage: bytesOf(preimageHex), ...asked };
}

function caveatsOf({ caveats, minter_caveats: count = caveats.length }: CaveatInput): readonly Caveat[] {
  return caveats.map((text, index) => decodeCaveat(latin1(text), index < count ? 'minter' : 'holder'));
}

describe('P4, P5 caveats let through what was sold and nothing else', () => {
  it.each(CAVEATS)('$name: $why', ({ input, expected }) => {
    const refusal = judgeCaveats(caveatsOf(input), factsOf(input));
    expect(refusal === undefined ? { accepted: true } : { refusal: refusal.code }).toEqual(expected);
  });

  it('P4 a token for service A fails on B, also where B begins with A', () => {
    const facts = { tier: 0, capabilities: [], nowSeconds: 0, skewSeconds: 0, preimage: new Uint8Array(32), ...REQUEST };
    for (const service of ['b', 'aa', 'A', 'a_valid_until', '']) {
      expect(judgeCaveats(minter(['services=a:0']), { ...facts, service })?.code).toBe('service_wrong');
    }
  });

  it('skips a kind of another service and the names that every object has', () => {
    expect(caveatKind('b_valid_until', 'a')).toBeUndefined();
    expect(caveatKind('a_valid_untilx', 'a')).toBeUndefined();
    for (const name of ['constructor', 'hasOwnProperty', '__proto__', 'toString']) {
      expect(caveatKind(name, 'a')).toBeUndefined();
      expect(caveatKind(`a_${name}`, 'a')).toBeUndefined();
    }
  });

  it('says nothing of what was sent in a refusal', () => {
    for (const { input } of CAVEATS) {
      const refusal = judgeCaveats([...caveatsOf(input), ...minter(['services=s3cret'])], factsOf(input));
      expect(refusal?.detail).not.toMatch(/s3cret|[0-9a-f]{16}/);
    }
  });
});

describe('every kind of the registry', () => {
  const kinds = [...CAVEAT_KINDS, ...SERVICE_CAVEAT_KINDS.map((name) => `a_${name}`)];
  const valuesOf = (condition: string) =>
    CAVEATS.flatMap(({ input }) => input.caveats.map((text) => text.replace(`${input.service}_`, 'a_')))
      .filter((text) => text.startsWith(`${condition}=`))
      .map((text) => text.slice(condition.length + 1));

  it.each(kinds)('%s: has values among the vectors; one that parses narrows itself, one that does not narrows nothing', (condition) => {
    const kind = caveatKind(condition, 'a')!;
    const values = valuesOf(condition);
    expect(values.some((value) => kind.parses(value))).toBe(true);
    for (const value of values) expect(kind.narrows(value, value), value).toBe(kind.parses(value));
  });

  it('no kind of a service has the name of a plain one, whatever the service may be called', () => {
    for (const plain of CAVEAT_KINDS) expect(SERVICE_CAVEAT_KINDS.some((name) => plain.endsWith(`_${name}`))).toBe(false);
  });
});

describe('caveats are split at the first = and never trimmed', () => {
  it.each([
    ['expiration=1337', 'expiration', '1337'],
    ['expiration=1337=', 'expiration', '1337='],
    ['expiration:1337', 'expiration:1337', ''],
    [' a = b ', ' a ', ' b '],
    ['=x', '', 'x'],
    ['', '', ''],
  ])('%j', (text, condition, value) => {
    expect(decodeCaveat(latin1(text), 'holder')).toEqual({ condition, value, author: 'holder' });
  });

  it('two caveats of different bytes never become the same text', () => {
    const texts = Array.from({ length: 256 }, (_, byte) => decodeCaveat(Uint8Array.of(byte), 'holder'));
    expect(new Set(texts.map(({ condition, value }) => `${condition}|${value}|${condition.length}`)).size).toBe(256);
  });
});

describe('values', () => {
  it('services: each name once, tiers 0 to 255', () => {
    expect([...(parseServices('a:0,b:255') ?? [])]).toEqual([
      ['a', 0],
      ['b', 255],
    ]);
    for (const wrong of ['', 'a', 'a:', ':0', 'a:256', 'a:1e1', 'a:0,', ',a:0', 'a:0,a:0', 'a:0\n', 'a:\u0661'])
      expect(parseServices(wrong)).toBeUndefined();
  });

  it('seconds: decimal, without sign, blank or leading zero', () => {
    expect(parseSeconds('1700000000')).toBe(1_700_000_000);
    expect(parseSeconds('0')).toBe(0);
    for (const wrong of ['', '-1', '+1', ' 1', '1 ', '01', '1.0', '1e3', '0x1', '\u0661', '1\n', '1000000000000'])
      expect(parseSeconds(wrong)).toBeUndefined();
  });
});

const TERMS: Terms = {
  service: 'weather',
  tier: 1,
  validUntilSeconds: 1_700_000_000,
  paidMsat: msat(1000n),
  quoteDigest: '0123456789abcdef'.repeat(2),
};

const SOLD = { service: 'weather', accessKind: 'call' } as const;

describe('M5 the terms of a sale stand in the token', () => {
  it('reads back the amount, the end and the digest of the quote', () => {
    expect(readTerms(minter(formatTerms(TERMS)), SOLD)).toEqual({
      ok: true,
      value: {
        access: { kind: 'call' },
        validUntilSeconds: 1_700_000_000,
        paidMsat: 1000n,
        quoteDigest: TERMS.quoteDigest,
        capabilities: new Set(),
      },
    });
  });

  it('M24: reads strict settlement from the minter alone', () => {
    const strict = formatTerms({ ...TERMS, settlement: 'strict' });
    expect(readTerms(minter(strict), SOLD)).toMatchObject({ value: { settlement: 'strict' } });
    const byHolder = [...minter(formatTerms(TERMS)), decodeCaveat(latin1(strict.at(-1)!), 'holder')];
    expect(readTerms(byHolder, SOLD)).toEqual(readTerms(minter(formatTerms(TERMS)), SOLD));
  });

  it('M5, M1 reads them only from the first n caveats: what a holder wrote is not a term', () => {
    const all = formatTerms(TERMS);
    for (const [index, text] of all.entries()) {
      const caveats = all.map((line, at) => decodeCaveat(latin1(line), at === index ? 'holder' : 'minter'));
      expect(readTerms(caveats, SOLD), text).toMatchObject({ refusal: { code: 'terms_missing' } });
    }
  });

  it('M2 refuses a token whose minter named no end, whatever a holder added', () => {
    const caveats = [
      ...minter(formatTerms(TERMS).filter((line) => !line.includes('valid_until'))),
      decodeCaveat(latin1('weather_valid_until=1800000000'), 'holder'),
    ];
    expect(readTerms(caveats, SOLD)).toMatchObject({
      refusal: { code: 'terms_missing', detail: expect.stringContaining('valid_until') },
    });
  });

  it('P4 refuses a token whose minter named no service, whatever a holder added', () => {
    const caveats = [
      ...minter(formatTerms(TERMS).filter((line) => !line.startsWith('services='))),
      decodeCaveat(latin1('services=weather:1'), 'holder'),
    ];
    expect(readTerms(caveats, SOLD)).toMatchObject({ refusal: { code: 'terms_missing', detail: expect.stringContaining('services') } });
  });

  it("M2 the end is the minter's first one, never a holder's", () => {
    const caveats = [...minter(formatTerms(TERMS)), decodeCaveat(latin1('weather_valid_until=1600000000'), 'holder')];
    expect(readTerms(caveats, SOLD)).toMatchObject({ value: { validUntilSeconds: 1_700_000_000 } });
  });

  it.each<[string, Partial<Terms>]>([
    ['two services in one name', { service: 'a:0,b' }],
    ['a name with =', { service: 'a=b' }],
    ['no name', { service: '' }],
    ['tier 256', { tier: 256 }],
    ['a negative tier', { tier: -1 }],
    ['half a tier', { tier: 0.5 }],
    ['two capabilities in one name', { capabilities: ['read,write'] }],
    ['a capability without a name', { capabilities: [''] }],
    ['half a second', { validUntilSeconds: 1.5 }],
    ['no time', { validUntilSeconds: Number.NaN }],
    ['a time in milliseconds', { validUntilSeconds: 1_700_000_000_000 }],
    ['more than all the bitcoin', { paidMsat: 2_100_000_000_000_000_001n as Terms['paidMsat'] }],
    ['a negative amount', { paidMsat: -1n as Terms['paidMsat'] }],
    ['a digest in upper case', { quoteDigest: 'AB'.repeat(16) }],
    ['a short digest', { quoteDigest: 'ab' }],
  ])('never writes terms that it would not read back: %s', (_, wrong) => {
    expect(() => formatTerms({ ...TERMS, ...wrong })).toThrow(RangeError);
  });
});
