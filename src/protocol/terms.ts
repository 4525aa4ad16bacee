/*
 * The terms of a sale, as the minter's own caveats state them (M1, M5). They have no other source; a holder's caveats only
 * count as further limits (caveat.ts). Pure.
 */
import { formatAccess, ONE_CALL, parseAccess, type Access } from './access.ts';
import { formatCaveat, type Caveat } from './caveat.ts';
import { parseCapabilities, parseQuoteDigest, parseSeconds } from './caveat-values.ts';
import { parseMsat, type Msat } from './msat.ts';
import { type CredentialRefusal } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';
import { parseServices } from './services.ts';
import { type AccessKind } from './token-id.ts';

export type { Access };

export interface Terms {
  readonly service: string;
  readonly tier: number;
  /** `undefined`: none (M46). */
  readonly capabilities?: readonly string[];
  /** `undefined`: one call. */
  readonly access?: Access;
  readonly validUntilSeconds: number;
  readonly paidMsat: Msat;
  /** A digest of the inputs of the price; 32 hex digits. */
  readonly quoteDigest: string;
  /** `strict`: others may have seen the preimage before the payment, so it does not prove one (M24). */
  readonly settlement?: 'strict' | undefined;
}

/**
 * Formats the caveats of a sale, in Aperture's order. Throws on terms that would read back differently: the payer would have
 * paid for something else, or for nothing.
 */
export function formatTerms(terms: Terms): readonly string[] {
  const { service, tier, capabilities, access = ONE_CALL, validUntilSeconds, paidMsat, quoteDigest, settlement } = terms;
  // A separator in the name would sell two services, or write a caveat of another kind.
  if (/[:,=]/.test(service) || parseServices(`${service}:${tier}`)?.get(service) !== tier) {
    throw new RangeError('service, tier: a name without borders and an integer from 0 to 255');
  }
  if (capabilities?.some((capability) => capability === '' || capability.includes(','))) {
    throw new RangeError('capabilities: names without commas');
  }
  if (parseSeconds(String(validUntilSeconds)) === undefined) throw new RangeError('validUntilSeconds: unix seconds');
  if (parseMsat(String(paidMsat)) === undefined) throw new RangeError('paidMsat: from 0 to 21 million bitcoin');
  if (parseQuoteDigest(quoteDigest) === undefined) throw new RangeError('quoteDigest: 32 hex digits in lower case');
  const accessText = formatAccess(access);
  return [
    formatCaveat('services', `${service}:${tier}`),
    ...(capabilities === undefined ? [] : [formatCaveat(`${service}_capabilities`, capabilities.join(','))]),
    ...(accessText === undefined ? [] : [formatCaveat('access', accessText)]),
    formatCaveat(`${service}_valid_until`, String(validUntilSeconds)),
    formatCaveat('paid_msat', String(paidMsat)),
    formatCaveat('quote', quoteDigest),
    ...(settlement === undefined ? [] : [formatCaveat('settlement', settlement)]),
  ];
}

/** The terms that the caller needs. Services are judged as a caveat, not here. */
export interface SoldTerms extends Pick<Terms, 'validUntilSeconds' | 'paidMsat' | 'quoteDigest' | 'settlement'> {
  readonly access: Access;
  readonly capabilities: ReadonlySet<string>;
}

/**
 * Reads the terms from the minter's caveats, once the caveats have been judged for this service. This gateway never sold a
 * token without services, end, amount or quote, or one whose id names another kind of access.
 */
export function readTerms(
  caveats: readonly Caveat[],
  { service, accessKind }: { service: string; accessKind: AccessKind },
): Result<SoldTerms, CredentialRefusal> {
  const find = (condition: string) => caveats.find((caveat) => caveat.author === 'minter' && caveat.condition === condition)?.value;
  if (find('services') === undefined) return missing('services');
  const validUntilSeconds = parseSeconds(find(`${service}_valid_until`) ?? '');
  if (validUntilSeconds === undefined) return missing('valid_until');
  const paidMsat = parseMsat(find('paid_msat') ?? '');
  if (paidMsat === undefined) return missing('paid_msat');
  const quoteDigest = parseQuoteDigest(find('quote') ?? '');
  if (quoteDigest === undefined) return missing('quote');
  const accessText = find('access');
  const access = accessText === undefined ? ONE_CALL : parseAccess(accessText);
  if (access?.kind !== accessKind) return missing('the access that its id names');
  // Any value counts as strict: one that does not parse was refused before.
  const settlement = find('settlement') === undefined ? undefined : 'strict';
  const capabilities = parseCapabilities(find(`${service}_capabilities`) ?? '');
  return accept({ access, validUntilSeconds, paidMsat, quoteDigest, settlement, capabilities });
}

function missing(term: string): Result<never, CredentialRefusal> {
  return refuse({ code: 'terms_missing', detail: `the token was minted without ${term}` });
}
