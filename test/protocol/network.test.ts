/*
 * Addresses and networks as text, against every spelling that fast-check knows. The refused spellings stand among the vectors
 * of caveats.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isInNetwork, isPartOf, parseAddress, parseNetwork } from '#protocol/network.ts';
import { byteStrings } from './arbitraries.ts';

const ipv4Text = (bytes: Uint8Array) => bytes.join('.');
const ipv6Text = (bytes: Uint8Array) =>
  Array.from({ length: 8 }, (_, index) => ((bytes[index * 2]! << 8) | bytes[index * 2 + 1]!).toString(16)).join(':');

/** The address with every bit beyond the first ones cleared. */
function mask(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((byte, index) => byte & ~(0xff >> Math.min(8, Math.max(0, bits - index * 8))));
}

const anyAddress = fc.oneof(byteStrings(4), byteStrings(16));
const textOf = (bytes: Uint8Array) => (bytes.length === 4 ? ipv4Text(bytes) : ipv6Text(bytes));
const networkOf = (bytes: Uint8Array, bits: number) => parseNetwork(`${textOf(mask(bytes, bits))}/${bits}`)!;

describe('addresses', () => {
  it('reads every IPv4 and IPv6 address in every spelling', () => {
    fc.assert(fc.property(fc.ipV4(), (text) => parseAddress(text)?.length === 4));
    fc.assert(fc.property(fc.ipV6(), (text) => parseAddress(text) !== undefined));
  });

  it.each([
    ['::', '00'.repeat(16)],
    ['::1', `${'00'.repeat(15)}01`],
    ['1::', `0001${'00'.repeat(14)}`],
    ['2001:db8::1:0', `20010db8${'00'.repeat(9)}010000`.slice(0, 32)],
    ['2001:DB8:0:0:0:0:0:A', `20010db8${'00'.repeat(11)}0a`],
    ['64:ff9b::192.0.2.33', `0064ff9b${'00'.repeat(8)}c0000221`],
    ['::ffff:192.0.2.33', 'c0000221'],
    ['::ffff:c000:221', 'c0000221'],
    ['0:0:0:0:0:ffff:c000:0221', 'c0000221'],
  ])('%s', (text, hex) => {
    const bytes = parseAddress(text)!;
    expect(Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')).toBe(hex);
  });
});

describe('networks', () => {
  it('an address lies in a network if and only if their first bits are the same', () => {
    fc.assert(
      fc.property(anyAddress, anyAddress, fc.tuple(fc.nat(128), fc.nat(128)), (one, other, [length, flip]) => {
        const bits = length % (one.length * 8 + 1);
        const network = networkOf(one, bits);
        expect(isInNetwork(one, network)).toBe(true);
        expect(isInNetwork(other, network)).toBe(other.length === one.length && textOf(mask(other, bits)) === textOf(network.address));
        const at = flip % (one.length * 8);
        const flipped = one.map((byte, index) => (index === at >> 3 ? byte ^ (0x80 >> (at & 7)) : byte));
        expect(isInNetwork(flipped, network)).toBe(at >= bits);
      }),
      { numRuns: 500 },
    );
  });

  const addresses = fc.tuple(byteStrings(4), byteStrings(4), byteStrings(4));
  it('a part of a network has no address that the whole has not', () => {
    fc.assert(
      fc.property(addresses, fc.tuple(fc.nat(32), fc.nat(32)), ([one, other, address], [b1, b2]) => {
        const part = networkOf(one, b1);
        const whole = networkOf(other, b2);
        if (isPartOf(part, whole) && isInNetwork(address, part)) expect(isInNetwork(address, whole)).toBe(true);
        // Of two networks around one address, the one of fewer bits is the whole.
        expect(isPartOf(networkOf(one, b1), networkOf(one, b2))).toBe(b1 >= b2);
      }),
      { numRuns: 500 },
    );
  });

  it('bits beyond the length of a network are a mistake', () => {
    fc.assert(
      fc.property(anyAddress, fc.nat(128), (address, length) => {
        const bits = length % (address.length * 8 + 1);
        const hasNone = textOf(mask(address, bits)) === textOf(address);
        expect(parseNetwork(`${textOf(address)}/${bits}`) !== undefined).toBe(hasNone);
      }),
    );
  });
});
