/*
 * The 32-byte token id, layout 1. It says which key signed the token, where the payment's claim object lives and
 * how many caveats are the minter's, so that a token is judged by what it was sold as and never by today's
 * configuration. Frozen: a change is another layout. No effects; docs/token-format.md has the table.
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

/** A stretch of time with a signing key of its own. Both numbers are in the token: changing the length touches no sold token. */
export interface Epoch {
  readonly startHours: number;
  readonly lengthHours: number;
}

/** What one payment buys. Later kinds get the next numbers; a number that is not known here is refused. */
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
/** A leap year: an epoch that is longer than this was not made here. */
export const LONGEST_EPOCH_HOURS = 8784;
export const MOST_REGIONS = 32;

const LAYOUT = 1;

/** The 32 bytes of a token id. */
export function encodeTokenId(id: TokenId): Uint8Array {
  if (id.random.length !== TOKEN_ID_RANDOM_BYTES) throw new RangeError(`random: ${TOKEN_ID_RANDOM_BYTES} bytes`);
  const { startHours, lengthHours } = id.epoch;
  // What the reader below refuses must not be written: the payer would hold a token that nothing accepts.
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

/** Reads a token id; whatever this version does not know is refused. */
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

/** The epoch in which an instant lies. */
export function epochAt(nowSeconds: number, lengthHours: number): Epoch {
  const hours = Math.floor(nowSeconds / 3600);
  return { startHours: hours - (hours % lengthHours), lengthHours };
}

/**
 * The claim object of a payment: layout, region, and the first shard bits of the payment hash. Two tokens over one
 * payment hash, whatever else differs between them, meet in the same object as long as their place is the same.
 */
export function formatClaimObjectName(id: Pick<TokenId, 'region' | 'shardBits'>, paymentHash: Uint8Array): string {
  const first = (paymentHash[0]! << 8) | paymentHash[1]!;
  const shard = first >> (MOST_SHARD_BITS - id.shardBits);
  return `${LAYOUT}/${id.region}/${id.shardBits}/${shard.toString(16)}`;
}

/** The region in the name of a claim object. */
export function regionOfClaimObject(objectName: string): number {
  return Number(objectName.split('/')[1]);
}

function no(code: CredentialRefusalCode, detail: string): Result<never, CredentialRefusal> {
  return refuse({ code, detail });
}
