/*
 * Random things for the property tests: token ids, terms, caveats of every kind that a holder might append, texts that are
 * nearly right. Bounded so that the whole suite stays quick.
 */
import * as fc from 'fast-check';
import { LARGEST_MSAT, type Msat } from '#protocol/msat.ts';
import { type Terms } from '#protocol/terms.ts';
import { ACCESS_KINDS, LONGEST_EPOCH_HOURS, type TokenId } from '#protocol/token-id.ts';
import { hexOf } from './vector.ts';

export const byteStrings = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
export const bytes32 = byteStrings(32);
export const hex64 = bytes32.map(hexOf);

export const tokenIds: fc.Arbitrary<TokenId> = fc.record({
  keyId: fc.nat(255),
  epoch: fc.record({ startHours: fc.nat(0xffffff), lengthHours: fc.integer({ min: 1, max: LONGEST_EPOCH_HOURS }) }),
  region: fc.nat(31),
  shardBits: fc.nat(16),
  access: fc.constantFrom(...ACCESS_KINDS),
  minterCaveats: fc.nat(255),
  random: byteStrings(21),
});

export const amounts = fc.oneof(fc.bigInt({ min: 0n, max: 10_000n }), fc.bigInt({ min: 0n, max: LARGEST_MSAT })) as fc.Arbitrary<Msat>;
export const services = fc.constantFrom('a', 'b', 'weather', 'weather-2', 'a_b');
export const capabilities = fc.uniqueArray(fc.constantFrom('read', 'write', 'admin'), { maxLength: 3 });
export const quoteDigests = byteStrings(16).map(hexOf);
/** Around one instant, so that some are over and some are not. */
export const NOW_SECONDS = 1_700_000_000;
export const instants = fc.integer({ min: NOW_SECONDS - 1000, max: NOW_SECONDS + 1000 });

export const terms: fc.Arbitrary<Terms> = fc.record(
  { service: services, tier: fc.nat(3), validUntilSeconds: instants, paidMsat: amounts, quoteDigest: quoteDigests, capabilities },
  { requiredKeys: ['service', 'tier', 'validUntilSeconds', 'paidMsat', 'quoteDigest'] },
);

/** A header token of RFC 9110 that is none of ours. */
export const otherCredentials = fc.constantFrom(
  'Bearer abc.DEF-123_456~7',
  'Basic dXNlcjpwYXNz',
  'Negotiate YIIC+/==',
  'Digest username="a, L402 b:c", realm="x\\"y,z", uri="/"',
  'Token token="t, LSAT x"',
  'AWS4-HMAC-SHA256 Credential=AK/20261121/us/s3, SignedHeaders=host;date, Signature=fe5f80',
  'Payment eyJpZCI6IngifQ',
  'raw-api-key-0123',
);

/** A value of a caveat, right, nearly right, or anything at all. */
const values = fc.oneof(
  instants.map(String),
  amounts.map(String),
  fc.tuple(services, fc.nat(4)).map(([name, tier]) => `${name}:${tier}`),
  fc.array(fc.tuple(services, fc.nat(300)), { maxLength: 3 }).map((list) => list.map(([name, tier]) => `${name}:${tier}`).join()),
  capabilities.map((list) => list.join()),
  quoteDigests,
  hex64,
  fc.string({ maxLength: 12 }),
);

const conditions = fc.oneof(
  fc.constantFrom(
    'services',
    'paid_msat',
    'quote',
    'preimage',
    'access',
    'valid_until',
    'capabilities',
    'Services',
    ' services',
    '__proto__',
  ),
  fc.tuple(services, fc.constantFrom('valid_until', 'capabilities', 'access')).map(([service, kind]) => `${service}_${kind}`),
  fc.string({ maxLength: 8 }),
);

/** What a holder may append: a caveat of any kind with any value, text without `=`, bytes that are no text. */
export const holderCaveats: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(conditions, values).map(([condition, value]) => latin1(`${condition}=${value}`)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
);

/** Text as bytes, one a character; what is beyond a byte loses its high bits. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff);
}
