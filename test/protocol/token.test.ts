/*
 * Tokens minted and verified: what proves a payment, and that nothing in a token can be changed, dropped, added in
 * front or made up. D37, P3, P10, F7, F9, M1, M6.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeAscii } from '#protocol/bytes.ts';
import { encodeIdentifier } from '#protocol/identifier.ts';
import { addCaveat, signMacaroon } from '#protocol/macaroon.ts';
import { decodeMacaroon, encodeMacaroon, parseToken, type Macaroon } from '#protocol/macaroon-codec.ts';
import { msat } from '#protocol/msat.ts';
import { accept, refuse } from '#protocol/result.ts';
import { deriveEpochKey, deriveRootKey } from '#protocol/root-key.ts';
import { mintToken, verifyToken, type EpochKeys } from '#protocol/token.ts';
import { encodeTokenId } from '#protocol/token-id.ts';
import mintedJson from '../vectors/minted-tokens.json' with { type: 'json' };
import { bytes32, holderCaveats } from './arbitraries.ts';
import { termsOf, tokenIdOf, writeMintedTokens, type MintExpected, type MintInput } from './token-recipes.ts';
import { asExpected, bytesOf, hexOf, readVectors } from './vector.ts';
import { hmac } from './hmac.ts';

const MINTED = readVectors<MintInput, MintExpected>(mintedJson);
const PREIMAGE = bytesOf('a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf');
const SECRET = bytesOf('5e'.repeat(32));
const epochKeys: EpochKeys = async (keyId, epoch) =>
  keyId === 1 ? accept(await deriveEpochKey(SECRET, { epoch, hmac })) : refuse({ code: 'token_key_unknown', detail: 'none' });

function read(token: string): Macaroon {
  const macaroon = parseToken(token);
  if (!macaroon.ok) throw new Error(macaroon.refusal.code);
  return macaroon.value;
}

const SOLD = read(MINTED[0]!.expected.token);
const verify = (macaroon: Macaroon, preimage = PREIMAGE) => verifyToken(macaroon, { preimage, epochKeys, hmac });
const outcome = async (macaroon: Macaroon, preimage = PREIMAGE) => asExpected(await verify(macaroon, preimage), () => 'good');
/** Verifies bytes that were tampered with; a reader that refuses them has done its part. */
const outcomeOf = (bytes: Uint8Array): Promise<unknown> => {
  const macaroon = decodeMacaroon(bytes);
  return macaroon.ok ? outcome(macaroon.value) : Promise.resolve({ refusal: macaroon.refusal.code });
};

describe('M3 minting is frozen: one set of inputs, one token for ever', () => {
  it('still mints what the vectors say', async () => {
    expect(await writeMintedTokens()).toEqual(mintedJson);
  });

  it.each(MINTED)('$name: $why', async ({ input, expected }) => {
    const keys: EpochKeys = async (_, epoch) => accept(await deriveEpochKey(bytesOf(input.secret_hex), { epoch, hmac }));
    const token = await verifyToken(read(expected.token), { preimage: PREIMAGE, epochKeys: keys, hmac });
    expect(token.ok && token.value.caveats.map(({ condition, value }) => `${condition}=${value}`)).toEqual(expected.caveats);
    expect(token).toMatchObject({ ok: true, value: { id: { ...tokenIdOf(input.token_id), minterCaveats: expected.caveats.length } } });
  });
});

