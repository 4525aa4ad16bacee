/*
 * What test/vectors/token-ids.json and minted-tokens.json hold, as recipes. Layout 1 of the token id is FROZEN: tokens
 * that were sold must stay good, so when a test says that these no longer match the JSON, the code is wrong and not
 * the JSON. Fixed secrets, hashes and random bytes.
 */
import { deriveEpochKey, deriveRootKey } from '#protocol/root-key.ts';
import { msat } from '#protocol/msat.ts';
import { decodeMacaroon } from '#protocol/macaroon-codec.ts';
import { parseBase64 } from '#protocol/bytes.ts';
import { parseAccess } from '#protocol/access.ts';
import { type Terms } from '#protocol/terms.ts';
import { mintToken } from '#protocol/token.ts';
import { encodeTokenId, formatClaimObjectName, type AccessKind } from '#protocol/token-id.ts';
import { bytesOf, hexOf, type Vector } from './vector.ts';
import { hmac } from './hmac.ts';

export interface TokenIdInput {
  readonly key_id: number;
  readonly epoch_start_hours: number;
  readonly epoch_length_hours: number;
  readonly region: number;
  readonly shard_bits: number;
  readonly access: AccessKind;
  readonly minter_caveats: number;
  readonly random_hex: string;
  readonly payment_hash_hex: string;
}

export interface TokenIdExpected {
  readonly token_id_hex: string;
  readonly claim_object_name: string;
}

export interface MintInput {
  readonly secret_hex: string;
  readonly token_id: Omit<TokenIdInput, 'minter_caveats' | 'payment_hash_hex'>;
  readonly payment_hash_hex: string;
  readonly terms: {
    readonly service: string;
    readonly tier: number;
    readonly capabilities?: readonly string[];
    /** The value of the access caveat; none for one call. */
    readonly access?: string;
    readonly valid_until_seconds: number;
    readonly paid_msat: string;
    readonly quote_digest: string;
  };
}

export interface MintExpected {
  readonly epoch_key_hex: string;
  readonly root_key_hex: string;
  readonly identifier_hex: string;
  readonly caveats: readonly string[];
  readonly signature_hex: string;
  readonly token: string;
}

const HASH_HEX = '00e988677eecf94c0bb9233371c7c0d6f4db8ebdcdecb7c5ebaa666f17249227';
const RANDOM_HEX = 'c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4';
const BASE: TokenIdInput = {
  key_id: 1,
  epoch_start_hours: 472_224,
  epoch_length_hours: 24,
  region: 0,
  shard_bits: 0,
  access: 'call',
  minter_caveats: 4,
  random_hex: RANDOM_HEX,
  payment_hash_hex: HASH_HEX,
};

const id = (name: string, fields: Partial<TokenIdInput>, why: string) => ({ name, input: { ...BASE, ...fields }, why });

const TOKEN_IDS = [
  id('plain', {}, 'layout, key, epoch start and length, region, shard bits, access kind, number of minter caveats, random'),
  id(
    'all zero',
    { key_id: 0, epoch_start_hours: 0, epoch_length_hours: 1, minter_caveats: 0, random_hex: '00'.repeat(21) },
    'the smallest of everything',
  ),
  id(
    'all ones',
    {
      key_id: 255,
      epoch_start_hours: 0xffffff,
      epoch_length_hours: 8784,
      region: 31,
      shard_bits: 16,
      minter_caveats: 255,
      random_hex: 'ff'.repeat(21),
      payment_hash_hex: 'ff'.repeat(32),
    },
    'the largest of everything',
  ),
  id('big-endian epoch', { epoch_start_hours: 0x010203, epoch_length_hours: 0x0405 }, 'numbers have their high byte first'),
  id('one shard bit, hash begins with 0', { shard_bits: 1, payment_hash_hex: `7f${'ff'.repeat(31)}` }, 'the first bit of the payment hash'),
  id('one shard bit, hash begins with 1', { shard_bits: 1, payment_hash_hex: `80${'00'.repeat(31)}` }, 'the first bit of the payment hash'),
  id('eight shard bits', { shard_bits: 8, payment_hash_hex: `ab${'cd'.repeat(31)}` }, 'the first byte of the payment hash'),
  id('twelve shard bits', { shard_bits: 12, region: 3, payment_hash_hex: `abcdef${'00'.repeat(29)}` }, 'one byte and a half'),
  id('sixteen shard bits', { shard_bits: 16, payment_hash_hex: `abcdef${'00'.repeat(29)}` }, 'two bytes are the most'),
  id(
    'sixteen shard bits, small number',
    { shard_bits: 16, payment_hash_hex: `0001${'00'.repeat(30)}` },
    'the shard is a number in hex, without leading zeros',
  ),
  id('a number of calls', { access: 'calls', minter_caveats: 5 }, 'access kind 1'),
  id('a pass', { access: 'pass', minter_caveats: 5 }, 'access kind 2'),
  id('a credit', { access: 'credit', minter_caveats: 5 }, 'access kind 3'),
];

