/*
 * Bytes as text: hex, every base64 dialect that clients send, ASCII. Pure. Reading never throws: unreadable text gives
 * `undefined`, and the caller names the error.
 */
import { base64, hex } from '@scure/base';

/** Formats bytes as lower-case hex. */
export function formatHex(bytes: Uint8Array): string {
  return hex.encode(bytes);
}

/** Reads hex in either case. */
export function parseHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return hex.decode(text.toLowerCase());
}

/** Formats bytes as standard base64 with padding, as Go's standard decoder requires. */
export function formatBase64(bytes: Uint8Array): string {
  return base64.encode(bytes);
}

/** Reads base64 in the standard or the URL-safe alphabet, with correct padding or none. */
export function parseBase64(text: string): Uint8Array | undefined {
  // No regex: on a long run of "=" in the middle of the text, /=+$/ takes quadratic time.
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const digits = text
    .slice(0, text.length - padding)
    .replaceAll('-', '+')
    .replaceAll('_', '/');
  if (padding > 0 && text.length % 4 !== 0) return undefined;
  if (digits.length % 4 === 1 || !/^[A-Za-z0-9+/]*$/.test(digits)) return undefined;
  try {
    return base64.decode(digits + '='.repeat((4 - (digits.length % 4)) % 4));
  } catch {
    // Leftover bits in the last digit would give two texts for the same bytes; only one is accepted.
    return undefined;
  }
}

/** Encodes printable ASCII as bytes; throws on any other text. */
export function encodeAscii(text: string): Uint8Array {
  if (!/^[\x20-\x7e]*$/.test(text)) throw new RangeError('text: printable ASCII only');
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/**
 * Decodes one character per byte. Caveats are bytes, not always UTF-8 (a deployed client's test data has a damaged one). This
 * loses nothing, and two different caveats never become the same text.
 */
export function decodeLatin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Concatenates all parts. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Compares secrets in constant time; the time depends only on the lengths. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let index = 0; index < left.length; index++) difference |= left[index]! ^ right[index]!;
  return difference === 0;
}