describe('D37 a credential is a token and a preimage, and SHA-256 joins them', () => {
  it('P10, F9 refuses a random preimage', async () => {
    await fc.assert(
      fc.asyncProperty(bytes32, async (preimage) => {
        fc.pre(hexOf(preimage) !== hexOf(PREIMAGE));
        expect(await outcome(SOLD, preimage)).toEqual({ refusal: 'preimage_wrong' });
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['the payment hash, which is public', sha256(PREIMAGE)],
    ['nothing', new Uint8Array()],
    ['zeros', new Uint8Array(32)],
    ['the preimage with a byte more', Uint8Array.of(...PREIMAGE, 0)],
    ['the preimage with a byte less', PREIMAGE.slice(1)],
  ])('P10, F9 refuses %s as a preimage', async (_, preimage) => {
    expect(await outcome(SOLD, preimage)).toEqual({ refusal: 'preimage_wrong' });
  });

  it("F7 refuses the token once another payment hash stands in it, with that hash's own preimage", async () => {
    const preimage = new Uint8Array(32).fill(7);
    const identifier = Uint8Array.from(SOLD.identifier);
    identifier.set(sha256(preimage), 2);
    expect(await outcome({ ...SOLD, identifier }, preimage)).toEqual({ refusal: 'signature_wrong' });
  });

  it('asks for no key before the preimage has been held against the hash', async () => {
    const asked: number[] = [];
    const keys: EpochKeys = (keyId) => {
      asked.push(keyId);
      return Promise.resolve(refuse({ code: 'token_key_unknown', detail: 'none' }));
    };
    await verifyToken(SOLD, { preimage: new Uint8Array(32), epochKeys: keys, hmac });
    expect(asked).toEqual([]);
    const known = await verifyToken(SOLD, { preimage: PREIMAGE, epochKeys: keys, hmac });
    expect(known).toMatchObject({ refusal: { code: 'token_key_unknown' } });
  });
});

describe('F7, F9 nothing in a token can be changed', () => {
  it('refuses every token with one bit flipped, wherever the bit is', async () => {
    const bytes = encodeMacaroon(SOLD);
    expect(await outcomeOf(bytes)).toBe('good');
    const outcomes = await Promise.all(
      Array.from({ length: bytes.length * 8 }, (_, bit) => {
        const flipped = Uint8Array.from(bytes);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        return outcomeOf(flipped);
      }),
    );
    expect(outcomes.flatMap((result, bit) => (result === 'good' ? [bit] : []))).toEqual([]);
  });

  it('refuses every token text with one bit of a letter flipped', async () => {
    const { token } = MINTED[0]!.expected;
    const texts = Array.from({ length: token.length * 7 }, (_, bit) => {
      const at = Math.floor(bit / 7);
      return token.slice(0, at) + String.fromCharCode(token.charCodeAt(at) ^ (1 << (bit % 7))) + token.slice(at + 1);
    });
    const passed = await Promise.all(
      texts.map(async (text) => {
        const macaroon = parseToken(text);
        return macaroon.ok && (await verify(macaroon.value)).ok ? [text] : [];
      }),
    );
    expect(passed.flat()).toEqual([]);
  });

  it('refuses a token from which a caveat was taken, also with a shorter count in its id', async () => {
    for (let index = 0; index < SOLD.caveats.length; index++) {
      const caveats = SOLD.caveats.toSpliced(index, 1);
      expect(await outcome({ ...SOLD, caveats })).toEqual({ refusal: 'signature_wrong' });
      const identifier = Uint8Array.from(SOLD.identifier);
      identifier[34 + 10] = caveats.length;
      expect(await outcome({ ...SOLD, caveats, identifier })).toEqual({ refusal: 'signature_wrong' });
    }
  });

  it('P8 refuses a narrowed token from which the narrowing was taken', async () => {
    const narrowed = await addCaveat(SOLD, { caveat: encodeAscii('weather_valid_until=1'), hmac });
    expect(await outcome(narrowed)).toBe('good');
    expect(await outcome({ ...narrowed, caveats: SOLD.caveats })).toEqual({ refusal: 'signature_wrong' });
  });

  it('P8 refuses a narrowed token with any of its caveats removed, moved or edited, and any two of them joined', async () => {
    const edits = fc.constantFrom('remove', 'truncate', 'move', 'edit', 'join', 'split' as const);
    await fc.assert(
      fc.asyncProperty(
        fc.array(holderCaveats, { minLength: 1, maxLength: 5 }),
        fc.tuple(edits, fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 })),
        async (added, [edit, one, other, bits]) => {
          let narrowed = SOLD;
          for (const caveat of added) narrowed = await addCaveat(narrowed, { caveat, hmac });
          expect(await outcome(narrowed)).toBe('good');
          const { caveats } = narrowed;
          const at = one % caveats.length;
          const to = other % caveats.length;
          const next = caveats[at + 1] ?? new Uint8Array();
          const byte = other % (caveats[at]!.length || 1);
          const changed = {
            remove: () => caveats.toSpliced(at, 1),
            truncate: () => caveats.slice(0, at),
            move: () => caveats.toSpliced(at, 1).toSpliced(to, 0, caveats[at]!),
            edit: () =>
              caveats.with(
                at,
                caveats[at]!.map((value, index) => (index === byte ? value ^ bits : value)),
              ),
            join: () => caveats.toSpliced(at, 2, Uint8Array.of(...caveats[at]!, ...next)),
            split: () => caveats.toSpliced(at, 1, caveats[at]!.slice(0, byte), caveats[at]!.slice(byte)),
          }[edit]();
          fc.pre(changed.map(hexOf).join() !== caveats.map(hexOf).join());
          expect(await outcome({ ...narrowed, caveats: changed })).toEqual({ refusal: 'signature_wrong' });
        },
      ),
      { numRuns: 150 },
    );
  });

  it('refuses caveats in another order', async () => {
    for (let index = 1; index < SOLD.caveats.length; index++) {
      const caveats = SOLD.caveats.with(index, SOLD.caveats[0]!).with(0, SOLD.caveats[index]!);
      expect(await outcome({ ...SOLD, caveats })).toEqual({ refusal: 'signature_wrong' });
    }
  });

  it('refuses an edited, inserted or made-up caveat', async () => {
    await fc.assert(
      fc.asyncProperty(holderCaveats, fc.nat(SOLD.caveats.length), async (caveat, at) => {
        expect(await outcome({ ...SOLD, caveats: SOLD.caveats.toSpliced(at, 0, caveat) })).toEqual({ refusal: 'signature_wrong' });
        if (at === SOLD.caveats.length || hexOf(caveat) === hexOf(SOLD.caveats[at]!)) return;
        expect(await outcome({ ...SOLD, caveats: SOLD.caveats.with(at, caveat) })).toEqual({ refusal: 'signature_wrong' });
      }),
      { numRuns: 60 },
    );
  });

  it('refuses another location, which the signature does not cover', async () => {
    for (const location of [undefined, new Uint8Array(), encodeAscii('lsau'), encodeAscii('aperture')]) {
      expect(await outcome({ ...SOLD, location })).toEqual({ refusal: 'signature_wrong' });
    }
  });

  it('refuses a token that joins two sold ones: caveats of one, identifier of the other', async () => {
    const other = read(MINTED[1]!.expected.token);
    expect(await outcome({ ...SOLD, caveats: other.caveats, signature: other.signature })).toEqual({ refusal: 'signature_wrong' });
  });
});

describe('M1 a caveat has an author', () => {
  it("the first n are the minter's and all that follow are a holder's, whatever they say", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(holderCaveats, { maxLength: 4 }), async (added) => {
        let macaroon = SOLD;
        for (const caveat of added) macaroon = await addCaveat(macaroon, { caveat, hmac });
        const token = await verify(macaroon);
        const authors = token.ok ? token.value.caveats.map(({ author }) => author) : [];
        expect(authors).toEqual([...SOLD.caveats.map(() => 'minter'), ...added.map(() => 'holder')]);
      }),
      { numRuns: 40 },
    );
  });

  it('refuses a well-signed token with fewer caveats than it was sold with', async () => {
    const { epoch, ...id } = tokenIdOf(MINTED[0]!.input.token_id);
    const tokenId = encodeTokenId({ ...id, epoch, minterCaveats: 3 });
    const identifier = encodeIdentifier({ paymentHash: sha256(PREIMAGE), tokenId });
    const rootKey = await deriveRootKey(await deriveEpochKey(SECRET, { epoch, hmac }), { identifier, hmac });
    const short = await signMacaroon({ location: encodeAscii('lsat'), identifier, caveats: SOLD.caveats.slice(0, 2) }, { rootKey, hmac });
    expect(await outcome(short)).toEqual({ refusal: 'minter_caveats_missing' });
  });
});

