/*
 * The registry of the caveats that this gateway enforces (docs/caveats.md). A kind defines how its text parses, whether it
 * lets a request through, and whether it only narrows the previous caveat of its kind. An unregistered kind is skipped, as by
 * every L402 verifier; a registered kind that does not parse is refused. Pure.
 */
import { parseAccess } from './access.ts';
import { equalBytes, parseHex } from './bytes.ts';
import {
  allowsMethod,
  isBelow,
  MOST_LISTED,
  parseCallLimit,
  parseCapabilities,
  parseHosts,
  parseMethods,
  parseMsatLimit,
  parsePathPrefix,
  parseQuoteDigest,
  parseRequestDigest,
  parseSeconds,
  parseSettlement,
  type CountLimit,
} from './caveat-values.ts';
import { parseMsat } from './msat.ts';
import { cidrContains, cidrCovers, parseAddress, parseCidr, type Cidr } from './cidr.ts';
import { type CredentialRefusal, type CredentialRefusalCode } from './refusal.ts';
import { parseServices } from './services.ts';

/** The facts that caveats are judged against. */
export interface CaveatFacts {
  readonly service: string;
  readonly tier: number;
  readonly capabilities: readonly string[];
  readonly nowSeconds: number;
  readonly skewSeconds: number;
  /** Added to the minter's end, never to a holder's (M38). */
  readonly extendedBySeconds?: number | undefined;
  readonly preimage: Uint8Array;
  readonly method: string;
  /** Lower case, without port and trailing dot. */
  readonly host: string;
  /** The client's path in its canonical form, before any stripping or rewriting. */
  readonly path: string;
  /** `undefined`: unknown, which satisfies no `client` caveat. */
  readonly clientAddress?: string | undefined;
  /** Needed only if `needsRequestDigest` says so. `undefined`: unknown, which satisfies no `request` caveat. */
  readonly requestDigest?: string | undefined;
}

export interface CaveatKind {
  readonly name: string;
  /** A term of the sale: a holder may repeat or lower the minter's value, but not introduce the caveat (M1). */
  readonly isTerm: boolean;
  readonly parses: (value: string) => boolean;
  /** Why the caveat refuses the request; `undefined` if it does not. */
  readonly satisfied: (value: string, facts: CaveatFacts) => CredentialRefusal | undefined;
  /** Whether the current value allows nothing beyond the previous one. */
  readonly narrows: (previous: string, current: string) => boolean;
}

interface KindOf<Value> {
  readonly isTerm?: boolean;
  readonly parse: (text: string) => Value | undefined;
  readonly satisfied?: (value: Value, facts: CaveatFacts) => CredentialRefusal | undefined;
  readonly narrows: (previous: Value, current: Value) => boolean;
}

function kind<Value>(name: string, { isTerm = false, parse, satisfied, narrows }: KindOf<Value>): CaveatKind {
  return {
    name,
    isTerm,
    parses: (value) => parse(value) !== undefined,
    satisfied(text, facts) {
      const value = parse(text);
      return value === undefined ? no('caveat_malformed', `a ${name} caveat does not parse`) : satisfied?.(value, facts);
    },
    narrows(previous, current) {
      const before = parse(previous);
      const now = parse(current);
      return before !== undefined && now !== undefined && narrows(before, now);
    },
  };
}

const isSame = <Value>(previous: Value, current: Value) => previous === current;
const isNoMore = <Amount extends bigint | number>(previous: Amount, current: Amount) => current <= previous;
const lowers = { narrows: (previous: CountLimit, current: CountLimit) => current.limit <= previous.limit };

const VALID_UNTIL = kind('valid_until', {
  parse: parseSeconds,
  satisfied: (end, { nowSeconds, skewSeconds, extendedBySeconds = 0 }) =>
    nowSeconds < end + skewSeconds + extendedBySeconds ? undefined : no('token_expired', 'the token has expired'),
  narrows: isNoMore,
});

