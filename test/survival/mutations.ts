/*
 * Inputs that are nearly right: a good one with some places cut, doubled, overwritten or filled from another. Quick,
 * since there are millions, and the same again for the same chance.
 */
import { bech32 } from '@scure/base';
import { type Chance } from './seed.ts';

/** What texts are made of here, and what parsers stumble over. */
const BITS = [
  ...['"', "'", '\\', ',', ' ', '=', ':', ';', '\t', '\n', '\0', '+', '-', '_', '~', '%', '%2', '%2f', '%41', '%C3%A9', '&', '#', '?'],
  ...['/', '//', '/.', '/../', '.', '..', '::', '::ffff:', '0', '1', '01', '9', '255', '256', '128', 'a', 'F', 'g', '{', '[', ']'],
  ...['L402 ', 'LSAT ', 'l402 ', 'macaroon=', 'token=', 'invoice=', 'ln', 'lnbc', 'bcrt', '02', 'Ag', '\u{1f4a5}', '\ud800', '\u0130'],
];
const LONGEST = 1500;

/** A text with one to four places changed. */
export function mutateText(samples: readonly string[], chance: Chance): string {
  let text = chance.pick(samples);
  for (let edits = 1 + chance.below(4); edits > 0; edits--) {
    const at = chance.below(text.length + 1);
    const length = chance.below(5);
    switch (chance.below(6)) {
      case 0:
        text = text.slice(0, at) + chance.pick(BITS) + text.slice(at);
        break;
      case 1:
        text = text.slice(0, at) + chance.pick(BITS) + text.slice(at + length);
        break;
      case 2:
        text = text.slice(0, at) + text.slice(at + length);
        break;
      case 3:
        text = text.slice(0, at + length) + text.slice(at);
        break;
      case 4: {
        const other = chance.pick(samples);
        text = text.slice(0, at) + other.slice(chance.below(other.length + 1));
        break;
      }
      default: {
        const code = text.charCodeAt(at % Math.max(1, text.length));
        // One bit of one character: case, digits, neighbours.
        text = text.slice(0, at) + String.fromCharCode((Number.isNaN(code) ? 0 : code) ^ (1 << chance.below(7))) + text.slice(at + 1);
      }
    }
    if (text.length > LONGEST) text = text.slice(0, LONGEST);
  }
  return text;
}

/** Bytes with one to four places changed. */
export function mutateBytes(samples: readonly Uint8Array[], chance: Chance): Uint8Array {
  let bytes = Buffer.from(chance.pick(samples));
  for (let edits = 1 + chance.below(4); edits > 0; edits--) {
    const at = chance.below(bytes.length + 1);
    switch (chance.below(5)) {
      case 0:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(chance.pick([0, 1, 2, 4, 6, 0x7f, 0x80, 0xff])), bytes.subarray(at)]);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + chance.below(40))]);
        break;
      case 2: {
        const other = chance.pick(samples);
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(chance.below(other.length))]);
        break;
      }
      default:
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << chance.below(8));
    }
  }
  return Uint8Array.from(bytes);
}

/** An invoice changed within, with a checksum that is right again: a reader gets as far as the fields. */
export function mutateInvoice(samples: readonly string[], chance: Chance): string {
  const decoded = bech32.decodeUnsafe(chance.pick(samples) as `${string}1${string}`, false);
  if (decoded === undefined) throw new Error('a sample is no bech32');
  let { prefix } = decoded;
  let words = [...decoded.words];
  for (let edits = 1 + chance.below(3); edits > 0; edits--) {
    const at = chance.below(words.length);
    switch (chance.below(6)) {
      case 0:
        words[at] = chance.below(32);
        break;
      case 1:
        words.splice(at, 0, ...Array.from({ length: 1 + chance.below(4) }, () => chance.below(32)));
        break;
      case 2:
        words.splice(at, 1 + chance.below(4));
        break;
      case 3: {
        // A whole stretch again: fields come twice.
        const end = at + chance.below(60);
        words = [...words.slice(0, end), ...words.slice(at, end), ...words.slice(end)];
        break;
      }
      case 4:
        prefix = prefix.replace(/[0-9]+/, String(chance.below(2 ** (1 + chance.below(30)))));
        break;
      default:
        prefix =
          chance.pick(['lnbc', 'lntb', 'lntbs', 'lnbcrt', 'lnsb']) +
          chance.pick(['', '1', '10', '2500', '21000000']) +
          chance.pick(['', 'm', 'u', 'n', 'p', 'x']);
    }
    if (words.length === 0) words = [0];
  }
  return bech32.encode(prefix, words, false);
}
