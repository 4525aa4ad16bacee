/*
 * Every reader of this room against anything at all: it returns, it never throws, and what it does read it can write
 * again. Arbitrary text and bytes, and right inputs with a few places changed.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAccess } from '#protocol/access.ts';
import { parseBase64, parseHex } from '#protocol/bytes.ts';
import { canonicalizePath } from '#protocol/canonical-path.ts';
import { decodeCaveat, judgeCaveats } from '#protocol/caveat.ts';
import { CAVEAT_KINDS, caveatKind, SERVICE_CAVEAT_KINDS } from '#protocol/caveat-kinds.ts';
import {
  parseCallLimit,
  parseHosts,
  parseMethods,
  parseMsatLimit,
  parsePathPrefix,
  parseQuoteDigest,
  parseRequestDigest,
  parseSeconds,
} from '#protocol/caveat-values.ts';
import { parseChallenges, parseL402Offer } from '#protocol/challenge-header.ts';
import { parseCredential, parseMetadataMacaroon, parsePreimage, splitAuthorization } from '#protocol/credential-header.ts';
import { readCounters } from '#protocol/counters.ts';
import { decodeIdentifier, encodeIdentifier } from '#protocol/identifier.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { decodeMacaroon, encodeMacaroon, formatToken, parseToken } from '#protocol/macaroon-codec.ts';
import { parseMsat } from '#protocol/msat.ts';
import { parseAddress, parseCidr } from '#protocol/cidr.ts';
import { parseServices } from '#protocol/services.ts';
import { readTerms } from '#protocol/terms.ts';
import { decodeTokenId } from '#protocol/token-id.ts';
import caveatVectors from '../vectors/caveats.json' with { type: 'json' };
import challenges from '../vectors/challenges.json' with { type: 'json' };
import credentials from '../vectors/credentials.json' with { type: 'json' };
import invoices from '../vectors/invoices.json' with { type: 'json' };
import realInvoices from '../vectors/real-invoices.json' with { type: 'json' };
import tokens from '../vectors/macaroon-tokens.json' with { type: 'json' };
import { bytesOf, hexOf } from './vector.ts';

const REQUEST = { method: 'GET', host: 'h', path: '/' };
const FACTS = { service: 'a', tier: 0, capabilities: ['x'], nowSeconds: 0, skewSeconds: 0, preimage: new Uint8Array(32), ...REQUEST };
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  parseHex,
  parseBase64,
  parseMsat,
  parseSeconds,
  parseQuoteDigest,
  parseRequestDigest,
  parseAccess,
  parseMethods,
  parseHosts,
  canonicalizePath,
  parsePathPrefix,
  parseCallLimit,
  parseMsatLimit,
  parseAddress,
  parseCidr,
  parseServices,
  parsePreimage,
  parseToken,
  parseCredential,
  parseMetadataMacaroon,
  splitAuthorization,
  parseChallenges,
  parseL402Offer,
  parseInvoice,
};
const SEEDS = [
  ...challenges.map(({ input }) => input.header),
  ...credentials.map(({ input }) => ('authorization' in input ? input.authorization : input.metadata) ?? ''),
  ...[...invoices, ...realInvoices].map(({ input }) => input.invoice),
  ...tokens.map(({ input }) => input.token),
  ...caveatVectors.flatMap(({ input }) => input.caveats.map((text) => text.slice(text.indexOf('=') + 1))),
].map((text) => text.slice(0, 1200));

const bits = fc.constantFrom(
  '"',
  "'",
  '\\',
  ',',
  ' ',
  '=',
  ':',
  '\t',
  '\n',
  '\0',
  '1',
  'L402 ',
  'LSAT ',
  'ln',
  '02',
  '/',
  '::',
  '%',
  '.',
  '\u{1f4a5}',
  '\ud800',
  '\u0130',
  '\u212a',
);
/** A right input with some places cut, doubled or overwritten. */
const nearly = fc
  .tuple(fc.constantFrom(...SEEDS), fc.array(fc.tuple(fc.nat(1200), fc.nat(6), bits), { minLength: 1, maxLength: 4 }))
  .map(([seed, edits]) => edits.reduce((text, [at, length, bit]) => text.slice(0, at) + bit + text.slice(at + length), seed));
const texts = fc.oneof(
  nearly,
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.array(bits, { maxLength: 60 }).map((list) => list.join('')),
);

