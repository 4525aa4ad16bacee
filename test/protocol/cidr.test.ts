/*
 * Addresses and ranges: one text, one meaning, and no way round a list by another spelling.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cidrContains,
  cidrCovers,
  formatAddress,
  parseAddress,
  parseCidr,
  truncateAddress,
  type Address,
  type Cidr,
} from '#protocol/cidr.ts';

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} does not parse`);
  return parsed;
};
const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} does not parse`);
  return parsed;
};

const anyAddress = fc.oneof(
  fc.record({ bits: fc.constant(32 as const), value: fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }) }),
  fc.record({ bits: fc.constant(128 as const), value: fc.bigInt({ min: 1n << 48n, max: (1n << 128n) - 1n }) }),
);

describe('an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '0:0:0:0:0:0:0:0'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['2001:DB8::1', '2001:db8:0:0:0:0:0:1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6'],
    ['2001:db8::', '2001:db8:0:0:0:0:0:0'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0:0:0:c000:221'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
  ])('%s reads as %s', (text, canonical) => {
    expect(formatAddress(address(text))).toBe(canonical);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '0x1.2.3.4',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.4:80',
    '+1.2.3.4',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '1:2:3:4:5:6:7::8',
    ':::',
    ':1',
    '1:',
    'fe80::1%eth0',
    '[::1]',
    '12345::',
    'g::',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3',
    '1'.repeat(100),
  ])('%s does not read', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it('reads back what was formatted', () => {
    fc.assert(
      fc.property(anyAddress, (any) => {
        expect(parseAddress(formatAddress(any))).toEqual(any);
      }),
    );
  });

  it('never throws, whatever the text', () => {
    const odd = fc.string({ unit: fc.constantFrom(...'0123456789abcdefg.:/%[] -') });
    fc.assert(
      fc.property(fc.oneof(fc.string(), odd), (text) => void [parseAddress(text), parseCidr(text)]),
      { numRuns: 2000 },
    );
  });
});

describe('a range', () => {
  it.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '203.0.113.9', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1/32', '192.0.2.2', false],
    ['2001:db8:1::/48', '2001:db8:1:ffff::1', true],
    ['2001:db8:1::/48', '2001:db8:2::', false],
    ['2001:db8::1', '2001:db8::1', true],
    ['::ffff:10.0.0.0/104', '10.9.9.9', true],
    ['::ffff:10.0.0.0/104', '11.0.0.0', false],
  ])('%s and %s: %s', (range, text, inside) => {
    expect(cidrContains(cidr(range), address(text))).toBe(inside);
  });

  it.each([
    '10.0.0.1/8',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '/8',
    '::1/64',
    '::/129',
    '10.0.0.0/ 8',
  ])('%s does not read', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  it('holds the addresses that agree with it in every bit of its prefix, and no others', () => {
    const cases = anyAddress.chain((any) =>
      fc.tuple(fc.constant(any), fc.integer({ min: 0, max: any.bits }), fc.nat({ max: any.bits - 1 })),
    );
    fc.assert(
      fc.property(cases, ([any, prefix, bit]) => {
        const range = { address: truncateAddress(any, prefix), prefix };
        const changed = { bits: any.bits, value: any.value ^ (1n << BigInt(any.bits - 1 - bit)) };
        expect(cidrContains(range, any)).toBe(true);
        expect(cidrContains(range, changed)).toBe(bit >= prefix);
      }),
    );
  });

  it('covers exactly the ranges that lie in it', () => {
    expect(cidrCovers(cidr('10.0.0.0/8'), cidr('10.1.0.0/16'))).toBe(true);
    expect(cidrCovers(cidr('10.0.0.0/8'), cidr('10.0.0.0/8'))).toBe(true);
    expect(cidrCovers(cidr('10.1.0.0/16'), cidr('10.0.0.0/8'))).toBe(false);
    expect(cidrCovers(cidr('10.0.0.0/8'), cidr('11.0.0.0/16'))).toBe(false);
    expect(cidrCovers(cidr('0.0.0.0/0'), cidr('::/0'))).toBe(false);
  });
});
