/*
 * `WWW-Authenticate` out and in: the text that every known client reads, and every form that deployed servers send.
 * P3, Y2.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatL402Challenge, parseChallenges, parseL402Offer, type L402Offer } from '#protocol/challenge-header.ts';
import challengeJson from '../vectors/challenges.json' with { type: 'json' };
import { asExpected, readVectors, type Refused } from './vector.ts';

const CHALLENGES = readVectors<{ readonly header: string }, L402Offer | Refused>(challengeJson);
const formed = (form: string) => CHALLENGES.find(({ name }) => name.startsWith(`form ${form}`))!;
const OFFER = formed('B').expected as L402Offer;

describe('Y2 the forms A to K of a challenge all parse', () => {
  it.each(CHALLENGES)('$name: $why', ({ input, expected }) => {
    expect(asExpected(parseL402Offer(input.header), (offer) => offer)).toEqual(expected);
  });

  it.each(['D', 'E', 'F', 'G', 'K'])('form %s in separate lines reads like the joined one', (form) => {
    const { input, expected } = formed(form);
    const headers = new Headers();
    for (const line of input.header.split(/, (?=L402|LSAT|Payment)/)) headers.append('WWW-Authenticate', line);
    expect(parseL402Offer(headers.get('www-authenticate') ?? '')).toEqual({ ok: true, value: expected });
  });

  it('P3 takes LSAT when there is nothing newer, and says so', () => {
    expect(parseL402Offer(`lsat macaroon="${OFFER.token}", invoice="${OFFER.invoice}"`)).toEqual({
      ok: true,
      value: { ...OFFER, scheme: 'LSAT' },
    });
  });
});

describe('the challenge of the gateway', () => {
  const text = formatL402Challenge(OFFER);

  it('has macaroon and invoice right after the scheme, then version and token', () => {
    expect(text).toBe(`L402 macaroon="${OFFER.token}", invoice="${OFFER.invoice}", version="0", token="${OFFER.token}"`);
  });

  it('is read by the strictest client there is: one blank, macaroon, comma and blank, invoice', () => {
    expect(/^L402 macaroon="(.*?)", invoice="(.*?)"/.exec(text)?.slice(1)).toEqual([OFFER.token, OFFER.invoice]);
  });

  const word = fc.stringMatching(/^[a-z0-9+/]{1,40}={0,2}$/);
  const others = fc.constantFrom(
    'Basic realm="a, L402 macaroon=x"',
    'Bearer',
    'Negotiate YII+/==',
    'Digest nonce="x\\"y", qop="auth,auth-int"',
    'Payment id="1", request="eyJ9"',
    'NTLM',
  );

  it('reads back among the challenges of other schemes', () => {
    fc.assert(
      fc.property(fc.tuple(word, word), fc.array(others), fc.array(others), ([token, invoice], before, after) => {
        const header = [...before, formatL402Challenge({ token, invoice }), ...after].join(', ');
        expect(parseL402Offer(header)).toEqual({ ok: true, value: { scheme: 'L402', token, invoice } });
      }),
    );
  });
});

describe('a challenge list is read whole', () => {
  it('keeps the order, the spelling of the schemes and every value of a parameter', () => {
    const read = parseChallenges('Basic realm="x", l402 A=1, a="2", a=\'3\', Bearer');
    expect(read.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])).toEqual([
      ['Basic', { realm: ['x'] }],
      ['l402', { a: ['1', '2', '3'] }],
      ['Bearer', {}],
    ]);
  });

  it.each([
    ['an open quote', 'L402 token="abc', ['abc']],
    ['an open quote that ends with an escaped one', 'L402 token="abc\\"', ['abc"']],
    ['an open quote that ends with a backslash', 'L402 token="abc\\', ['abc']],
    ['an open quote and nothing', 'L402 token="', ['']],
    ['an empty text', 'L402 token=""', ['']],
  ])('reads a text cut short as far as it goes: %s', (_, header, values) => {
    expect(parseChallenges(header)[0]?.parameters.get('token')).toEqual(values);
  });

  it('is not confused by the names that every object has', () => {
    const [challenge] = parseChallenges('L402 __proto__="x", constructor="y", toString="z"');
    expect([...(challenge?.parameters.keys() ?? [])]).toEqual(['__proto__', 'constructor', 'tostring']);
  });
});
