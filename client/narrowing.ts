/*
 * The restrictions that a holder can add to a token, as typed values, and the text of each. The registry of caveats decides
 * whether a text parses and only narrows (attenuate.ts). Effects: randomness, for labels.
 */
import { formatHex } from '#protocol/bytes.ts';
import { formatCaveat } from '#protocol/caveat.ts';
import { isCounting } from '#protocol/counters.ts';

/** Limits that apply together. Gateways skip kinds that they do not know: Aperture enforces only the first two. */
export interface Narrowing {
  /** Some of the token's services, or lower tiers of them: `name:tier`. */
  readonly services?: readonly string[];
  /** Valid before this instant, Unix seconds. */
  readonly validUntilSeconds?: number;
  readonly capabilities?: readonly string[];
  /** Valid from this instant on, Unix seconds. */
  readonly notBeforeSeconds?: number;
  /** In upper case; `GET` includes `HEAD`. */
  readonly methods?: readonly string[];
  /** This path and everything below it: `/v1` is not a prefix of `/v10`. */
  readonly pathPrefix?: string;
  /** Lower case, without port. */
  readonly hosts?: readonly string[];
  /** Networks that the client must be in: `203.0.113.0/24`, `2001:db8::/32`, single addresses. */
  readonly clientNetworks?: readonly string[];
  /** Number of calls for the recipient of the token, counted separately from everyone else's. */
  readonly maxCalls?: number;
  /** The most that may be spent, in msat. */
  readonly maxMsat?: bigint;
  /** The most that may be spent in a calendar month (UTC), in msat. */
  readonly maxMsatPerMonth?: bigint;
  /** The only request that it is valid for: the result of `digestRequest`. */
  readonly requestDigest?: string;
}

const LABEL_BYTES = 8;

type Writers = {
  readonly [Key in keyof Narrowing]-?: (value: NonNullable<Narrowing[Key]>, services: readonly string[]) => readonly string[];
};

const WRITERS: Writers = {
  services: (value) => [formatCaveat('services', value.join(','))],
  // Written per service, which every L402 gateway supports; a token without services gets the plain form.
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

/** Returns the texts of a narrowing for a token of these services. An unknown name is an error, and so is a missing value. */
export function formatNarrowing(narrowing: Narrowing, services: readonly string[]): readonly string[] {
  return Object.entries(narrowing).flatMap(([key, value]: [string, unknown]) => {
    if (!Object.hasOwn(WRITERS, key)) throw new TypeError(`caveats: unknown restriction: ${key}`);
    // A limit omitted by mistake would silently not apply.
    if (value === undefined || value === null) throw new TypeError(`caveats: ${key} has no value`);
    const texts = (WRITERS[key as keyof Narrowing] as (value: unknown, services: readonly string[]) => readonly string[])(value, services);
    if (texts.length === 0) throw new RangeError(`caveats: the token names no service, so ${key} cannot be added`);
    return texts;
  });
}

/** Adds a label to a counting caveat without one: two equally narrowed children must not share a counter (M7). */
export function labelCounter(text: string): string {
  const border = text.indexOf('=');
  const needsLabel = border > 0 && isCounting(text.slice(0, border)) && !text.includes(':');
  return needsLabel ? `${text}:${formatHex(crypto.getRandomValues(new Uint8Array(LABEL_BYTES)))}` : text;
}
