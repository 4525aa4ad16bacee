/*
 * What a token says about itself, read without its key: what was bought, for how long, and whether it may be good for a call.
 * The client cannot check the signature and need not: the server will. Pure.
 */
import { parseAccess } from '#protocol/access.ts';
import { decodeCaveat, type Caveat } from '#protocol/caveat.ts';
import {
  allowsMethod,
  isBelow,
  parseCapabilities,
  parseHosts,
  parseMethods,
  parsePathPrefix,
  parseSeconds,
} from '#protocol/caveat-values.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { parseMsat } from '#protocol/msat.ts';
import { parseServices } from '#protocol/services.ts';
import { type Call } from './call.ts';

/** What a token says about itself. Tokens of other gateways may say nothing. */
export interface TokenFacts {
  readonly services: readonly string[];
  /** `unknown`: only its use will show. */
  readonly uses: 'one' | 'many' | 'unknown';
  readonly caveats: readonly Caveat[];
}

/** Reads a token. */
export function readTokenFacts(token: string): TokenFacts {
  const parsed = parseToken(token);
  const caveats = parsed.ok ? parsed.value.caveats.map((caveat) => decodeCaveat(caveat, 'holder')) : [];
  const services = [...(parseServices(valueOf({ caveats }, 'services') ?? '')?.keys() ?? [])];
  if (services.length === 0) return { services, uses: 'unknown', caveats };
  const access = valueOf({ caveats }, 'access');
  const kind = access === undefined ? 'call' : parseAccess(access)?.kind;
  return { services, uses: kind === undefined ? 'unknown' : kind === 'call' ? 'one' : 'many', caveats };
}

/** Whether it is a token of this gateway, which states the paid amount; other makes do not. */
export function tellsTerms({ caveats }: TokenFacts): boolean {
  return caveats.some(({ condition }) => condition === 'paid_msat');
}

/**
 * Whether a token may buy what another is offered for: it has the same service and, as far as both state it, at least the
 * same tier, capabilities and paid amount.
 */
export function coversOffer(token: string, offered: string): boolean {
  const held = readTokenFacts(token);
  const wanted = readTokenFacts(offered);
  const service = held.services.find((service) => wanted.services.includes(service));
  if (service === undefined) return false;
  if (!tellsTerms(held) || !tellsTerms(wanted)) return true;
  return hasTier(held, wanted, service) && hasCapabilities(held, wanted, service) && isWorth(held, wanted);
}

type Compare<Rest extends readonly unknown[] = []> = (held: TokenFacts, wanted: TokenFacts, ...rest: Rest) => boolean;

const hasTier: Compare<[string]> = (held, wanted, service) => {
  const tierOf = (facts: TokenFacts) => parseServices(valueOf(facts, 'services') ?? '')?.get(service) ?? 0;
  return tierOf(held) >= tierOf(wanted);
};

const hasCapabilities: Compare<[string]> = (held, wanted, service) => {
  const capabilitiesOf = (facts: TokenFacts) => parseCapabilities(valueOf(facts, `${service}_capabilities`) ?? '');
  const has = capabilitiesOf(held);
  return [...capabilitiesOf(wanted)].every((capability) => has.has(capability));
};

const isWorth: Compare = (held, wanted) => {
  const isCredit = (facts: TokenFacts) => parseAccess(valueOf(facts, 'access') ?? '')?.kind === 'credit';
  // The price of a call drawn from a balance is not in the token.
  if (isCredit(held) || isCredit(wanted) || valueOf(held, 'quote') === valueOf(wanted, 'quote')) return true;
  const paidFor = (facts: TokenFacts) => parseMsat(valueOf(facts, 'paid_msat') ?? '') ?? 0n;
  return paidFor(held) >= paidFor(wanted);
};

function valueOf({ caveats }: Pick<TokenFacts, 'caveats'>, condition: string): string | undefined {
  return caveats.find((caveat) => caveat.condition === condition)?.value;
}

/** Returns the token of a credential. */
export function tokenOf(credential: string): string {
  return credential.slice(credential.indexOf(' ') + 1, credential.lastIndexOf(':'));
}

/** Whether a credential may be good for a call, as far as its caveats say. */
export function fitsCall(credential: string, { method, url }: Pick<Call, 'method' | 'url'>, nowSeconds: number): boolean {
  const facts = readTokenFacts(tokenOf(credential));
  if (isOver(facts, nowSeconds)) return false;
  return facts.caveats.every(({ condition, value }) => {
    if (condition === 'methods') return allowsMethod(parseMethods(value) ?? [], method);
    if (condition === 'path') return isBelow(parsePathPrefix(value) ?? '/\u0000', url.pathname);
    if (condition === 'host') return parseHosts(value)?.includes(url.hostname) === true;
    // Valid for one request only, which its holder sends directly.
    return condition !== 'request';
  });
}

/** Whether a credential has ended, according to its token. */
export function hasEnded(credential: string, nowSeconds: number): boolean {
  return isOver(readTokenFacts(tokenOf(credential)), nowSeconds);
}

function isOver({ caveats, services }: TokenFacts, nowSeconds: number): boolean {
  const ends = new Set(['valid_until', ...services.map((service) => `${service}_valid_until`)]);
  return caveats.some(({ condition, value }) => ends.has(condition) && (parseSeconds(value) ?? 0) <= nowSeconds);
}
