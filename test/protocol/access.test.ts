/*
 * What one payment buys, as text and in a token: the id and the caveat must agree, and only the minter says it. M1.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAccess, parseAccess, type Access } from '#protocol/access.ts';
import { decodeCaveat } from '#protocol/caveat.ts';
import { msat, type Msat } from '#protocol/msat.ts';
import { formatTerms, readTerms, type Terms } from '#protocol/terms.ts';
import { ACCESS_KINDS } from '#protocol/token-id.ts';
import accessJson from '../vectors/accesses.json' with { type: 'json' };
import { accesses, latin1 } from './arbitraries.ts';
import { readVectors, type Refused } from './vector.ts';

interface AccessExpected {
  readonly kind: string;
  readonly calls?: number;
  readonly max_per_minute?: number;
  readonly credit_msat?: string;
}

const ACCESSES = readVectors<{ readonly value: string }, AccessExpected | Refused>(accessJson);
const TERMS: Terms = { service: 'a', tier: 0, validUntilSeconds: 1, paidMsat: msat(1n), quoteDigest: '00'.repeat(16) };

function describeAccess(access: Access): AccessExpected {
  switch (access.kind) {
    case 'call':
      return access;
    case 'calls':
      return access;
    case 'pass':
      return { kind: 'pass', ...(access.maxPerMinute === undefined ? {} : { max_per_minute: access.maxPerMinute }) };
    case 'credit':
      return { kind: 'credit', credit_msat: String(access.creditMsat) };
  }
}

describe('the access caveat', () => {
  it.each(ACCESSES)('$name: $why', ({ input, expected }) => {
    const access = parseAccess(input.value);
    expect(access === undefined ? { refusal: 'caveat_malformed' } : describeAccess(access)).toEqual(expected);
    if (access !== undefined) expect(formatAccess(access)).toBe(input.value);
  });

  it('reads what it writes; one call has no text', () => {
    fc.assert(
      fc.property(accesses, (access) => {
        const text = formatAccess(access);
        if (access.kind === 'call') expect(text).toBeUndefined();
        else expect(parseAccess(text!)).toEqual(access);
      }),
    );
  });

  it.each<[string, Access]>([
    ['no calls', { kind: 'calls', calls: 0 }],
    ['half a call', { kind: 'calls', calls: 1.5 }],
    ['more calls than the most', { kind: 'calls', calls: 1_000_001 }],
    ['no number of calls', { kind: 'calls', calls: Number.NaN }],
    ['a rate of nothing', { kind: 'pass', maxPerMinute: 0 }],
    ['a rate beyond the fastest', { kind: 'pass', maxPerMinute: 10_001 }],
    ['no credit', { kind: 'credit', creditMsat: msat(0n) }],
    ['a negative credit', { kind: 'credit', creditMsat: -1n as Msat }],
  ])('never sells %s', (_, access) => {
    expect(() => formatTerms({ ...TERMS, access })).toThrow(RangeError);
  });
});

describe('M1 the kind of access in the id and the caveat of the minter agree', () => {
  const kinds = ACCESS_KINDS.map((accessKind) => ({ accessKind }));
  const sold = (access: Access) => formatTerms({ ...TERMS, access }).map((text) => decodeCaveat(latin1(text), 'minter'));

  it.each(kinds)('an id of kind $accessKind', ({ accessKind }) => {
    fc.assert(
      fc.property(accesses, (access) => {
        const terms = readTerms(sold(access), { service: 'a', accessKind });
        if (access.kind === accessKind) expect(terms).toMatchObject({ ok: true, value: { access } });
        else expect(terms).toMatchObject({ refusal: { code: 'terms_missing' } });
      }),
    );
  });

  it('what a holder says of access is never read, whatever the id says', () => {
    const caveats = [...sold({ kind: 'call' }), decodeCaveat(latin1('access=calls:100'), 'holder')];
    expect(readTerms(caveats, { service: 'a', accessKind: 'calls' })).toMatchObject({ refusal: { code: 'terms_missing' } });
    expect(readTerms(caveats, { service: 'a', accessKind: 'call' })).toMatchObject({ value: { access: { kind: 'call' } } });
  });
});