describe('no reader throws, whatever the text', () => {
  it.each(Object.entries(READERS))('%s', (_, read) => {
    fc.assert(
      fc.property(texts, (text) => {
        read(text);
      }),
      { numRuns: 1500 },
    );
  });

  it.each(Object.entries(READERS))('%s, at 128 KiB of what is worst for it', (_, read) => {
    for (const bit of [
      '"',
      '\\"',
      '"\\',
      '=',
      ' ',
      ',',
      ', ',
      'a=',
      'a=b,',
      'a="b",',
      'L402 ',
      'L402 a:0,',
      'a:0,',
      '1',
      '0',
      'ln',
      '9',
      'A',
      "'",
      ' =',
      '= ',
      '\\',
      '"a,"',
      'lnbc1',
      '/a',
      '%41',
      '%c3',
      'a.',
      'GET,',
      '1.2.3.4,',
      'f:',
      '::',
      '-',
    ]) {
      read(bit.repeat(Math.ceil(131_072 / bit.length)));
      read(`L402 a="${bit.repeat(Math.ceil(131_072 / bit.length))}`);
      read(`${bit.repeat(Math.ceil(131_072 / bit.length))}!`);
    }
  });
});

describe('no caveat kind throws, whatever the values', () => {
  const kinds = [...CAVEAT_KINDS, ...SERVICE_CAVEAT_KINDS.map((name) => `a_${name}`)].map((name) => ({ name }));
  const facts = { ...FACTS, clientAddress: '192.0.2.1', requestDigest: 'ab'.repeat(32) };

  it.each(kinds)('$name', ({ name }) => {
    const kind = caveatKind(name, 'a')!;
    fc.assert(
      fc.property(texts, texts, (one, other) => {
        kind.satisfied(one, facts);
        kind.narrows(one, other);
        expect(kind.satisfied(one, facts)?.code === 'caveat_malformed').toBe(!kind.parses(one));
      }),
      { numRuns: 500 },
    );
  });
});

const macaroons = tokens.flatMap(({ input, expected }) =>
  'refusal' in expected ? [] : [input.token.startsWith('02') ? bytesOf(input.token) : parseBase64(input.token)!],
);
const nearlyMacaroon = fc
  .tuple(fc.constantFrom(...macaroons), fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { minLength: 1, maxLength: 4 }))
  .map(([bytes, edits]) => {
    const changed = Uint8Array.from(bytes);
    for (const [at, byte] of edits) changed[at % changed.length] = byte;
    return changed;
  });
/** Fields in any order with any length: more of these are read than of arbitrary bytes. */
const fields = fc
  .array(fc.tuple(fc.constantFrom(0, 0, 1, 2, 2, 4, 6, 7), fc.uint8Array({ maxLength: 40 })), { maxLength: 8 })
  .map((list) => Uint8Array.from([2, ...list.flatMap(([type, content]) => (type === 0 ? [0] : [type, content.length, ...content]))]));
const bytes = fc.oneof(nearlyMacaroon, fields, fc.uint8Array({ maxLength: 300 }));

describe('no reader of bytes throws, and what is read is written back the same', () => {
  it('decodeMacaroon and encodeMacaroon', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const read = decodeMacaroon(value);
        if (!read.ok) return;
        expect(hexOf(encodeMacaroon(read.value))).toBe(hexOf(value));
        expect(parseToken(formatToken(read.value))).toEqual(read);
        expect(parseToken(hexOf(value))).toEqual(read);
      }),
      { numRuns: 3000 },
    );
  });

  it('encodeMacaroon and decodeMacaroon, for macaroons of any shape', () => {
    const macaroon = fc.record({
      location: fc.option(fc.uint8Array({ maxLength: 200 }), { nil: undefined }),
      identifier: fc.uint8Array({ maxLength: 300 }),
      caveats: fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }),
      signature: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    });
    fc.assert(
      fc.property(macaroon, (value) => {
        expect(decodeMacaroon(encodeMacaroon(value))).toEqual({ ok: true, value });
      }),
      { numRuns: 500 },
    );
  });

  it('decodeIdentifier and encodeIdentifier', () => {
    const nearlyIdentifier = fc.uint8Array({ minLength: 64, maxLength: 68 }).map((value) => Uint8Array.of(0, 0, ...value.slice(2)));
    fc.assert(
      fc.property(fc.oneof(nearlyIdentifier, fc.uint8Array({ maxLength: 80 })), (value) => {
        const read = decodeIdentifier(value);
        if (read.ok) expect(hexOf(encodeIdentifier(read.value))).toBe(hexOf(value));
      }),
      { numRuns: 500 },
    );
  });

  it('decodeTokenId and decodeCaveat, judged and read as terms', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 30, maxLength: 34 }),
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 }),
        (id, caveats) => {
          decodeTokenId(id);
          const decoded = caveats.map((caveat) => decodeCaveat(caveat, 'minter'));
          judgeCaveats(decoded, FACTS);
          readTerms(decoded, { service: 'a', accessKind: 'call' });
          readCounters({ caveats: decoded, signatures: caveats });
        },
      ),
      { numRuns: 1000 },
    );
  });
});
