/*
 * The identifier and the token id inside it: layout 1 is frozen, and the place of a claim is read from the token alone.
 * P7, M3, M6.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeIdentifier, encodeIdentifier } from '#protocol/identifier.ts';
import { decodeTokenId, encodeTokenId, epochAt, formatClaimObjectName, LONGEST_EPOCH_HOURS, type TokenId } from '#protocol/token-id.ts';
import identifierJson from '../vectors/identifiers.json' with { type: 'json' };
import refusedJson from '../vectors/token-ids-refused.json' with { type: 'json' };
import tokenIdJson from '../vectors/token-ids.json' with { type: 'json' };
import { tokenIdOf, writeTokenIds, type TokenIdExpected, type TokenIdInput } from './token-recipes.ts';
import { asExpected, bytesOf, hexOf, readVectors, type Refused } from './vector.ts';
import { bytes32, tokenIds } from './arbitraries.ts';

interface IdentifierExpected {
  readonly payment_hash_hex: string;
  readonly token_id_hex: string;
}

const IDENTIFIERS = readVectors<{ readonly identifier_hex: string }, IdentifierExpected | Refused>(identifierJson);
const TOKEN_IDS = readVectors<TokenIdInput, TokenIdExpected>(tokenIdJson);
const REFUSED = readVectors<{ readonly token_id_hex: string }, Refused>(refusedJson);

describe('P7 the identifier is version 0, payment hash, token id', () => {
  it.each(IDENTIFIERS)('$name: $why', ({ input, expected }) => {
    const read = decodeIdentifier(bytesOf(input.identifier_hex));
    const facts = asExpected(read, ({ paymentHash, tokenId }) => ({ payment_hash_hex: hexOf(paymentHash), token_id_hex: hexOf(tokenId) }));
    expect(facts).toEqual(expected);
    if (read.ok) expect(hexOf(encodeIdentifier(read.value))).toBe(input.identifier_hex);
  });

  it('throws at a hash or an id of another length', () => {
    expect(() => encodeIdentifier({ paymentHash: new Uint8Array(31), tokenId: new Uint8Array(32) })).toThrow(RangeError);
    expect(() => encodeIdentifier({ paymentHash: new Uint8Array(32), tokenId: new Uint8Array(33) })).toThrow(RangeError);
  });
});

describe('M3 layout 1 of the token id is frozen', () => {
  it('still writes what the vectors say', () => {
    expect(writeTokenIds()).toEqual(tokenIdJson);
  });

  it.each(TOKEN_IDS)('$name: $why', ({ input, expected }) => {
    const read = decodeTokenId(bytesOf(expected.token_id_hex));
    expect(read).toEqual({ ok: true, value: { ...tokenIdOf(input), minterCaveats: input.minter_caveats } });
    expect(read.ok && formatClaimObjectName(read.value, bytesOf(input.payment_hash_hex))).toBe(expected.claim_object_name);
  });

  it.each(REFUSED)('refuses $name: $why', ({ input, expected }) => {
    expect(asExpected(decodeTokenId(bytesOf(input.token_id_hex)), () => 'read')).toEqual(expected);
  });

  it('reads what it writes, whatever the id', () => {
    fc.assert(
      fc.property(tokenIds, (id) => {
        expect(decodeTokenId(encodeTokenId(id))).toEqual({ ok: true, value: id });
      }),
    );
  });

  it('writes what it reads, byte for byte', () => {
    fc.assert(
      fc.property(bytes32, fc.nat(255), (random, first) => {
        const bytes = Uint8Array.from(random);
        bytes.set([1, first]);
        const read = decodeTokenId(bytes);
        if (read.ok) expect(encodeTokenId(read.value)).toEqual(bytes);
      }),
    );
  });

  const plain = tokenIdOf(TOKEN_IDS[0]!.input);
  it.each<[string, Partial<TokenId>]>([
    ['a key id of 256', { keyId: 256 }],
    ['a negative key id', { keyId: -1 }],
    ['an epoch of no length', { epoch: { startHours: 0, lengthHours: 0 } }],
    ['an epoch longer than a leap year', { epoch: { startHours: 0, lengthHours: LONGEST_EPOCH_HOURS + 1 } }],
    ['an epoch that starts between two hours', { epoch: { startHours: 0.5, lengthHours: 1 } }],
    ['an epoch beyond three bytes', { epoch: { startHours: 0x1000000, lengthHours: 1 } }],
    ['region 32', { region: 32 }],
    ['17 shard bits', { shardBits: 17 }],
    ['an access kind that is not sold', { access: 'week' as 'call' }],
    ['random bytes that are too few', { random: new Uint8Array(20) }],
  ])('never writes %s, which its reader would refuse after the payment', (_, wrong) => {
    expect(() => encodeTokenId({ ...plain, minterCaveats: 4, ...wrong })).toThrow(RangeError);
  });
});

describe('M3 the claim object is named by the token and the payment hash alone', () => {
  it('is the same for two tokens over one hash with another epoch, key, access count and random rest', () => {
    fc.assert(
      fc.property(tokenIds, tokenIds, bytes32, (one, other, hash) => {
        const moved = { ...other, region: one.region, shardBits: one.shardBits };
        expect(formatClaimObjectName(moved, hash)).toBe(formatClaimObjectName(one, hash));
      }),
    );
  });

  it('is read from the bytes of the token: a changed shard count or region in the configuration touches only new tokens', () => {
    fc.assert(
      fc.property(tokenIds, bytes32, fc.record({ shardBits: fc.nat(16), region: fc.nat(31) }), (sold, hash, moved) => {
        const before = formatClaimObjectName(sold, hash);
        const bytes = encodeTokenId(sold);
        encodeTokenId({ ...sold, ...moved });
        const later = decodeTokenId(bytes);
        expect(later.ok && formatClaimObjectName(later.value, hash)).toBe(before);
      }),
    );
  });

  it('differs where the place differs, so that a smaller number of shards is never taken for a larger one', () => {
    fc.assert(
      fc.property(tokenIds, tokenIds, bytes32, (one, other, hash) => {
        fc.pre(one.region !== other.region || one.shardBits !== other.shardBits);
        expect(formatClaimObjectName(other, hash)).not.toBe(formatClaimObjectName(one, hash));
      }),
    );
  });

  it('spreads payments over all the shards and no more', () => {
    const id = { region: 0, shardBits: 4 };
    const names = new Set(Array.from({ length: 256 }, (_, first) => formatClaimObjectName(id, Uint8Array.of(first, 0xff))));
    expect(names.size).toBe(16);
  });
});

describe('M6 epochs follow the clock', () => {
  it('covers every instant by exactly one epoch of a length', () => {
    fc.assert(
      fc.property(fc.nat(4_000_000_000), fc.integer({ min: 1, max: LONGEST_EPOCH_HOURS }), (nowSeconds, lengthHours) => {
        const { startHours } = epochAt(nowSeconds, lengthHours);
        expect(startHours % lengthHours).toBe(0);
        expect(startHours * 3600).toBeLessThanOrEqual(nowSeconds);
        expect((startHours + lengthHours) * 3600).toBeGreaterThan(nowSeconds);
      }),
    );
  });
});
