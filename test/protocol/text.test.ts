/*
 * Bytes and amounts as texts: every dialect that clients send is read, each value has one spelling out, and nothing is
 * rounded.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLatin1, encodeAscii, equalBytes, formatBase64, formatHex, parseBase64, parseHex } from '#protocol/bytes.ts';
import { formatSats, LARGEST_MSAT, msat, msatFromSats, parseMsat } from '#protocol/msat.ts';
import { amounts } from './arbitraries.ts';

describe('hex and base64', () => {
  const bytes = fc.uint8Array({ maxLength: 80 });

  it('hex is read in both cases', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(parseHex(formatHex(value))).toEqual(value);
        expect(parseHex(formatHex(value).toUpperCase())).toEqual(value);
      }),
    );
  });

  it('base64 is read in both alphabets, padded or not', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const text = formatBase64(value);
        const urlSafe = text.replaceAll('+', '-').replaceAll('/', '_');
        for (const dialect of [text, urlSafe, text.replaceAll('=', ''), urlSafe.replaceAll('=', '')])
          expect(parseBase64(dialect)).toEqual(value);
      }),
    );
  });

  it('two texts of base64 that differ beyond dialect are never the same bytes', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9+/]{1,12}$/), (text) => {
        const read = parseBase64(text);
        if (read !== undefined) expect(formatBase64(read).replaceAll('=', '')).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it.each(['0', '0x00', 'gg', '00 ', '\uff10\uff10', '0\u06610'])('hex: %j is none', (text) => {
    expect(parseHex(text)).toBeUndefined();
  });

  it.each(['A', 'AAAAA', 'AB==', 'AA===', 'A=A=', '=', '==', ' AAAA', 'AA\nAA', 'AA\u212aA', '====A'])('base64: %j is none', (text) => {
    expect(parseBase64(text)).toBeUndefined();
  });

  it('reads a long run of padding in the time of its length', () => {
    expect(parseBase64(`${'='.repeat(131_072)}A`)).toBeUndefined();
  });

  it('compares by content', () => {
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
    expect(equalBytes(new Uint8Array(), new Uint8Array())).toBe(true);
  });

  it('text is ASCII going out, and bytes are one letter each coming in', () => {
    expect(decodeLatin1(encodeAscii('a=~ '))).toBe('a=~ ');
    for (const wrong of ['\n', 'ü', '\u007f', '\0']) expect(() => encodeAscii(wrong)).toThrow(RangeError);
  });
});

describe('amounts', () => {
  it('D8 a millisatoshi is read and written without loss, up to 21 million bitcoin', () => {
    fc.assert(
      fc.property(amounts, (amount) => {
        expect(parseMsat(String(amount))).toBe(amount);
        const [whole = '', decimals = ''] = formatSats(amount).split('.');
        expect(BigInt(whole) * 1000n + BigInt(decimals.padEnd(3, '0'))).toBe(amount);
        expect(decimals).not.toMatch(/0$/);
      }),
    );
  });

  it.each(['', '-1', '+1', '01', '1.0', '1e3', ' 1', '1\n', '0x1', '\u0661', '2100000000000000001', '9'.repeat(400)])(
    '%j is no amount',
    (text) => {
      expect(parseMsat(text)).toBeUndefined();
    },
  );

  it('satoshi may have three decimals, those that floating point cannot multiply among them', () => {
    for (let thousandths = 0; thousandths < 20_000; thousandths++)
      expect(msatFromSats(Number(`${thousandths}e-3`))).toBe(BigInt(thousandths));
    expect(msatFromSats(1.001)).toBe(1001n);
  });

  it('throws at what is no amount of satoshi', () => {
    for (const wrong of [0.0001, 1.0005, -1, Number.NaN, Infinity, 2_100_000_000_000_001, 2 ** 53, 1e21, 1e-7])
      expect(() => msatFromSats(wrong)).toThrow(RangeError);
    expect(() => msat(-1n)).toThrow(RangeError);
    expect(() => msat(LARGEST_MSAT + 1n)).toThrow(RangeError);
  });
});