/** What a token id says, as the code wants it. */
export function tokenIdOf(input: Omit<TokenIdInput, 'minter_caveats' | 'payment_hash_hex'>) {
  return {
    keyId: input.key_id,
    epoch: { startHours: input.epoch_start_hours, lengthHours: input.epoch_length_hours },
    region: input.region,
    shardBits: input.shard_bits,
    access: input.access,
    random: bytesOf(input.random_hex),
  } as const;
}

/** The terms of a vector, as the code wants them. */
export function termsOf({ service, tier, capabilities, access, ...rest }: MintInput['terms']): Terms {
  const sold = access === undefined ? undefined : parseAccess(access);
  return {
    service,
    tier,
    validUntilSeconds: rest.valid_until_seconds,
    paidMsat: msat(BigInt(rest.paid_msat)),
    quoteDigest: rest.quote_digest,
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(sold === undefined ? {} : { access: sold }),
  };
}

/** The vectors of the token id, written by the code. */
export function writeTokenIds(): readonly Vector<TokenIdInput, TokenIdExpected>[] {
  return TOKEN_IDS.map(({ name, input, why }) => ({
    name,
    input,
    expected: {
      token_id_hex: hexOf(encodeTokenId({ ...tokenIdOf(input), minterCaveats: input.minter_caveats })),
      claim_object_name: formatClaimObjectName({ ...tokenIdOf(input), shardBits: input.shard_bits }, bytesOf(input.payment_hash_hex)),
    },
    why,
  }));
}

const { minter_caveats: _, payment_hash_hex: __, ...BASE_ID } = BASE;
const TERMS = {
  service: 'weather',
  tier: 0,
  valid_until_seconds: 1_700_090_000,
  paid_msat: '1000',
  quote_digest: '00112233445566778899aabbccddeeff',
};
const SECRET_HEX = '5e'.repeat(32);

const mint = (
  name: string,
  { terms, token_id, ...fields }: { terms?: Partial<MintInput['terms']>; token_id?: Partial<MintInput['token_id']>; secret_hex?: string },
  why: string,
) => ({
  name,
  input: {
    secret_hex: SECRET_HEX,
    token_id: { ...BASE_ID, ...token_id },
    payment_hash_hex: HASH_HEX,
    terms: { ...TERMS, ...terms },
    ...fields,
  },
  why,
});

const MINTED = [
  mint('one call for one sat', {}, 'services, end, amount and quote are the four minter caveats'),
  mint(
    'with capabilities',
    { terms: { capabilities: ['read', 'write'], tier: 2 } },
    'capabilities are a fifth minter caveat, after services as Aperture has it',
  ),
  mint('with no capabilities at all', { terms: { capabilities: [] } }, 'an empty list is written, and is not the same as none'),
  mint('another epoch', { token_id: { epoch_start_hours: 472_248 } }, 'another epoch is another key'),
  mint('another epoch length', { token_id: { epoch_length_hours: 48 } }, 'the length of the epoch is a part of the key too'),
  mint('another secret', { secret_hex: 'a5'.repeat(32), token_id: { key_id: 2 } }, 'key id 2'),
  mint('another place', { token_id: { region: 5, shard_bits: 8 } }, 'the place is signed with the rest'),
  mint('all the bitcoin', { terms: { paid_msat: '2100000000000000000', tier: 255 } }, 'the largest amount and tier'),
  mint('a hundred calls', { terms: { access: 'calls:100' }, token_id: { access: 'calls' } }, 'access is a caveat before the end'),
  mint('a pass', { terms: { access: 'pass' }, token_id: { access: 'pass' } }, 'good until its end'),
  mint('a pass with a rate', { terms: { access: 'pass:60' }, token_id: { access: 'pass' } }, 'at most 60 calls a minute'),
  mint(
    'a credit',
    { terms: { access: 'credit:1000000', capabilities: ['read'] }, token_id: { access: 'credit' } },
    'after the capabilities, before the end',
  ),
];

/** The vectors of whole tokens, written by the code. */
export function writeMintedTokens(): Promise<readonly Vector<MintInput, MintExpected>[]> {
  return Promise.all(MINTED.map(async ({ name, input, why }) => ({ name, input, expected: await mintVector(input), why })));
}

async function mintVector(input: MintInput): Promise<MintExpected> {
  const tokenId = tokenIdOf(input.token_id);
  const epochKey = await deriveEpochKey(bytesOf(input.secret_hex), { epoch: tokenId.epoch, hmac });
  const token = await mintToken({ paymentHash: bytesOf(input.payment_hash_hex), id: tokenId, terms: termsOf(input.terms), epochKey, hmac });
  const macaroon = decodeMacaroon(parseBase64(token) ?? new Uint8Array());
  if (!macaroon.ok) throw new Error(macaroon.refusal.code);
  const { identifier, caveats, signature } = macaroon.value;
  return {
    epoch_key_hex: hexOf(epochKey),
    root_key_hex: hexOf(await deriveRootKey(epochKey, { identifier, hmac })),
    identifier_hex: hexOf(identifier),
    caveats: caveats.map((caveat) => String.fromCharCode(...caveat)),
    signature_hex: hexOf(signature),
    token,
  };
}
