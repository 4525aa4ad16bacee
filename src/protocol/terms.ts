/*
 * The terms of a sale: what the minter's own caveats say (M1, M5). They are read from nowhere else; what a holder
 * appends can only be judged as a further limit (caveat.ts). No effects.
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
  /** Left out: none (M46). */
  readonly capabilities?: readonly string[];
  /** None: one call. */
  readonly access?: Access;
  readonly validUntilSeconds: number;
  readonly paidMsat: Msat;
  /** A digest of what the price was asked for; 32 hex digits. */
  readonly quoteDigest: string;
  /** `strict`: others may have seen the preimage before it was paid for, so it proves no payment (M24). */
  readonly settlement?: 'strict' | undefined;
}

/**
 * The caveats of a sale, in the order in which Aperture writes its own. Terms that would not read back as they are given
 * are a fault of the caller: a payer would have paid for something else, or for nothing.
 */
export function formatTerms(terms: Terms): readonly string[] {
  const { service, tier, capabilities, access = ONE_CALL, validUntilSeconds, paidMsat, quoteDigest, settlement } = terms;
  // A border inside the name would sell two services, or write a caveat of another kind.
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

/** What policy needs of the terms. The services are judged as a caveat, not here. */
export interface SoldTerms extends Pick<Terms, 'validUntilSeconds' | 'paidMsat' | 'quoteDigest' | 'settlement'> {
  readonly access: Access;
  readonly capabilities: ReadonlySet<string>;
}

/**
 * Reads the terms from the minter's caveats, after the caveats have been judged for this service. A token without
 * services, end, amount or quote was never sold by this gateway, nor was one whose id names another kind of access.
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
  // Whatever it says: a value that does not parse has been refused before.
  const settlement = find('settlement') === undefined ? undefined : 'strict';
  const capabilities = parseCapabilities(find(`${service}_capabilities`) ?? '');
  return accept({ access, validUntilSeconds, paidMsat, quoteDigest, settlement, capabilities });
}

function missing(term: string): Result<never, CredentialRefusal> {
  return refuse({ code: 'terms_missing', detail: `the token was minted without ${term}` });
}
