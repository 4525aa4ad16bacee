/*
 * Macaroon V2 against vectors that others made: signatures of the chain, bytes and texts read and written, and every
 * malformed form with its own reason. D27, M6.
 */
import { describe, expect, it } from 'vitest';
import { encodeAscii, parseBase64 } from '#protocol/bytes.ts';
import { addCaveat, signMacaroon, verifyChain, type UnsignedMacaroon } from '#protocol/macaroon.ts';
import { decodeMacaroon, encodeMacaroon, formatToken, LARGEST_TOKEN_BYTES, MOST_CAVEATS, parseToken } from '#protocol/macaroon-codec.ts';
import signatureJson from '../vectors/macaroon-signatures.json' with { type: 'json' };
import tokenJson from '../vectors/macaroon-tokens.json' with { type: 'json' };
import { asExpected, bytesOf, hexOf, readVectors, type Refused } from './vector.ts';
import { hmac } from './hmac.ts';

interface SignatureInput {
  readonly root_key_hex: string;
  readonly location: string | null;
  readonly identifier_hex: string;
  readonly caveats: readonly string[];
}
interface SignatureExpected {
  readonly signature_hex: string;
  readonly steps_hex?: readonly string[];
  readonly without_key_derivation_hex?: readonly string[];
  readonly token?: string;
}
interface TokenFields {
  readonly location: string | null;
  readonly identifier_hex: string;
  readonly caveats_hex: readonly string[];
  readonly signature_hex: string;
}

const SIGNATURES = readVectors<SignatureInput, SignatureExpected>(signatureJson);
const TOKENS = readVectors<{ readonly token: string }, TokenFields | Refused>(tokenJson);

function unsigned({ location, identifier_hex, caveats }: SignatureInput): UnsignedMacaroon {
  const fields = { identifier: bytesOf(identifier_hex), caveats: caveats.map(encodeAscii) };
  return location === null ? fields : { ...fields, location: encodeAscii(location) };
}

describe('D27 a macaroon is signed as every library signs it', () => {
  it.each(SIGNATURES)('$name: $why', async ({ input, expected }) => {
    const rootKey = bytesOf(input.root_key_hex);
    const macaroon = await signMacaroon(unsigned(input), { rootKey, hmac });
    expect(hexOf(macaroon.signature)).toBe(expected.signature_hex);
    expect((await verifyChain(macaroon, { rootKey, hmac }))?.length).toBe(input.caveats.length);
    if (expected.token !== undefined) expect(formatToken(macaroon)).toBe(expected.token);
    expect(expected.without_key_derivation_hex ?? []).not.toContain(expected.signature_hex);
  });

  it.each(SIGNATURES)('$name: a holder who adds the caveats one by one gets the same signature', async ({ input, expected }) => {
    const { caveats, ...bare } = unsigned(input);
    const rootKey = bytesOf(input.root_key_hex);
    let macaroon = await signMacaroon({ ...bare, caveats: [] }, { rootKey, hmac });
    const steps = [hexOf(macaroon.signature)];
    for (const caveat of caveats) {
      macaroon = await addCaveat(macaroon, { caveat, hmac });
      steps.push(hexOf(macaroon.signature));
    }
    expect(steps.at(-1)).toBe(expected.signature_hex);
    if (expected.steps_hex !== undefined) expect(steps).toEqual(expected.steps_hex);
    // What the verifier keeps of its own computation is what each holder had in hand.
    expect((await verifyChain(macaroon, { rootKey, hmac }))?.map(hexOf)).toEqual(steps.slice(1));
  });

  it('refuses the right chain under another root key', async () => {
    const [{ input }] = SIGNATURES as [(typeof SIGNATURES)[0]];
    const macaroon = await signMacaroon(unsigned(input), { rootKey: bytesOf(input.root_key_hex), hmac });
    expect(await verifyChain(macaroon, { rootKey: new Uint8Array(32), hmac })).toBeUndefined();
  });
});

describe('D27 a token is read strictly, each malformed one with its reason', () => {
  it.each(TOKENS)('$name: $why', ({ input, expected }) => {
    const read = parseToken(input.token);
    expect(
      asExpected(read, ({ location, identifier, caveats, signature }) => ({
        location: location === undefined ? null : String.fromCharCode(...location),
        identifier_hex: hexOf(identifier),
        caveats_hex: caveats.map(hexOf),
        signature_hex: hexOf(signature),
      })),
    ).toEqual(expected);
  });

  it.each(TOKENS.filter(({ expected }) => !('refusal' in expected)))('$name: written again it is the same bytes', ({ input }) => {
    const bytes = input.token.startsWith('02') ? bytesOf(input.token) : parseBase64(input.token);
    const read = decodeMacaroon(bytes!);
    expect(read.ok && hexOf(encodeMacaroon(read.value))).toBe(hexOf(bytes!));
  });
});

describe('M6 limits hold before anything is computed', () => {
  const macaroon = { location: undefined, identifier: new Uint8Array(66), caveats: [], signature: new Uint8Array(32) };

  it(`reads a token of exactly ${LARGEST_TOKEN_BYTES} bytes and refuses one byte more`, () => {
    const fill = LARGEST_TOKEN_BYTES - encodeMacaroon(macaroon).length - 5;
    const largest = encodeMacaroon({ ...macaroon, caveats: [new Uint8Array(fill + 1)] });
    expect(largest.length).toBe(LARGEST_TOKEN_BYTES);
    expect(decodeMacaroon(largest).ok).toBe(true);
    const larger = encodeMacaroon({ ...macaroon, caveats: [new Uint8Array(fill + 2)] });
    expect(decodeMacaroon(larger)).toMatchObject({ refusal: { code: 'token_too_large' } });
  });

  it(`reads ${MOST_CAVEATS} caveats and refuses one more, empty ones too`, () => {
    const caveats = Array.from({ length: MOST_CAVEATS }, () => new Uint8Array());
    expect(decodeMacaroon(encodeMacaroon({ ...macaroon, caveats })).ok).toBe(true);
    const more = decodeMacaroon(encodeMacaroon({ ...macaroon, caveats: [...caveats, new Uint8Array()] }));
    expect(more).toMatchObject({ refusal: { code: 'token_too_many_caveats' } });
  });

  it('never writes a field that its reader could not read', () => {
    expect(() => encodeMacaroon({ ...macaroon, identifier: new Uint8Array(1 << 14) })).toThrow(RangeError);
  });
});
