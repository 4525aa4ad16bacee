/*
 * Macaroon V2, binary: bytes to fields and back, and the text forms that clients send. No keys. Pure. Stricter than the
 * libraries: one spelling per macaroon, no trailing bytes, first-party caveats only, and limits that are checked before
 * anything is computed.
 */
import { concatBytes, formatBase64, parseBase64, parseHex } from './bytes.ts';
import { type CredentialRefusal, type CredentialRefusalCode } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

export interface Macaroon {
  readonly location: Uint8Array | undefined;
  readonly identifier: Uint8Array;
  readonly caveats: readonly Uint8Array[];
  readonly signature: Uint8Array;
}

export const LARGEST_TOKEN_BYTES = 4096;
export const MOST_CAVEATS = 32;

const VERSION = 2;
const FIELD = { end: 0, location: 1, identifier: 2, verification: 4, signature: 6 } as const;
const SIGNATURE_BYTES = 32;
/** Hex doubles the length: no longer text can hold a token within the limit. */
const LARGEST_TOKEN_TEXT = LARGEST_TOKEN_BYTES * 2;

/** Reads a token from a header: base64 in any dialect, or hex. */
export function parseToken(text: string): Result<Macaroon, CredentialRefusal> {
  if (text.length > LARGEST_TOKEN_TEXT) return tooLarge();
  // A V2 macaroon starts with 02, and its base64 with "Ag", so no text can be read both ways.
  const bytes = text.startsWith('02') ? (parseHex(text) ?? parseBase64(text)) : parseBase64(text);
  if (bytes === undefined) return no('token_malformed', 'the token is neither base64 nor hex');
  return decodeMacaroon(bytes);
}

/** Formats a token as standard base64 with padding, which every known client reads. */
export function formatToken(macaroon: Macaroon): string {
  return formatBase64(encodeMacaroon(macaroon));
}

/** Decodes exactly one macaroon; trailing bytes are refused. */
export function decodeMacaroon(bytes: Uint8Array): Result<Macaroon, CredentialRefusal> {
  if (bytes.length > LARGEST_TOKEN_BYTES) return tooLarge();
  if (bytes[0] !== VERSION) return wrongVersion(bytes[0]);
  const reader = { bytes, offset: 1 };
  const location = takeField(reader, FIELD.location);
  const identifier = takeField(reader, FIELD.identifier);
  if (identifier === undefined) return no('token_malformed', 'the macaroon has no identifier');
  if (!takeEnd(reader)) return no('token_malformed', 'the macaroon header does not end after its identifier');
  const caveats: Uint8Array[] = [];
  while (!takeEnd(reader)) {
    const caveatLocation = takeField(reader, FIELD.location);
    const caveat = takeField(reader, FIELD.identifier);
    if (caveat === undefined) return no('token_malformed', 'a caveat has no text');
    const verification = takeField(reader, FIELD.verification);
    if (caveatLocation !== undefined || verification !== undefined) {
      return no('token_third_party_caveat', 'third-party caveats are not supported');
    }
    if (!takeEnd(reader)) return no('token_malformed', 'a caveat does not end after its text');
    if (caveats.length === MOST_CAVEATS) return no('token_too_many_caveats', `more than ${MOST_CAVEATS} caveats`);
    caveats.push(caveat);
  }
  const signature = takeField(reader, FIELD.signature);
  if (signature?.length !== SIGNATURE_BYTES) return no('token_malformed', 'the macaroon has no 32-byte signature');
  if (reader.offset !== bytes.length) return no('token_malformed', 'bytes follow the macaroon');
  return accept({ location, identifier, caveats, signature });
}

/** Encodes a macaroon in its only binary form. */
export function encodeMacaroon(macaroon: Macaroon): Uint8Array {
  return concatBytes(
    Uint8Array.of(VERSION),
    macaroon.location === undefined ? new Uint8Array() : field(FIELD.location, macaroon.location),
    field(FIELD.identifier, macaroon.identifier),
    Uint8Array.of(FIELD.end),
    ...macaroon.caveats.flatMap((caveat) => [field(FIELD.identifier, caveat), Uint8Array.of(FIELD.end)]),
    Uint8Array.of(FIELD.end),
    field(FIELD.signature, macaroon.signature),
  );
}

interface Reader {
  readonly bytes: Uint8Array;
  offset: number;
}

/** Takes the next field if it has this type; otherwise the reader does not move. */
function takeField(reader: Reader, type: number): Uint8Array | undefined {
  if (reader.bytes[reader.offset] !== type) return undefined;
  const length = readVarint(reader.bytes, reader.offset + 1);
  if (length === undefined || length.next + length.value > reader.bytes.length) return undefined;
  reader.offset = length.next + length.value;
  return reader.bytes.slice(length.next, reader.offset);
}

function takeEnd(reader: Reader): boolean {
  if (reader.bytes[reader.offset] !== FIELD.end) return false;
  reader.offset += 1;
  return true;
}

/** Reads a length of at most two bytes, up to 16,383: more than a whole token may have. A non-minimal encoding is refused. */
function readVarint(bytes: Uint8Array, offset: number): { value: number; next: number } | undefined {
  const first = bytes[offset];
  if (first === undefined) return undefined;
  if (first < 0x80) return { value: first, next: offset + 1 };
  const second = bytes[offset + 1];
  if (second === undefined || second === 0 || second >= 0x80) return undefined;
  return { value: (first & 0x7f) | (second << 7), next: offset + 2 };
}

function field(type: number, content: Uint8Array): Uint8Array {
  if (content.length >= 1 << 14) throw new RangeError('content: at most 16383 bytes a field');
  const length = content.length < 0x80 ? [content.length] : [(content.length & 0x7f) | 0x80, content.length >> 7];
  return concatBytes(Uint8Array.of(type, ...length), content);
}

function wrongVersion(first: number | undefined): Result<never, CredentialRefusal> {
  // V1 packets start with a length in lower-case hex; the JSON forms of V1 and V2 start with a brace.
  const text = first === undefined ? '' : String.fromCharCode(first);
  return /^[0-9a-f{]$/.test(text)
    ? no('token_version_unsupported', 'only macaroons of version 2 in binary form are read')
    : no('token_malformed', 'the token is not a macaroon');
}

function tooLarge(): Result<never, CredentialRefusal> {
  return no('token_too_large', `a token has at most ${LARGEST_TOKEN_BYTES} bytes`);
}

function no(code: CredentialRefusalCode, detail: string): Result<never, CredentialRefusal> {
  return refuse({ code, detail });
}
