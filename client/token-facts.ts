/*
 * What a token says of itself, read without its key: what was bought, for how long, and whether it may be good for a call. The
 * client cannot check its signature, and need not: its server will. No effects.
 */
import { parseAccess } from '#protocol/access.ts';
import { decodeCaveat, type Caveat } from '#protocol/caveat.ts';
import { allowsMethod, isBelow, parseHosts, parseMethods, parsePathPrefix, parseSeconds } from '#protocol/caveat-values.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { parseServices } from '#protocol/services.ts';
import { type Call } from './call.ts';

/** What a token says of itself. A gateway of another make may say nothing. */
export interface TokenFacts {
  readonly services: readonly string[];
  /** `unknown`: only its use will tell. */
  readonly uses: 'one' | 'many' | 'unknown';
  readonly caveats: readonly Caveat[];
}

/** Reads a token. */
export function readTokenFacts(token: string): TokenFacts {
  const parsed = parseToken(token);
  const caveats = parsed.ok ? parsed.value.caveats.map((caveat) => decodeCaveat(caveat, 'holder')) : [];
  const find = (condition: string) => caveats.find((caveat) => caveat.condition === condition)?.value;
  const services = [...(parseServices(find('services') ?? '')?.keys() ?? [])];
  if (services.length === 0) return { services, uses: 'unknown', caveats };
  const access = find('access');
  const kind = access === undefined ? 'call' : parseAccess(access)?.kind;
  return { services, uses: kind === undefined ? 'unknown' : kind === 'call' ? 'one' : 'many', caveats };
}

/** The token of a credential. */
export function tokenOf(credential: string): string {
  return credential.slice(credential.indexOf(' ') + 1, credential.lastIndexOf(':'));
}

/** Whether a credential may be good for a call, as far as its caveats tell. */
export function fitsCall(credential: string, { method, url }: Pick<Call, 'method' | 'url'>, nowSeconds: number): boolean {
  const facts = readTokenFacts(tokenOf(credential));
  if (isOver(facts, nowSeconds)) return false;
  return facts.caveats.every(({ condition, value }) => {
    if (condition === 'methods') return allowsMethod(parseMethods(value) ?? [], method);
    if (condition === 'path') return isBelow(parsePathPrefix(value) ?? '/\u0000', url.pathname);
    if (condition === 'host') return parseHosts(value)?.includes(url.hostname) === true;
    // Good for one request only, which its holder sends itself.
    return condition !== 'request';
  });
}

/** Whether the time of a credential is over, as its token says. */
export function hasEnded(credential: string, nowSeconds: number): boolean {
  return isOver(readTokenFacts(tokenOf(credential)), nowSeconds);
}

function isOver({ caveats, services }: TokenFacts, nowSeconds: number): boolean {
  const ends = new Set(['valid_until', ...services.map((service) => `${service}_valid_until`)]);
  return caveats.some(({ condition, value }) => ends.has(condition) && (parseSeconds(value) ?? 0) <= nowSeconds);
}
