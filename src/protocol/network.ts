/*
 * IP addresses and networks as text (CIDR), and which address lies in which network. An IPv4 address written as IPv6
 * (`::ffff:192.0.2.1`) is the IPv4 address: a socket may give either. No effects; nothing throws.
 */

/** An address has 4 or 16 bytes; a network is one with the number of bits that count. */
export interface Network {
  readonly address: Uint8Array;
  readonly bits: number;
}

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
const IPV6_GROUPS = 8;
/** `::ffff:0:0/96`. */
const MAPPED_BITS = 96;
const LONGEST_ADDRESS = 45;

/** Reads an address; a zone (`%eth0`), a port or brackets are none of it. */
export function parseAddress(text: string): Uint8Array | undefined {
  if (text.length > LONGEST_ADDRESS) return undefined;
  if (!text.includes(':')) return parseIpv4(text);
  const bytes = parseIpv6(text);
  return bytes !== undefined && isMapped(bytes) ? bytes.slice(IPV6_BYTES - IPV4_BYTES) : bytes;
}

/** Reads `203.0.113.0/24` or a single address. A network with bits beyond its length is a mistake, and does not parse. */
export function parseNetwork(text: string): Network | undefined {
  const border = text.indexOf('/');
  const addressText = border < 0 ? text : text.slice(0, border);
  const address = parseAddress(addressText);
  if (address === undefined) return undefined;
  if (border < 0) return { address, bits: address.length * 8 };
  const bitsText = text.slice(border + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(bitsText)) return undefined;
  const bits = Number(bitsText) - (address.length === IPV4_BYTES && addressText.includes(':') ? MAPPED_BITS : 0);
  return bits >= 0 && bits <= address.length * 8 && hasNoBitsBeyond(address, bits) ? { address, bits } : undefined;
}

/** Whether an address lies in a network. */
export function isInNetwork(address: Uint8Array, network: Network): boolean {
  if (address.length !== network.address.length) return false;
  const whole = network.bits >> 3;
  for (let index = 0; index < whole; index++) if (address[index] !== network.address[index]) return false;
  const rest = network.bits & 7;
  return rest === 0 || (address[whole]! ^ network.address[whole]!) >> (8 - rest) === 0;
}

/** Whether one network is the other or a part of it. */
export function isPartOf(part: Network, whole: Network): boolean {
  return part.bits >= whole.bits && isInNetwork(part.address, whole);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.', IPV4_BYTES + 1);
  const isAddress = parts.length === IPV4_BYTES && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 0xff);
  return isAddress ? Uint8Array.from(parts, Number) : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const gap = text.indexOf('::');
  const head = parseGroups(gap < 0 ? text : text.slice(0, gap), { mayEndInIpv4: gap < 0 });
  const tail = gap < 0 ? [] : parseGroups(text.slice(gap + 2), { mayEndInIpv4: true });
  if (head === undefined || tail === undefined) return undefined;
  const length = head.length + tail.length;
  // The gap stands for at least one group.
  if (gap < 0 ? length !== IPV6_GROUPS : length >= IPV6_GROUPS) return undefined;
  const bytes = new Uint8Array(IPV6_BYTES);
  const write = (group: number, at: number) => bytes.set([group >> 8, group & 0xff], at * 2);
  for (const [index, group] of head.entries()) write(group, index);
  for (const [index, group] of tail.entries()) write(group, IPV6_GROUPS - tail.length + index);
  return bytes;
}

function parseGroups(text: string, { mayEndInIpv4 }: { mayEndInIpv4: boolean }): readonly number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':', IPV6_GROUPS + 1);
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const ipv4 = mayEndInIpv4 && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (ipv4 === undefined) return undefined;
    groups.push((ipv4[0]! << 8) | ipv4[1]!, (ipv4[2]! << 8) | ipv4[3]!);
  }
  return groups;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.every((byte, index) => index >= 12 || byte === (index < 10 ? 0 : 0xff));
}

function hasNoBitsBeyond(address: Uint8Array, bits: number): boolean {
  return address.every((byte, index) => {
    const kept = Math.min(8, Math.max(0, bits - index * 8));
    return (byte & (0xff >> kept)) === 0;
  });
}