/** Kinds with the same name for all services. The kinds that count are enforced by the counters (counters.ts), not here. */
const KINDS = index([
  kind('services', {
    parse: parseServices,
    satisfied(services, { service, tier }) {
      const sold = services.get(service);
      if (sold === undefined) return no('service_wrong', 'the token was sold for another service');
      return sold < tier ? no('tier_too_low', 'the token was sold for a lower tier') : undefined;
    },
    narrows: (before, now) => [...now].every(([name, tier]) => tier <= (before.get(name) ?? -1)),
  }),
  kind('access', { isTerm: true, parse: (text) => (parseAccess(text) === undefined ? undefined : text), narrows: isSame }),
  kind('paid_msat', { isTerm: true, parse: parseMsat, narrows: isNoMore }),
  kind('quote', { isTerm: true, parse: parseQuoteDigest, narrows: isSame }),
  kind('settlement', { isTerm: true, parse: parseSettlement, narrows: isSame }),
  // lnget and the Go clients append this caveat when they send a token: it must equal the presented preimage.
  kind('preimage', {
    parse: parsePreimage,
    satisfied: (named, { preimage }) =>
      equalBytes(named, preimage) ? undefined : no('preimage_caveat_wrong', 'a preimage caveat names another preimage'),
    narrows: equalBytes,
  }),
  VALID_UNTIL,
  kind('not_before', {
    parse: parseSeconds,
    satisfied: (start, { nowSeconds, skewSeconds }) =>
      nowSeconds + skewSeconds >= start ? undefined : no('token_not_yet_valid', 'the token is not good yet'),
    narrows: (before, now) => now >= before,
  }),
  kind('methods', {
    parse: parseMethods,
    satisfied: (methods, { method }) =>
      allowsMethod(methods, method) ? undefined : no('caveat_method', 'the token was narrowed to other methods'),
    narrows: (before, now) => now.every((method) => allowsMethod(before, method)),
  }),
  kind('host', {
    parse: parseHosts,
    satisfied: (hosts, { host }) => (hosts.includes(host) ? undefined : no('caveat_host', 'the token was narrowed to other hosts')),
    narrows: (before, now) => now.every((host) => before.includes(host)),
  }),
  kind('path', {
    parse: parsePathPrefix,
    satisfied: (prefix, { path }) => (isBelow(prefix, path) ? undefined : no('caveat_path', 'the token was narrowed to other paths')),
    narrows: isBelow,
  }),
  kind('client', {
    parse: parseNetworks,
    satisfied(networks, { clientAddress }) {
      const address = clientAddress === undefined ? undefined : parseAddress(clientAddress);
      if (address === undefined)
        return no('caveat_client', 'the token was narrowed to some networks, and where this came from is not known');
      return networks.some((network) => cidrContains(network, address))
        ? undefined
        : no('caveat_client', 'the token was narrowed to other networks');
    },
    narrows: (before, now) => now.every((network) => before.some((whole) => cidrCovers(whole, network))),
  }),
  kind('request', {
    parse: parseRequestDigest,
    satisfied(digest, { requestDigest }) {
      if (requestDigest === undefined)
        return no('request_digest_wrong', 'the token was narrowed to one request, and this one has no digest');
      return digest === requestDigest ? undefined : no('request_digest_wrong', 'the token was narrowed to another request');
    },
    narrows: isSame,
  }),
  kind('max_calls', { parse: parseCallLimit, ...lowers }),
  kind('max_msat', { parse: parseMsatLimit, ...lowers }),
  kind('max_msat_month', { parse: parseMsatLimit, ...lowers }),
]);

/** Kinds whose name starts with the service: `<service>_valid_until`. Those of other services are unknown here. */
const SERVICE_KINDS = index([
  VALID_UNTIL,
  kind('capabilities', {
    parse: parseCapabilities,
    satisfied: (sold, { capabilities }) =>
      capabilities.every((needed) => sold.has(needed))
        ? undefined
        : no('capability_missing', 'the token was sold without a capability that is needed here'),
    narrows: (before, now) => [...now].every((capability) => before.has(capability)),
  }),
]);

/** The names of all kinds; those of the second list follow a service name and `_`. */
export const CAVEAT_KINDS: readonly string[] = [...KINDS.keys()];
export const SERVICE_CAVEAT_KINDS: readonly string[] = [...SERVICE_KINDS.keys()];

/** Returns the kind that enforces a condition, for the given service if there is one; `undefined` for a condition that is skipped. */
export function caveatKind(condition: string, service?: string): CaveatKind | undefined {
  const plain = KINDS.get(condition);
  if (plain !== undefined || service === undefined) return plain;
  return condition[service.length] === '_' && condition.startsWith(service)
    ? SERVICE_KINDS.get(condition.slice(service.length + 1))
    : undefined;
}

function parsePreimage(text: string): Uint8Array | undefined {
  const preimage = parseHex(text);
  return preimage?.length === 32 ? preimage : undefined;
}

function parseNetworks(text: string): readonly Cidr[] | undefined {
  const texts = text.split(',', MOST_LISTED + 1);
  if (texts.length > MOST_LISTED) return undefined;
  const networks: Cidr[] = [];
  for (const one of texts) {
    const network = parseCidr(one);
    if (network === undefined) return undefined;
    networks.push(network);
  }
  return networks;
}

function index(kinds: readonly CaveatKind[]): ReadonlyMap<string, CaveatKind> {
  return new Map(kinds.map((one) => [one.name, one]));
}

function no(code: CredentialRefusalCode, detail: string): CredentialRefusal {
  return { code, detail };
}