describe('M6 keys and epochs', () => {
  const mintOptions = {
    paymentHash: sha256(PREIMAGE),
    id: tokenIdOf(MINTED[0]!.input.token_id),
    terms: termsOf(MINTED[0]!.input.terms),
    epochKey: new Uint8Array(32),
    hmac,
  };

  it('every epoch, epoch length, key id and secret has a key of its own', async () => {
    const epochs = [1, 2, 24, 48].flatMap((lengthHours) => [0, 24, 48, 472_224].map((startHours) => ({ startHours, lengthHours })));
    const keys = await Promise.all(
      [SECRET, bytesOf('a5'.repeat(32))].flatMap((secret) =>
        epochs.map(async (epoch) => hexOf(await deriveEpochKey(secret, { epoch, hmac }))),
      ),
    );
    expect(new Set(keys).size).toBe(32);
  });

  it('refuses a token under the key of another epoch', async () => {
    expect(await outcome(read(await mintToken(mintOptions)))).toEqual({ refusal: 'signature_wrong' });
  });

  it('passes on why there is no key', async () => {
    const unknown = await mintToken({ ...mintOptions, id: { ...mintOptions.id, keyId: 9 } });
    expect(await outcome(read(unknown))).toEqual({ refusal: 'token_key_unknown' });
  });

  it('refuses a token of an unknown layout before it looks at the payment', async () => {
    const identifier = Uint8Array.from(SOLD.identifier);
    identifier[34] = 2;
    expect(await outcome({ ...SOLD, identifier }, new Uint8Array(32))).toEqual({ refusal: 'token_layout_unknown' });
    expect(await outcome({ ...SOLD, identifier: SOLD.identifier.slice(1) })).toEqual({ refusal: 'identifier_malformed' });
  });

  it('throws at a secret that anyone could guess', async () => {
    const epoch = { startHours: 0, lengthHours: 24 };
    await expect(deriveEpochKey(new Uint8Array(), { epoch, hmac })).rejects.toThrow(RangeError);
    await expect(deriveEpochKey(new Uint8Array(15), { epoch, hmac })).rejects.toThrow(RangeError);
  });

  it('throws at terms whose token would be too large to be read back', async () => {
    const capabilities = Array.from({ length: 400 }, (_, index) => `capability-${index}`);
    await expect(mintToken({ ...mintOptions, terms: { ...mintOptions.terms, capabilities } })).rejects.toThrow(RangeError);
  });

  it('throws at terms that would not read back, before anything is sold', async () => {
    await expect(mintToken({ ...mintOptions, terms: { ...mintOptions.terms, quoteDigest: 'x' } })).rejects.toThrow(RangeError);
    await expect(mintToken({ ...mintOptions, terms: { ...mintOptions.terms, paidMsat: msat(0n), tier: 999 } })).rejects.toThrow(RangeError);
  });
});
