/*
 * `Authorization`, both ways: the credential that a payer sends, and what every known sender makes of it. The L402
 * credentials are cut out of the field and the rest is kept as it was, for an origin that has its own use for it
 * (M27). Reading never throws. No effects.
 */
import { formatHex, formatBase64, parseHex } from './bytes.ts';
import { parseToken, type Macaroon } from './macaroon-codec.ts';
import { type CredentialRefusal, type CredentialRefusalCode } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

/** Where gRPC clients put a macaroon; an origin may have a use of its own for the names. In the order in which they are read. */
export const METADATA_FIELDS: readonly string[] = ['grpc-metadata-token', 'token', 'grpc-metadata-macaroon', 'macaroon'];

export interface Credential {
  readonly macaroon: Macaroon;
  readonly preimage: Uint8Array;
}

/** `L402 token:preimage`; LSAT only towards a server that offered nothing else. */
export function formatCredential({ scheme, token, preimage }: { scheme: 'L402' | 'LSAT'; token: string; preimage: Uint8Array }): string {
  return `${scheme} ${token}:${formatHex(preimage)}`;
}

/** A field value, taken apart: the L402 credential texts in order, and all the rest. */
export interface AuthorizationParts {
  readonly credentials: readonly string[];
  readonly rest: string;
}

/**
 * Takes apart an `Authorization` value, or several that were joined by commas. A credential text is what follows the
 * scheme; pieces after a comma belong to it until it has its preimage (`L402 token1,token2:preimage`) or another
 * scheme begins. After the preimage, a piece without a colon is none of ours: an origin's bare key from another line.
 */
export function splitAuthorization(text: string): AuthorizationParts {
  const credentials: string[] = [];
  const rest: string[] = [];
  let reading: 'other' | 'tokens' | 'complete' = 'other';
  for (const piece of splitAtCommas(text)) {
    const scheme = readScheme(piece);
    if (scheme !== undefined && !isL402(scheme)) {
      // Ours under another scheme is not read, and goes nowhere.
      if (!looksLikeCredential(piece)) rest.push(piece);
      reading = 'other';
    } else if (scheme !== undefined) {
      const credential = piece.slice(scheme.length).replace(/^[:=]/, '').trim();
      credentials.push(credential);
      reading = credential.includes(':') ? 'complete' : 'tokens';
    } else if (reading === 'tokens') {
      credentials.push(`${credentials.pop() ?? ''},${piece}`);
      reading = piece.includes(':') ? 'complete' : 'tokens';
    } else if (reading === 'complete' && TOKEN_WITH_PREIMAGE.test(piece)) credentials.push(piece);
    else if (!looksLikeCredential(piece)) rest.push(piece);
  }
  return { credentials, rest: rest.join(', ') };
}

const TOKEN_WITH_PREIMAGE = /^[A-Za-z0-9+/=_-]+\s*:\s*[0-9a-fA-F]+$/;

/** The scheme that a piece begins with: a word and something after it that is neither its value nor a preimage. */
function readScheme(piece: string): string | undefined {
  const word = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/.exec(piece)?.[0];
  if (word === undefined) return undefined;
  const after = piece.slice(word.length);
  // Ours may stand alone, or before a colon or an equals sign where a blank should be: never a thing to pass on.
  if (isL402(word) && /^([\s:=]|$)/.test(after)) return word;
  return /^\s/.test(after) && !/^[=:]/.test(after.trimStart()) ? word : undefined;
}

/** The first bytes of a macaroon of version 2 in base64 or hex. */
const MACAROON_START = /Ag[EI][A-Za-z0-9+/_-]{40}|020[12][0-9a-fA-F]{60}/;
/** A preimage behind a colon, or in a caveat in hex: `preimage=`. */
const PREIMAGE = /:\s*["']?[0-9a-fA-F]{64}|707265696d6167653d/i;

/** Whether a text holds what could be spent here, whatever stands around it: a macaroon, and behind it a preimage. */
export function looksLikeCredential(text: string): boolean {
  const start = text.search(MACAROON_START);
  return start >= 0 && PREIMAGE.test(text.slice(start));
}

/**
 * Reads one credential text: one or more tokens with commas, a colon, the preimage. Each token with that preimage is a
 * credential of its own; one that does not parse takes nothing away from those beside it.
 */
export function parseCredential(text: string): Result<readonly Credential[], CredentialRefusal> {
  const border = text.lastIndexOf(':');
  if (border < 0) return no('preimage_missing', 'the credential has no preimage after its token');
  const preimage = parsePreimage(text.slice(border + 1).trim());
  if (preimage === undefined) return no('preimage_malformed', 'the preimage is not 64 hex digits');
  const macaroons = text
    .slice(0, border)
    .split(',')
    .map((token) => parseToken(token.trim()));
  const credentials = macaroons.flatMap((macaroon) => (macaroon.ok ? [{ macaroon: macaroon.value, preimage }] : []));
  const refused = macaroons.find((macaroon) => !macaroon.ok);
  return credentials.length === 0 && refused !== undefined ? refused : accept(credentials);
}

/**
 * Reads a macaroon in hex with its preimage in a caveat: what a native gRPC client puts into its metadata. Nothing if
 * the text is something else, since the header's name (`Macaroon`) can have another use at the origin.
 */
export function parseMetadataMacaroon(text: string): Credential | undefined {
  if (!text.startsWith('02') || parseHex(text) === undefined) return undefined;
  const macaroon = parseToken(text);
  if (!macaroon.ok) return undefined;
  const prefix = 'preimage=';
  for (const caveat of macaroon.value.caveats.toReversed()) {
    const words = String.fromCharCode(...caveat);
    const preimage = words.startsWith(prefix) ? parsePreimage(words.slice(prefix.length)) : undefined;
    if (preimage !== undefined) return { macaroon: macaroon.value, preimage };
  }
  return undefined;
}

/**
 * 64 hex digits in either case. 96 digits are what one deployed payer makes of them: it takes its node's hex for
 * base64. The payment hash decides whether the reading was right, so this leniency costs nothing and saves a payment.
 */
export function parsePreimage(text: string): Uint8Array | undefined {
  const bytes = parseHex(text);
  if (bytes?.length === 48) {
    const inner = parseHex(formatBase64(bytes));
    return inner?.length === 32 ? inner : undefined;
  }
  return bytes?.length === 32 ? bytes : undefined;
}

function isL402(scheme: string): boolean {
  return /^(l402|lsat)$/i.test(scheme);
}

/** Commas inside double quotes belong to another scheme's parameter. */
function splitAtCommas(text: string): readonly string[] {
  if (!text.includes(',')) return text.trim() === '' ? [] : [text.trim()];
  const quoted = /"(?:[^"\\]|\\.)*"/sy;
  const pieces: string[] = [];
  let start = 0;
  let offset = 0;
  let quotes = true;
  while (offset < text.length) {
    quoted.lastIndex = offset;
    const quote = quotes && text[offset] === '"' ? quoted.exec(text)?.[0] : '';
    // A quote that is never closed would hide every credential after it: from here on it is a letter like any other.
    if (quote === undefined) quotes = false;
    if (text[offset] === ',') {
      pieces.push(text.slice(start, offset));
      start = offset + 1;
    }
    offset += quote?.length || 1;
  }
  pieces.push(text.slice(start));
  return pieces.map((piece) => piece.trim()).filter((piece) => piece !== '');
}

function no(code: CredentialRefusalCode, detail: string): Result<never, CredentialRefusal> {
  return refuse({ code, detail });
}
