/*
 * The cross-check with npm `macaroon` 3.0.4, an implementation that shares no line with ours. Only its signatures and its
 * reader are used: its writer throws on larger macaroons. Node only: the package wants Node's `util`.
 */
import library from 'macaroon';
import { describe, expect, it } from 'vitest';
import { parseBase64 } from '#protocol/bytes.ts';
import { addCaveat } from '#protocol/macaroon.ts';
import { decodeMacaroon, encodeMacaroon, formatToken, parseToken } from '#protocol/macaroon-codec.ts';
import mintedJson from '../vectors/minted-tokens.json' with { type: 'json' };
import signatureJson from '../vectors/macaroon-signatures.json' with { type: 'json' };
import { type MintExpected, type MintInput } from './token-recipes.ts';
import { bytesOf, hexOf, readVectors } from './vector.ts';
import { hmac } from './hmac.ts';

const MINTED = readVectors<MintInput, MintExpected>(mintedJson);
const SIGNATURES = readVectors<{ root_key_hex: string; identifier_hex: string; caveats: string[] }, { signature_hex: string }>(
  signatureJson,
);

describe('D27 an independent library agrees', () => {
  it.each(SIGNATURES)('$name: on the signature', ({ input, expected }) => {
    const macaroon = library.newMacaroon({ version: 2, rootKey: bytesOf(input.root_key_hex), identifier: bytesOf(input.identifier_hex) });
    for (const caveat of input.caveats) macaroon.addFirstPartyCaveat(caveat);
    expect(hexOf(macaroon.signature)).toBe(expected.signature_hex);
  });

  it.each(MINTED)('$name: it makes the same signature from the root key', ({ input, expected }) => {
    const macaroon = library.newMacaroon({
      version: 2,
      rootKey: bytesOf(expected.root_key_hex),
      identifier: bytesOf(expected.identifier_hex),
    });
    for (const caveat of expected.caveats) macaroon.addFirstPartyCaveat(caveat);
    expect(hexOf(macaroon.signature)).toBe(expected.signature_hex);
    expect(hexOf(macaroon.identifier.slice(2, 34))).toBe(input.payment_hash_hex);
  });

  it.each(MINTED)('$name: it reads and verifies the token that we mint', ({ expected }) => {
    const macaroon = library.importMacaroon(parseBase64(expected.token)!);
    const seen: string[] = [];
    macaroon.verify(bytesOf(expected.root_key_hex), (condition) => {
      seen.push(condition);
      return null;
    });
    expect(macaroon.location).toBe('lsat');
    expect(seen).toEqual(expected.caveats);
  });

  it('reads a token that was narrowed here', async () => {
    const [{ expected }] = MINTED as [(typeof MINTED)[0]];
    const token = parseToken(expected.token);
    if (!token.ok) throw new Error(token.refusal.code);
    const narrowed = await addCaveat(token.value, { caveat: Uint8Array.of(0x61, 0x3d, 0x31), hmac });
    const macaroon = library.importMacaroon(encodeMacaroon(narrowed));
    expect(() => macaroon.verify(bytesOf(expected.root_key_hex), () => null)).not.toThrow();
    expect(formatToken(narrowed)).not.toBe(expected.token);
  });

  it('narrows a token that is read here', () => {
    const [{ expected }] = MINTED as [(typeof MINTED)[0]];
    const macaroon = library.importMacaroon(parseBase64(expected.token)!);
    macaroon.addFirstPartyCaveat('weather_valid_until=1600000000');
    const ours = decodeMacaroon(
      encodeMacaroon({
        location: undefined,
        identifier: macaroon.identifier,
        caveats: macaroon.caveats.map(({ identifier }) => identifier),
        signature: macaroon.signature,
      }),
    );
    expect(ours.ok && ours.value.caveats.length).toBe(expected.caveats.length + 1);
  });

  it('refuses what was changed here', async () => {
    const [{ expected }] = MINTED as [(typeof MINTED)[0]];
    const token = parseToken(expected.token);
    if (!token.ok) throw new Error(token.refusal.code);
    const shorter = encodeMacaroon({ ...token.value, caveats: token.value.caveats.slice(0, -1) });
    expect(() => library.importMacaroon(shorter).verify(bytesOf(expected.root_key_hex), () => null)).toThrow();
  });
});
