/*
 * The coins of the test chain: blocks pay a key of our own, so that btcd need not be restarted with an address of a wallet
 * that does not exist yet (its regtest forgets the chain). One legacy transaction hands a coin on. No effects.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { ripemd160 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bech32, createBase58check } from '@scure/base';
import { concatBytes, formatHex, parseHex } from '#protocol/bytes.ts';

const SECRET_KEY = sha256(new TextEncoder().encode('miner of the test chain'));
const PUBLIC_KEY = secp256k1.getPublicKey(SECRET_KEY, true);
const PUBLIC_KEY_HASH = ripemd160(sha256(PUBLIC_KEY));
/** `m` and `n` addresses: testnet's and regtest's. */
const ADDRESS_VERSION = 0x6f;
const SIGHASH_ALL = 1;

/** Where btcd's blocks pay. */
export const MINER_ADDRESS = createBase58check(sha256).encode(Uint8Array.of(ADDRESS_VERSION, ...PUBLIC_KEY_HASH));

const MINER_SCRIPT = Uint8Array.of(0x76, 0xa9, 0x14, ...PUBLIC_KEY_HASH, 0x88, 0xac);

/** Spends the first output of one of our coinbases whole; what the amount leaves over is the fee. */
export function spendCoinbase({ txidHex, toAddress, amountSats }: { txidHex: string; toAddress: string; amountSats: bigint }): string {
  const write = (script: Uint8Array): Uint8Array =>
    concatBytes(
      little(1n, 4),
      Uint8Array.of(1),
      parseHex(txidHex)!.toReversed(),
      little(0n, 4),
      withLength(script),
      little(0xffff_fffen, 4),
      Uint8Array.of(1),
      little(amountSats, 8),
      withLength(witnessScript(toAddress)),
      little(0n, 4),
    );
  const digest = sha256(sha256(concatBytes(write(MINER_SCRIPT), little(BigInt(SIGHASH_ALL), 4))));
  const signature = secp256k1.sign(digest, SECRET_KEY, { prehash: false, format: 'der', lowS: true });
  const script = concatBytes(withLength(Uint8Array.of(...signature, SIGHASH_ALL)), withLength(PUBLIC_KEY));
  return formatHex(write(script));
}

/** The output script of a version 0 witness address. */
function witnessScript(address: string): Uint8Array {
  const [version, ...words] = bech32.decode(address as `${string}1${string}`).words;
  if (version !== 0) throw new RangeError('address: version 0 only');
  return Uint8Array.of(0, ...withLength(bech32.fromWords(words)));
}

/** Lengths here fit one byte. */
function withLength(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(bytes.length, ...bytes);
}

function little(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}
