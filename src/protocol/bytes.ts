/*
 * Bytes and their texts: hex, base64 in every dialect that clients send, ASCII. No effects.
 * Reading never throws: what cannot be read is `undefined`, for the caller to name.
 */
import { base64, hex } from '@scure/base';

/** Lower-case hex. */
export function formatHex(bytes: Uint8Array): string {
  return hex.encode(bytes);
}

/** Reads hex in either case. */
export function parseHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return hex.decode(text.toLowerCase());
}

/** Standard base64 with padding: what Go's standard decoder wants. */
export function formatBase64(bytes: Uint8Array): string {
  return base64.encode(bytes);
}

/** Reads base64 of the standard or the URL-safe alphabet, padded as it should be or not at all. */
export function parseBase64(text: string): Uint8Array | undefined {
  // Cut off by hand: /=+$/ on a long run of "=" that does not end the text would cost the square of its length.
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
    // Bits left over in the last digit: two texts for the same bytes, of which only one is read.
    return undefined;
  }
}

/** Printable ASCII as bytes; anything else is the caller's mistake. */
export function encodeAscii(text: string): Uint8Array {
  if (!/^[\x20-\x7e]*$/.test(text)) throw new RangeError('text: printable ASCII only');
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/**
 * One character a byte. Caveats are bytes, not always UTF-8 (a deployed client's test data holds a damaged
 * one): read like this nothing is lost, and two different caveats never become the same text.
 */
export function decodeLatin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** All the parts, one after the other. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Compares secrets: the time taken tells the lengths and nothing else. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let index = 0; index < left.length; index++) difference |= left[index]! ^ right[index]!;
  return difference === 0;
}
