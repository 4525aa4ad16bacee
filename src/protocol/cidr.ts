/*
 * Internet addresses and ranges (CIDR), of both versions, as numbers. Reading is strict: one text, one meaning. An
 * IPv4-mapped address (::ffff:192.0.2.1) is read as the IPv4 address, so the other spelling cannot bypass a list. Pure.
 */

export interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** All addresses that share the first `prefix` bits. */
export interface Cidr {
  readonly address: Address;
  readonly prefix: number;
}

/** The longest written form of an address. */
const LONGEST_TEXT = 45;
const MAPPED_PREFIX = 0xffffn;

/** Reads an address; `undefined` if the text is not exactly one. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > LONGEST_TEXT) return undefined;
  if (!text.includes(':')) {
    const value = parseV4(text);
    return value === undefined ? undefined : { bits: 32, value };
  }
  const value = parseV6(text);
  if (value === undefined) return undefined;
  return value >> 32n === MAPPED_PREFIX ? { bits: 32, value: value & 0xffff_ffffn } : { bits: 128, value };
}

/** Reads `192.0.2.0/24` or a single address. Bits after the prefix must be zero: a set bit suggests a mistake. */
export function parseCidr(text: string): Cidr | undefined {
  const [written, length, ...more] = text.split('/');
  if (more.length > 0) return undefined;
  const address = parseAddress(written!);
  if (address === undefined) return undefined;
  if (length === undefined) return { address, prefix: address.bits };
  if (!/^(0|[1-9][0-9]{0,2})$/.test(length)) return undefined;
  // The prefix of a range of mapped addresses is given in IPv6 bits.
  const prefix = address.bits === 32 && written!.includes(':') ? Number(length) - 96 : Number(length);
  if (prefix < 0 || prefix > address.bits) return undefined;
  return truncateAddress(address, prefix).value === address.value ? { address, prefix } : undefined;
}

/** Whether an address is in a range. An address of the other version never is. */
export function cidrContains({ address: base, prefix }: Cidr, address: Address): boolean {
  return base.bits === address.bits && truncateAddress(address, prefix).value === base.value;
}

/** Whether the outer range contains every address of the inner one. */
export function cidrCovers(outer: Cidr, inner: Cidr): boolean {
  return outer.prefix <= inner.prefix && cidrContains(outer, inner.address);
}

/** Returns the first address of the range of this size that contains the address. */
export function truncateAddress({ bits, value }: Address, prefix: number): Address {
  const host = BigInt(bits - prefix);
  return { bits, value: (value >> host) << host };
}

/** Formats an address: the same text for the same address, not the shortest form, but readable by `parseAddress`. */
export function formatAddress({ bits, value }: Address): string {
  const [size, groups, radix] = bits === 32 ? [8n, 4, 10] : [16n, 8, 16];
  const mask = (1n << size) - 1n;
  const parts = Array.from({ length: groups }, (_, index) => ((value >> (size * BigInt(groups - 1 - index))) & mask).toString(radix));
  return parts.join(bits === 32 ? '.' : ':');
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    // Some readers treat a leading zero as octal.
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => parseGroups(half, { isLast: index === halves.length - 1 }));
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === 8 ? joinGroups(head) : undefined;
  // `::` replaces at least one group of zeros.
  if (tail === undefined || head.length + tail.length > 7) return undefined;
  return joinGroups([...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0n), ...tail]);
}

/** Parses groups of 16 bits; the last two of an address may be written as IPv4. */
function parseGroups(text: string, { isLast }: { isLast: boolean }): readonly bigint[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: bigint[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(BigInt(`0x${part}`));
      continue;
    }
    const value = isLast && index === parts.length - 1 ? parseV4(part) : undefined;
    if (value === undefined) return undefined;
    groups.push(value >> 16n, value & 0xffffn);
  }
  return groups;
}

function joinGroups(groups: readonly bigint[]): bigint {
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}
