/*
 * The 32-byte token id, layout 1. It says which key signed the token, where the payment's claim object lives and how many
 * caveats are the minter's, so a token is judged by the terms of its sale and never by the current configuration. Frozen: any
 * change needs a new layout. Pure; docs/token-format.md has the table.
 *
 *   0      layout (1)                7      region of the claim object
 *   1      key id                    8      shard bits (0 to 16)
 *   2–4    epoch start, in hours     9      access kind
 *   5–6    epoch length, in hours    10     number of minter caveats
 *                                    11–31  random
 */
import { concatBytes } from './bytes.ts';
import { type CredentialRefusal, type CredentialRefusalCode } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

/** A period with its own signing key. Both numbers are in the token: changing the length does not affect sold tokens. */
export interface Epoch {
  readonly startHours: number;
  readonly lengthHours: number;
}

/** What one payment buys. New kinds get the next numbers; an unknown number is refused. */
export const ACCESS_KINDS = ['call', 'calls', 'pass', 'credit'] as const;
export type AccessKind = (typeof ACCESS_KINDS)[number];

export interface TokenId {
  readonly keyId: number;
  readonly epoch: Epoch;
  readonly region: number;
  readonly shardBits: number;
  readonly access: AccessKind;
  readonly minterCaveats: number;
  readonly random: Uint8Array;
}

export const TOKEN_ID_BYTES = 32;
export const TOKEN_ID_RANDOM_BYTES = 21;
export const MOST_SHARD_BITS = 16;
/** A leap year: no longer epoch is made here. */
export const LONGEST_EPOCH_HOURS = 8784;
export const MOST_REGIONS = 32;

const LAYOUT = 1;

/** Encodes a token id as 32 bytes. */
export function encodeTokenId(id: TokenId): Uint8Array {
  if (id.random.length !== TOKEN_ID_RANDOM_BYTES) throw new RangeError(`random: ${TOKEN_ID_RANDOM_BYTES} bytes`);
  const { startHours, lengthHours } = id.epoch;
  // Never write what the decoder refuses: the payer would hold a token that nothing accepts.
  if (lengthHours === 0) throw new RangeError('epoch.lengthHours: at least 1');
  const head = [
    LAYOUT,
    inRange('keyId', id.keyId, 0xff),
    inRange('epoch.startHours', startHours, 0xffffff) >> 16,
    (startHours >> 8) & 0xff,
    startHours & 0xff,
    inRange('epoch.lengthHours', lengthHours, LONGEST_EPOCH_HOURS) >> 8,
    lengthHours & 0xff,
    inRange('region', id.region, MOST_REGIONS - 1),
    inRange('shardBits', id.shardBits, MOST_SHARD_BITS),
    inRange('access', ACCESS_KINDS.indexOf(id.access), ACCESS_KINDS.length - 1),
    inRange('minterCaveats', id.minterCaveats, 0xff),
  ];
  return concatBytes(Uint8Array.from(head), id.random);
}

function inRange(name: string, value: number, largest: number): number {
  if (!Number.isInteger(value) || value < 0 || value > largest) throw new RangeError(`${name}: an integer from 0 to ${largest}`);
  return value;
}

/** Decodes a token id; refuses everything that this version does not know. */
export function decodeTokenId(bytes: Uint8Array): Result<TokenId, CredentialRefusal> {
  if (bytes.length !== TOKEN_ID_BYTES) return no('identifier_malformed', 'the token id has not 32 bytes');
  const [layout, keyId, e2, e1, e0, l1, l0, region, shardBits, kind, minterCaveats] = bytes as unknown as readonly number[];
  if (layout !== LAYOUT) return no('token_layout_unknown', 'the token id is of an unknown layout');
  const access = ACCESS_KINDS[kind!];
  if (access === undefined) return no('token_layout_unknown', 'the token id names an unknown kind of access');
  if (shardBits! > MOST_SHARD_BITS || region! >= MOST_REGIONS) {
    return no('token_layout_unknown', 'the token id names an unknown place');
  }
  const epoch = { startHours: (e2! << 16) | (e1! << 8) | e0!, lengthHours: (l1! << 8) | l0! };
  if (epoch.lengthHours === 0 || epoch.lengthHours > LONGEST_EPOCH_HOURS) {
    return no('token_epoch_out_of_range', 'the epoch has an impossible length');
  }
  return accept({
    keyId: keyId!,
    epoch,
    region: region!,
    shardBits: shardBits!,
    access,
    minterCaveats: minterCaveats!,
    random: bytes.slice(11),
  });
}

/** Returns the epoch that contains an instant. */
export function epochAt(nowSeconds: number, lengthHours: number): Epoch {
  const hours = Math.floor(nowSeconds / 3600);
  return { startHours: hours - (hours % lengthHours), lengthHours };
}

/**
 * Returns the name of a payment's claim object: layout, region, and the first shard bits of the payment hash. Two tokens with
 * the same payment hash share an object as long as their region and shard bits are equal, whatever else differs.
 */
export function formatClaimObjectName(id: Pick<TokenId, 'region' | 'shardBits'>, paymentHash: Uint8Array): string {
  const first = (paymentHash[0]! << 8) | paymentHash[1]!;
  const shard = first >> (MOST_SHARD_BITS - id.shardBits);
  return `${LAYOUT}/${id.region}/${id.shardBits}/${shard.toString(16)}`;
}

/** Returns the region in the name of a claim object. */
export function regionOfClaimObject(objectName: string): number {
  return Number(objectName.split('/')[1]);
}

function no(code: CredentialRefusalCode, detail: string): Result<never, CredentialRefusal> {
  return refuse({ code, detail });
}
