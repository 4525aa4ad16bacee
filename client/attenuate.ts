/*
 * Narrows a token offline, so that it can be handed on: with the preimage, the recipient can do less than the giver and
 * cannot remove the restriction. Caveats that a gateway would refuse, or skip as unknown, are refused here first (M9).
 * Effects: the platform's HMAC and randomness.
 */
import { encodeAscii } from '#protocol/bytes.ts';
import { decodeCaveat, type Caveat } from '#protocol/caveat.ts';
import { caveatKind } from '#protocol/caveat-kinds.ts';
import { isCounting, MOST_COUNTERS } from '#protocol/counters.ts';
import { type Hmac } from '#protocol/hmac.ts';
import { addCaveat } from '#protocol/macaroon.ts';
import { encodeMacaroon, formatToken, LARGEST_TOKEN_BYTES, MOST_CAVEATS, parseToken } from '#protocol/macaroon-codec.ts';
import { parseServices } from '#protocol/services.ts';
import { formatNarrowing, labelCounter, type Narrowing } from './narrowing.ts';

export interface AttenuateOptions {
  /** Also adds kinds that are unknown here. A gateway that does not know them either skips them, so they restrict nothing. */
  readonly allowUnknown?: boolean;
}

/**
 * Adds caveats to a token and returns the new token's text; the old one stays valid. Caveats are typed values, or texts as
 * written in the token (`methods=GET`). Throws `TypeError` for an unknown kind, and `RangeError` for a value that does not
 * parse, allows more than the token does, or makes it larger than gateways read.
 */
export async function attenuate(
  token: string,
  caveats: Narrowing | readonly (Narrowing | string)[],
  { allowUnknown = false }: AttenuateOptions = {},
): Promise<string> {
  const parsed = parseToken(token);
  if (!parsed.ok) throw new RangeError(`token: ${parsed.refusal.detail}`);
  const chain = parsed.value.caveats.map((caveat) => decodeCaveat(caveat, 'holder'));
  const services = listServices(chain);
  const list: readonly (Narrowing | string)[] = Array.isArray(caveats) ? caveats : [caveats as Narrowing];
  const texts = list.flatMap((one) => (typeof one === 'string' ? [one] : formatNarrowing(one, services))).map(labelCounter);
  if (texts.length === 0) throw new RangeError('caveats: nothing to add');
  if (chain.length + texts.length > MOST_CAVEATS) throw new RangeError(`caveats: a token has at most ${MOST_CAVEATS}`);
  let macaroon = parsed.value;
  for (const text of texts) {
    const caveat = encodeAscii(text);
    checkNarrows(text, { chain, services, allowUnknown });
    chain.push(decodeCaveat(caveat, 'holder'));
    macaroon = await addCaveat(macaroon, { caveat, hmac });
  }
  if (chain.filter(({ condition }) => isCounting(condition)).length > MOST_COUNTERS) {
    throw new RangeError(`caveats: at most ${MOST_COUNTERS} counting caveats`);
  }
  if (encodeMacaroon(macaroon).length > LARGEST_TOKEN_BYTES)
    throw new RangeError(`caveats: the narrowed token would exceed ${LARGEST_TOKEN_BYTES} bytes`);
  return formatToken(macaroon);
}

/** Checks a caveat against the earlier ones, as the gateway will. */
function checkNarrows(
  text: string,
  { chain, services, allowUnknown }: { chain: readonly Caveat[]; services: readonly string[]; allowUnknown: boolean },
): void {
  const { condition, value } = decodeCaveat(encodeAscii(text), 'holder');
  const kind = services.map((service) => caveatKind(condition, service)).find((known) => known !== undefined) ?? caveatKind(condition);
  if (kind === undefined) {
    if (allowUnknown) return;
    throw new TypeError('caveats: unknown kind; gateways would ignore it. Set allowUnknown to add it anyway');
  }
  // Without `=` other gateways skip it, whatever the condition.
  if (!text.includes('=') || !kind.parses(value)) throw new RangeError(`caveats: a ${kind.name} caveat does not parse`);
  const before = chain.findLast((earlier) => earlier.condition === condition);
  if (before === undefined ? kind.isTerm : !kind.narrows(before.value, value)) {
    throw new RangeError(`caveats: a ${kind.name} caveat allows more than the token does`);
  }
}

/** Returns the remaining services of a token: those of its last services caveat. */
function listServices(chain: readonly Caveat[]): readonly string[] {
  const services = parseServices(chain.findLast(({ condition }) => condition === 'services')?.value ?? '');
  return services === undefined ? [] : [...services.keys()];
}

const ALGORITHM = { name: 'HMAC', hash: 'SHA-256' };

const hmac: Hmac = async (key, message) => {
  const imported = await crypto.subtle.importKey('raw', Uint8Array.from(key), ALGORITHM, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign(ALGORITHM, imported, Uint8Array.from(message)));
};
