/*
 * `Authorization`, written and read: the credential that a payer sends, in the forms of every known sender. L402 credentials
 * are cut out of the field and the rest is kept unchanged for the origin (M27). Reading never throws. Pure.
 */
import { formatHex, formatBase64, parseHex } from './bytes.ts';
import { parseToken, type Macaroon } from './macaroon-codec.ts';
import { type CredentialRefusal, type CredentialRefusalCode } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

/** Fields in which gRPC clients send a macaroon, in the order in which they are read. An origin may use these names for something else. */
export const METADATA_FIELDS: readonly string[] = ['grpc-metadata-token', 'token', 'grpc-metadata-macaroon', 'macaroon'];

export interface Credential {
  readonly macaroon: Macaroon;
  readonly preimage: Uint8Array;
}

/** Formats `L402 token:preimage`; LSAT only for a server that offered nothing else. */
export function formatCredential({ scheme, token, preimage }: { scheme: 'L402' | 'LSAT'; token: string; preimage: Uint8Array }): string {
  return `${scheme} ${token}:${formatHex(preimage)}`;
}

/** A split field value: the L402 credential texts in order, and the rest. */
export interface AuthorizationParts {
  readonly credentials: readonly string[];
  readonly rest: string;
}

/**
 * Splits an `Authorization` value, or several joined by commas. A credential text follows the scheme; pieces after a comma
 * belong to it until it has its preimage (`L402 token1,token2:preimage`) or another scheme begins. After the preimage, a
 * piece without a colon is not L402: it is an origin's bare key from another header line.
 */
export function splitAuthorization(text: string): AuthorizationParts {
  const credentials: string[] = [];
  const rest: string[] = [];
  let reading: 'other' | 'tokens' | 'complete' = 'other';
  for (const piece of splitAtCommas(text)) {
    const scheme = readScheme(piece);
    if (scheme !== undefined && !isL402(scheme)) {
      // An L402 credential under another scheme is neither read nor forwarded.
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

/** Returns the scheme that a piece begins with: a word followed by something other than its value or a preimage. */
function readScheme(piece: string): string | undefined {
  const word = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/.exec(piece)?.[0];
  if (word === undefined) return undefined;
  const after = piece.slice(word.length);
  // The L402 scheme may end the piece, or a colon or an equals sign may replace the space: it must never be forwarded.
  if (isL402(word) && /^([\s:=]|$)/.test(after)) return word;
  return /^\s/.test(after) && !/^[=:]/.test(after.trimStart()) ? word : undefined;
}

/** The first bytes of a macaroon of version 2 in base64 or hex. */
const MACAROON_START = /Ag[EI][A-Za-z0-9+/_-]{40}|020[12][0-9a-fA-F]{60}/;
/** A preimage after a colon, or a hex caveat that begins with `preimage=`. */
const PREIMAGE = /:\s*["']?[0-9a-fA-F]{64}|707265696d6167653d/i;

/** Whether a text contains anything that could be spent here, whatever surrounds it: a macaroon followed by a preimage. */
export function looksLikeCredential(text: string): boolean {
  const start = text.search(MACAROON_START);
  return start >= 0 && PREIMAGE.test(text.slice(start));
}

/**
 * Reads one credential text: one or more tokens separated by commas, a colon, the preimage. Each token forms its own
 * credential with that preimage; a token that does not parse does not affect the others.
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
 * Reads a hex macaroon with its preimage in a caveat, as native gRPC clients send it in their metadata. `undefined` if the
 * text is something else, because the origin may use the header (`Macaroon`) for another purpose.
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
 * Reads 64 hex digits in either case. One deployed payer sends 96 digits: it treats its node's hex as base64. The payment
 * hash shows whether the reading was right, so accepting this costs nothing and saves a payment.
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

/** Splits at commas. Commas inside double quotes belong to another scheme's parameter. */
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
    // An unclosed quote would hide every credential after it: from here on a quote is an ordinary character.
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
