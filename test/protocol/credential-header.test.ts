/*
 * `Authorization` in and out: every known sender is understood, and what belongs to another scheme is kept as it was.
 * D37, P3, F8, M27.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatCredential,
  parseCredential,
  parseMetadataMacaroon,
  parsePreimage,
  splitAuthorization,
  type Credential,
} from '#protocol/credential-header.ts';
import { encodeMacaroon } from '#protocol/macaroon-codec.ts';
import { hashPreimage } from '#protocol/preimage.ts';
import credentialJson from '../vectors/credentials.json' with { type: 'json' };
import mintedJson from '../vectors/minted-tokens.json' with { type: 'json' };
import preimageJson from '../vectors/preimages.json' with { type: 'json' };
import { bytes32, otherCredentials } from './arbitraries.ts';
import { bytesOf, hexOf, readVectors, type Refused } from './vector.ts';

interface CredentialExpected {
  readonly credentials: readonly { readonly token_hex: string; readonly preimage_hex: string }[];
  readonly rest: string;
  readonly refusals: readonly string[];
}

const CREDENTIALS = readVectors<{ readonly authorization?: string; readonly metadata?: string }, CredentialExpected>(credentialJson);
const PREIMAGES = readVectors<{ readonly text: string; readonly payment_hash_hex: string }, { readonly preimage_hex: string } | Refused>(
  preimageJson,
);
const TOKEN = mintedJson[0]!.expected.token;

const presented = ({ macaroon, preimage }: Credential) => ({ token_hex: hexOf(encodeMacaroon(macaroon)), preimage_hex: hexOf(preimage) });

describe('D37, F8 every known sender of a credential is understood', () => {
  it.each(CREDENTIALS)('$name: $why', ({ input, expected }) => {
    const { credentials: texts, rest } = splitAuthorization(input.authorization ?? '');
    const read = texts.map(parseCredential);
    const metadata = parseMetadataMacaroon(input.metadata ?? '');
    const credentials = [...read.flatMap((result) => (result.ok ? result.value : [])), ...(metadata === undefined ? [] : [metadata])];
    expect({
      credentials: credentials.map(presented),
      rest,
      refusals: read.flatMap((result) => (result.ok ? [] : [result.refusal.code])),
    }).toEqual(expected);
  });

  it('reads two Authorization lines the way the platform joins them', () => {
    const headers = new Headers();
    const preimage = new Uint8Array(32);
    headers.append('authorization', formatCredential({ scheme: 'LSAT', token: TOKEN, preimage }));
    headers.append('authorization', 'Bearer of the origin');
    headers.append('authorization', formatCredential({ scheme: 'L402', token: TOKEN, preimage }));
    const parts = splitAuthorization(headers.get('authorization') ?? '');
    expect(parts.credentials.map((text) => parseCredential(text).ok)).toEqual([true, true]);
    expect(parts.rest).toBe('Bearer of the origin');
  });
});

describe('D37 the preimage', () => {
  it.each(PREIMAGES)('$name: $why', ({ input, expected }) => {
    const preimage = parsePreimage(input.text);
    if (preimage === undefined) {
      expect(expected).toEqual({ refusal: 'preimage_malformed' });
      return;
    }
    const proves = hexOf(hashPreimage(preimage)) === input.payment_hash_hex;
    expect(proves ? { preimage_hex: hexOf(preimage) } : { refusal: 'preimage_wrong' }).toEqual(expected);
  });
});

describe('P3 formatting and reading are inverse', () => {
  it('for both schemes, any preimage, among the credentials of others', () => {
    const schemes = fc.constantFrom('L402' as const, 'LSAT' as const);
    fc.assert(
      fc.property(
        fc.tuple(schemes, bytes32),
        fc.array(otherCredentials, { maxLength: 3 }),
        fc.array(otherCredentials, { maxLength: 3 }),
        ([scheme, preimage], before, after) => {
          const own = formatCredential({ scheme, token: TOKEN, preimage });
          expect(own).toBe(`${scheme} ${TOKEN}:${hexOf(preimage)}`);
          const { credentials, rest } = splitAuthorization([...before, own, ...after].join(', '));
          expect(credentials).toHaveLength(1);
          const read = parseCredential(credentials[0]!);
          expect(read.ok && read.value.map(({ preimage }) => hexOf(preimage))).toEqual([hexOf(preimage)]);
          expect(rest).toBe([...before, ...after].join(', '));
        },
      ),
    );
  });
});

describe('M27 the credential is cut out and the rest is kept', () => {
  const own = fc.tuple(
    fc.constantFrom('L402', 'lsat', 'LsAt', 'l402'),
    fc.constantFrom(TOKEN, `${TOKEN},${TOKEN}`, `${TOKEN} , ${TOKEN}`),
    bytes32,
    fc.constantFrom(':', ' :', ': ', ' : '),
  );

  it('loses nothing of the others and leaves nothing of ours, in any order and with any blanks', () => {
    const pieces = fc.array(
      fc.oneof(
        otherCredentials.map((text) => ({ text, ours: false })),
        own.map(([scheme, token, preimage, colon]) => ({ text: `${scheme} ${token}${colon}${hexOf(preimage)}`, ours: true })),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(pieces, fc.constantFrom(',', ', ', ' ,  ', ',,'), (list, comma) => {
        const { credentials, rest } = splitAuthorization(list.map(({ text }) => text).join(comma));
        expect(rest).toBe(list.flatMap(({ text, ours }) => (ours ? [] : [text])).join(', '));
        expect(credentials).toHaveLength(list.filter(({ ours }) => ours).length);
        expect(rest).not.toContain(TOKEN);
      }),
      { numRuns: 300 },
    );
  });

  it('an open quote before it hides nothing', () => {
    const preimage = hexOf(new Uint8Array(32));
    for (const open of ['Foo "', 'Foo a="x', 'Foo a="\\"', 'Foo a="x\\', '"', 'Foo """']) {
      const { credentials, rest } = splitAuthorization(`${open}, L402 ${TOKEN}:${preimage}`);
      expect(credentials, open).toEqual([`${TOKEN}:${preimage}`]);
      expect(rest).toBe(open);
    }
  });

  it('keeps the letters of the rest as they were, blanks around commas aside', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        fc.pre(!/l402|lsat/i.test(text));
        const { credentials, rest } = splitAuthorization(text);
        expect(credentials).toEqual([]);
        expect(rest.replaceAll(/[\s,]/g, '')).toBe(text.replaceAll(/[\s,]/g, ''));
      }),
      { numRuns: 1000 },
    );
  });

  it('says nothing of the credential in a refusal', () => {
    for (const { input } of CREDENTIALS) {
      for (const text of splitAuthorization(input.authorization ?? '').credentials) {
        const read = parseCredential(text);
        if (!read.ok) expect(read.refusal.detail).not.toMatch(/[0-9a-f]{16}|Ag[A-Za-z0-9+/]{6}/);
      }
    }
  });
});

describe('D37 metadata of gRPC clients', () => {
  it('finds the preimage as the last caveat that is one', () => {
    const { input } = CREDENTIALS.find(({ name }) => name === 'metadata of a Go gRPC client')!;
    const credential = parseMetadataMacaroon(input.metadata!);
    expect(credential && hexOf(hashPreimage(credential.preimage))).toBe(PREIMAGES[0]!.input.payment_hash_hex);
    expect(parseMetadataMacaroon(hexOf(bytesOf(input.metadata!).slice(0, -1)))).toBeUndefined();
  });
});
