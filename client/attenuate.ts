/*
 * Narrowing a token offline, to hand it on: whoever gets the result, with the preimage, can do less than its giver and
 * cannot take the narrowing off. What a gateway would refuse, or would skip as unknown, is refused here first (M9).
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
  /** Also adds kinds that are not known here. A gateway that does not know them either skips them: no limit at all. */
  readonly allowUnknown?: boolean;
}

/**
 * Adds caveats to a token and gives the new token's text; the old one stays as good as it was. Caveats are typed values, or
 * texts as they will stand in the token (`methods=GET`). Throws `TypeError` at a kind that is not known and
 * `RangeError` at a value that does not parse, allows more than the token does, or makes it larger than gateways read.
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
    throw new RangeError(`caveats: a token has at most ${MOST_COUNTERS} that count`);
  }
  if (encodeMacaroon(macaroon).length > LARGEST_TOKEN_BYTES)
    throw new RangeError(`caveats: a token has at most ${LARGEST_TOKEN_BYTES} bytes`);
  return formatToken(macaroon);
}

/** Holds a caveat against those before it, as the gateway will. */
function checkNarrows(
  text: string,
  { chain, services, allowUnknown }: { chain: readonly Caveat[]; services: readonly string[]; allowUnknown: boolean },
): void {
  const { condition, value } = decodeCaveat(encodeAscii(text), 'holder');
  const kind = services.map((service) => caveatKind(condition, service)).find((known) => known !== undefined) ?? caveatKind(condition);
  if (kind === undefined) {
    if (allowUnknown) return;
    throw new TypeError('caveats: a kind that is not known here; a gateway would skip it (allowUnknown adds it all the same)');
  }
  // Without `=` other gateways skip it, whatever the condition.
  if (!text.includes('=') || !kind.parses(value)) throw new RangeError(`caveats: a ${kind.name} caveat does not parse`);
  const before = chain.findLast((earlier) => earlier.condition === condition);
  if (before === undefined ? kind.isTerm : !kind.narrows(before.value, value)) {
    throw new RangeError(`caveats: a ${kind.name} caveat allows more than the token does`);
  }
}

/** The services that are left of a token: those of its last services caveat. */
function listServices(chain: readonly Caveat[]): readonly string[] {
  const services = parseServices(chain.findLast(({ condition }) => condition === 'services')?.value ?? '');
  return services === undefined ? [] : [...services.keys()];
}

const ALGORITHM = { name: 'HMAC', hash: 'SHA-256' };

const hmac: Hmac = async (key, message) => {
  const imported = await crypto.subtle.importKey('raw', Uint8Array.from(key), ALGORITHM, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign(ALGORITHM, imported, Uint8Array.from(message)));
};
