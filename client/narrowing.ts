/*
 * What a holder can narrow a token to, as typed values, and the text of each. Whether a text parses and only narrows is
 * for the registry of caveats to say (attenuate.ts). Random labels are drawn here.
 */
import { formatHex } from '#protocol/bytes.ts';
import { formatCaveat } from '#protocol/caveat.ts';
import { isCounting } from '#protocol/counters.ts';

/** Limits, all of which hold. Gateways skip kinds that they do not know: Aperture enforces the first two only. */
export interface Narrowing {
  /** Some of the token's services, or lower tiers of them: `name:tier`. */
  readonly services?: readonly string[];
  /** Good before this instant, unix seconds. */
  readonly validUntilSeconds?: number;
  readonly capabilities?: readonly string[];
  /** Good from this instant on, unix seconds. */
  readonly notBeforeSeconds?: number;
  /** In upper case; `GET` includes `HEAD`. */
  readonly methods?: readonly string[];
  /** This path and everything below it: `/v1` is not a prefix of `/v10`. */
  readonly pathPrefix?: string;
  /** Lower case, without port. */
  readonly hosts?: readonly string[];
  /** Where the client must be: `203.0.113.0/24`, `2001:db8::/32`, single addresses. */
  readonly clientNetworks?: readonly string[];
  /** Calls that are left to whoever gets the token, counted apart from everyone else's. */
  readonly maxCalls?: number;
  /** What may be spent of it, in msat. */
  readonly maxMsat?: bigint;
  /** What may be spent of it in a calendar month (UTC), in msat. */
  readonly maxMsatPerMonth?: bigint;
  /** The one request that it is good for: what `digestRequest` gives. */
  readonly requestDigest?: string;
}

const LABEL_BYTES = 8;

type Writers = {
  readonly [Key in keyof Narrowing]-?: (value: NonNullable<Narrowing[Key]>, services: readonly string[]) => readonly string[];
};

const WRITERS: Writers = {
  services: (value) => [formatCaveat('services', value.join(','))],
  // Said of each service, since every L402 gateway knows that; of a token without services nothing else can be said.
  validUntilSeconds: (value, services) =>
    (services.length === 0 ? ['valid_until'] : services.map((service) => `${service}_valid_until`)).map((condition) =>
      formatCaveat(condition, String(value)),
    ),
  capabilities: (value, services) => services.map((service) => formatCaveat(`${service}_capabilities`, value.join(','))),
  notBeforeSeconds: (value) => [formatCaveat('not_before', String(value))],
  methods: (value) => [formatCaveat('methods', value.join(','))],
  pathPrefix: (value) => [formatCaveat('path', value)],
  hosts: (value) => [formatCaveat('host', value.join(','))],
  clientNetworks: (value) => [formatCaveat('client', value.join(','))],
  maxCalls: (value) => [formatCaveat('max_calls', String(value))],
  maxMsat: (value) => [formatCaveat('max_msat', String(value))],
  maxMsatPerMonth: (value) => [formatCaveat('max_msat_month', String(value))],
  requestDigest: (value) => [formatCaveat('request', value)],
};

/** The texts of a narrowing for a token of these services. A name that does not exist is a mistake, and so is a missing value. */
export function formatNarrowing(narrowing: Narrowing, services: readonly string[]): readonly string[] {
  return Object.entries(narrowing).flatMap(([key, value]: [string, unknown]) => {
    if (!Object.hasOwn(WRITERS, key)) throw new TypeError(`caveats: ${key} is no kind of narrowing`);
    // Left out by mistake, a limit would silently not be there.
    if (value === undefined || value === null) throw new TypeError(`caveats: ${key} has no value`);
    const texts = (WRITERS[key as keyof Narrowing] as (value: unknown, services: readonly string[]) => readonly string[])(value, services);
    if (texts.length === 0) throw new RangeError(`caveats: the token has no service that ${key} could be said of`);
    return texts;
  });
}

/** Gives a counting caveat its label, if it has none: two children narrowed alike must not count as one (M7). */
export function labelCounter(text: string): string {
  const border = text.indexOf('=');
  const needsLabel = border > 0 && isCounting(text.slice(0, border)) && !text.includes(':');
  return needsLabel ? `${text}:${formatHex(crypto.getRandomValues(new Uint8Array(LABEL_BYTES)))}` : text;
}
