/*
 * Who a client is as long as it has not paid: its address, from the one place that this deployment trusts (M21), and the
 * key that quotas count by (M20). A client whose address cannot be told shares one key with all such clients. Pure.
 */
import { formatAddress, parseAddress, truncateAddress, type Address } from '#protocol/cidr.ts';
import { findRegion } from '#protocol/region.ts';
import { type ClientKey } from '../../ports.ts';

/**
 * Where a client's address is read.
 * `cloudflare`: CF-Connecting-IP, which Cloudflare's edge sets; anywhere else a client can write it.
 * `socket`: the peer of the connection. Behind a proxy that is the proxy, and all its clients are one.
 * `trustedHops`: X-Forwarded-For, counted from its right end, where so many proxies of one's own have written.
 */
export type ClientAddressSource = 'cloudflare' | 'socket' | { readonly trustedHops: number };

/** What policies know of a client. */
export interface ClientFacts {
  readonly address: Address | undefined;
  /** The same for every spelling of the address. */
  readonly addressText: string | undefined;
  readonly key: ClientKey;
  /** Two letters; only Cloudflare's edge tells. */
  readonly country: string | undefined;
  /** The number of the network; only Cloudflare's edge tells. */
  readonly asn: number | undefined;
  /** The part of the world where the edge took the request in, if it tells. */
  readonly region: number;
}

export interface ClientRequest {
  readonly headers: Headers;
  /** What the platform says about the connection. A client cannot write it, unless a `cfBlobHeader` is configured. */
  readonly cf?: unknown;
}

/** An IPv6 customer has a /64 at least, and often a /48: one of them is one client (M20). */
const CLIENT_PREFIX = 64;
const GROUP_PREFIX = 48;
const IPV4_NETWORK_PREFIX = 24;
/** What stands for an ASN where nobody tells it: what registries hand out to a provider, as a rule. */
const IPV4_AREA_PREFIX = 16;
const IPV6_AREA_PREFIX = 32;
const UNKNOWN_CLIENT: ClientKey = { key: 'unknown' };
/** What Cloudflare says when it does not know the country. */
const NO_COUNTRY = 'XX';

/** Reads what the policies need to know of a client. Without a source: Cloudflare's where its edge speaks, else the socket. */
export function readClientFacts(request: ClientRequest, source: ClientAddressSource | undefined): ClientFacts {
  // The platform makes a new object of it at each look, so none is taken where the answer is known.
  const edge = source === undefined || source === 'cloudflare' ? readPlatformFacts(request) : NOTHING;
  // Only the edge names its data centre; raw workerd says no more than `clientIp`.
  const trusted = source ?? (typeof edge['colo'] === 'string' ? 'cloudflare' : 'socket');
  const cf = trusted === 'socket' ? readPlatformFacts(request) : edge;
  const { address, addressText, key } = nameAddress(readAddressText(trusted, { headers: request.headers, cf }));
  // Also behind a proxy: what is near it is near the objects that it asks for.
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

/** Whether what proxies say of client and scheme was written by somebody who is trusted here; else by the client, and an origin could take it for the truth. */
export function isVouchedFor(request: ClientRequest, source: ClientAddressSource | undefined): boolean {
  return source === undefined ? isFromEdge(request) : source !== 'socket';
}

/** Whether Cloudflare's edge has taken the request in: raw workerd says no more than `clientIp`. */
export function isFromEdge(request: ClientRequest): boolean {
  return typeof readPlatformFacts(request)['colo'] === 'string';
}

const NOTHING: Readonly<Record<string, unknown>> = {};

function readPlatformFacts({ cf }: ClientRequest): Readonly<Record<string, unknown>> {
  return typeof cf === 'object' && cf !== null ? (cf as Readonly<Record<string, unknown>>) : NOTHING;
}

/** The key of a client: an IPv4 address, or the /64 of an IPv6 address with its /48 as group; and whom it comes from. */
export function nameClient(address: Address | undefined): ClientKey {
  if (address === undefined) return UNKNOWN_CLIENT;
  const name = (prefix: number) => `${formatAddress(truncateAddress(address, prefix))}/${prefix}`;
  if (address.bits === 32) return { key: formatAddress(address), crowd: [name(IPV4_NETWORK_PREFIX), name(IPV4_AREA_PREFIX)] };
  const group = name(GROUP_PREFIX);
  return { key: name(CLIENT_PREFIX), group, crowd: [group, name(IPV6_AREA_PREFIX)] };
}

type NamedAddress = Pick<ClientFacts, 'address' | 'addressText' | 'key'>;

/** What was made of an address is kept: clients come again, and reading one costs more than all that is asked of it. */
const named = new Map<string, NamedAddress>();
const MOST_NAMED = 1024;

function nameAddress(text: string): NamedAddress {
  const known = named.get(text);
  if (known !== undefined) return known;
  const address = parseAddress(text);
  const made = { address, addressText: address === undefined ? undefined : formatAddress(address), key: nameClient(address) };
  // What is no address costs next to nothing to read, and can be of any length.
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
  // Whoever comes past the proxies has fewer entries than there are hops, and no address.
  const written = (headers.get('x-forwarded-for') ?? '').split(',');
  return withoutPort((written[written.length - source.trustedHops] ?? '').trim());
}

/** Of `192.0.2.1:80`, `[2001:db8::1]:80`, `[2001:db8::1]`, or an address alone. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::[0-9]{1,5})?$/.exec(text);
  if (bracketed !== null) return bracketed[1]!;
  return /^[0-9.]+:[0-9]{1,5}$/.test(text) ? text.slice(0, text.indexOf(':')) : text;
}
