/*
 * Random things for the property tests: token ids, terms, caveats of every kind that a holder might append, texts that are
 * nearly right. Bounded so that the whole suite stays quick.
 */
import * as fc from 'fast-check';
import { LARGEST_MSAT, type Msat } from '#protocol/msat.ts';
import { parseAccess } from '#protocol/access.ts';
import { MOST_CALLS } from '#protocol/caveat-values.ts';
import { CAVEAT_KINDS, type CaveatFacts } from '#protocol/caveat-kinds.ts';
import { type Access, type Terms } from '#protocol/terms.ts';
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

export const accessTexts = fc.oneof(
  fc.integer({ min: 1, max: MOST_CALLS }).map((calls) => `calls:${calls}`),
  fc.constantFrom('pass', 'pass:1', 'pass:60', 'calls:1', 'calls:100', 'credit:1', 'credit:1000000'),
);
export const accesses: fc.Arbitrary<Access> = fc.oneof(
  accessTexts.map((text) => parseAccess(text)!),
  fc.constant<Access>({ kind: 'call' }),
);

export const terms: fc.Arbitrary<Terms> = fc.record(
  {
    service: services,
    tier: fc.nat(3),
    validUntilSeconds: instants,
    paidMsat: amounts,
    quoteDigest: quoteDigests,
    capabilities,
    access: accesses,
    settlement: fc.constant('strict' as const),
  },
  { requiredKeys: ['service', 'tier', 'validUntilSeconds', 'paidMsat', 'quoteDigest'] },
);

const methods = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT');
const hosts = fc.constantFrom('a.example', 'b.example', '[2001:db8::1]');
const paths = fc.constantFrom('/', '/v1', '/v1/', '/v1/a', '/v1/a/b', '/v10', '/v2');
const addresses = fc.constantFrom('203.0.113.7', '203.0.113.200', '198.51.100.1', '2001:db8::5', '::ffff:203.0.113.7', 'unknown');
const requestDigests = fc.constantFrom('0f'.repeat(32), 'f0'.repeat(32));

/** A request as caveats see it, for a service of the list above. */
export const requests: fc.Arbitrary<Omit<CaveatFacts, 'service' | 'tier' | 'capabilities'>> = fc.record({
  nowSeconds: instants,
  skewSeconds: fc.constantFrom(0, 60, 300),
  preimage: bytes32,
  method: methods,
  host: hosts,
  path: paths,
  clientAddress: fc.option(addresses, { nil: undefined }),
  requestDigest: fc.option(requestDigests, { nil: undefined }),
});

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
  accessTexts,
  fc.tuple(fc.nat(1000), byteStrings(8).map(hexOf)).map(([limit, label]) => `${limit}:${label}`),
  fc.string({ maxLength: 12 }),
);

const list = (items: fc.Arbitrary<string>) => fc.array(items, { minLength: 1, maxLength: 3 }).map((chosen) => chosen.join());
const networks = fc.constantFrom('203.0.113.0/24', '203.0.113.128/25', '203.0.112.0/20', '2001:db8::/32', '0.0.0.0/0', '203.0.113.7');
const counts = fc.tuple(fc.integer({ min: 1, max: 100 }), byteStrings(8).map(hexOf)).map(([limit, label]) => `${limit}:${label}`);

/** Caveats of the kinds that limit a request, whose values mostly parse: two of one kind often meet. */
const limits = fc.oneof(
  list(methods).map((value) => `methods=${value}`),
  list(hosts).map((value) => `host=${value}`),
  paths.map((value) => `path=${value}`),
  list(networks).map((value) => `client=${value}`),
  requestDigests.map((value) => `request=${value}`),
  instants.map((value) => `valid_until=${value}`),
  instants.map((value) => `not_before=${value}`),
  accessTexts.map((value) => `access=${value}`),
  fc.constantFrom('settlement=strict', 'settlement=preimage'),
  fc.tuple(fc.constantFrom('max_calls', 'max_msat', 'max_msat_month'), counts).map(([condition, value]) => `${condition}=${value}`),
);

const conditions = fc.oneof(
  fc.constantFrom(
    'services',
    'paid_msat',
    'quote',
    'preimage',
    ...CAVEAT_KINDS,
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
  { weight: 6, arbitrary: limits.map(latin1) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
);

/** Text as bytes, one a character; what is beyond a byte loses its high bits. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff);
}
