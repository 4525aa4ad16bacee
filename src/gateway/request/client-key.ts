/*
 * The identity of a client that has not paid: its address, from the one source that this deployment trusts (M21), and the key
 * that quotas count by (M20). All clients with an unknown address share one key. Pure, except for a bounded cache.
 */
import { formatAddress, parseAddress, truncateAddress, type Address } from '#protocol/cidr.ts';
import { findRegion } from '#protocol/region.ts';
import { type ClientKey } from '../../ports.ts';

/**
 * The source of a client's address. `cloudflare`: CF-Connecting-IP, which Cloudflare's edge sets; anywhere else a client can
 * forge it. `socket`: the peer of the connection. Behind a proxy that is the proxy, and all its clients count as one.
 * `trustedHops`: X-Forwarded-For, counted from the right, where this many of the seller's own proxies have written.
 */
export type ClientAddressSource = 'cloudflare' | 'socket' | { readonly trustedHops: number };

/** What policies know of a client. */
export interface ClientFacts {
  readonly address: Address | undefined;
  /** The same text for every spelling of the address. */
  readonly addressText: string | undefined;
  readonly key: ClientKey;
  /** Two letters; only Cloudflare's edge provides it. */
  readonly country: string | undefined;
  /** The number of the network; only Cloudflare's edge provides it. */
  readonly asn: number | undefined;
  /** The part of the world where the edge received the request, if it says so. */
  readonly region: number;
}

export interface ClientRequest {
  readonly headers: Headers;
  /** The platform's data about the connection. A client cannot forge it, unless a `cfBlobHeader` is configured. */
  readonly cf?: unknown;
}

/** An IPv6 customer has at least a /64, often a /48: one of them is one client (M20). */
const CLIENT_PREFIX = 64;
const GROUP_PREFIX = 48;
const IPV4_NETWORK_PREFIX = 24;
/** Substitutes for an unknown ASN: the prefixes that registries usually assign to a provider. */
const IPV4_AREA_PREFIX = 16;
const IPV6_AREA_PREFIX = 32;
const UNKNOWN_CLIENT: ClientKey = { key: 'unknown' };
/** Cloudflare's value for an unknown country. */
const NO_COUNTRY = 'XX';

/** Reads the facts that policies need about a client. Without a configured source: Cloudflare's if its edge is present, else the socket. */
export function readClientFacts(request: ClientRequest, source: ClientAddressSource | undefined): ClientFacts {
  // `request.cf` is a new object on each access: not read if the source does not need it.
  const edge = source === undefined || source === 'cloudflare' ? readPlatformFacts(request) : NOTHING;
  // Only the edge names its data centre; raw workerd sets only `clientIp`.
  const trusted = source ?? (typeof edge['colo'] === 'string' ? 'cloudflare' : 'socket');
  const cf = trusted === 'socket' ? readPlatformFacts(request) : edge;
  const { address, addressText, key } = nameAddress(readAddressText(trusted, { headers: request.headers, cf }));
  // Behind a proxy too: objects near the proxy are near the gateway.
  const { continent, longitude } = edge === NOTHING ? readPlatformFacts(request) : edge;
  const { country, asn } = trusted === 'cloudflare' ? edge : NOTHING;
  const [network] = key.crowd ?? [];
  return {
    address,
    addressText,
    key: network !== undefined && typeof asn === 'number' ? { ...key, crowd: [network, `as ${asn}`] } : key,
    country: typeof country === 'string' && country !== NO_COUNTRY ? country : undefined,
    asn: typeof asn === 'number' ? asn : undefined,
    region: findRegion(continent, longitude),
  };
}

/** Whether a trusted party wrote the proxy fields about client and scheme. Otherwise the client may have forged them. */
export function isVouchedFor(request: ClientRequest, source: ClientAddressSource | undefined): boolean {
  return source === undefined ? isFromEdge(request) : source !== 'socket';
}

/** Whether Cloudflare's edge has taken the request in: raw workerd sets only `clientIp`. */
export function isFromEdge(request: ClientRequest): boolean {
  return typeof readPlatformFacts(request)['colo'] === 'string';
}

const NOTHING: Readonly<Record<string, unknown>> = {};

function readPlatformFacts({ cf }: ClientRequest): Readonly<Record<string, unknown>> {
  return typeof cf === 'object' && cf !== null ? (cf as Readonly<Record<string, unknown>>) : NOTHING;
}

/** Returns the key of a client: an IPv4 address, or the /64 of an IPv6 address with its /48 as group; also its network and area. */
export function nameClient(address: Address | undefined): ClientKey {
  if (address === undefined) return UNKNOWN_CLIENT;
  const name = (prefix: number) => `${formatAddress(truncateAddress(address, prefix))}/${prefix}`;
  if (address.bits === 32) return { key: formatAddress(address), crowd: [name(IPV4_NETWORK_PREFIX), name(IPV4_AREA_PREFIX)] };
  const group = name(GROUP_PREFIX);
  return { key: name(CLIENT_PREFIX), group, crowd: [group, name(IPV6_AREA_PREFIX)] };
}

/** What a client is held to: itself, and its IPv6 /48. Both are empty if its address is unknown: such clients are not one client. */
export function namesOf({ address, key: { key, group } }: Pick<ClientFacts, 'address' | 'key'>): {
  readonly own: readonly string[];
  readonly network: readonly string[];
} {
  return { own: address === undefined ? [] : [key], network: address === undefined || group === undefined ? [] : [group] };
}

type NamedAddress = Pick<ClientFacts, 'address' | 'addressText' | 'key'>;

/** Caches parsed addresses: clients return, and parsing costs more than everything else done with an address. */
const named = new Map<string, NamedAddress>();
const MOST_NAMED = 1024;

function nameAddress(text: string): NamedAddress {
  const known = named.get(text);
  if (known !== undefined) return known;
  const address = parseAddress(text);
  const made = { address, addressText: address === undefined ? undefined : formatAddress(address), key: nameClient(address) };
  // Text that is not an address is cheap to reject and may be of any length: not cached.
  if (address === undefined) return made;
  if (named.size === MOST_NAMED) named.delete(named.keys().next().value!);
  named.set(text, made);
  return made;
}

function readAddressText(
  source: ClientAddressSource,
  { headers, cf }: { headers: Headers; cf: Readonly<Record<string, unknown>> },
): string {
  if (source === 'cloudflare') return headers.get('cf-connecting-ip') ?? '';
  if (source === 'socket') return typeof cf['clientIp'] === 'string' ? withoutPort(cf['clientIp']) : '';
  // A request that bypasses the proxies has fewer entries than hops, and so no address.
  const written = (headers.get('x-forwarded-for') ?? '').split(',');
  return withoutPort((written[written.length - source.trustedHops] ?? '').trim());
}

/** Removes the port from `192.0.2.1:80`, `[2001:db8::1]:80`, `[2001:db8::1]`, or an address alone. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::[0-9]{1,5})?$/.exec(text);
  if (bracketed !== null) return bracketed[1]!;
  return /^[0-9.]+:[0-9]{1,5}$/.test(text) ? text.slice(0, text.indexOf(':')) : text;
}
