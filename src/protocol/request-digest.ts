/*
 * The digest of one request, to which a holder can narrow a token (M9): method, host, canonical path, query and body. It is
 * SHA-256 over lines of text, so `sha256sum` can compute it too. The body enters as its own SHA-256, which platforms compute
 * natively. Pure.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { formatHex } from './bytes.ts';
import { type Caveat } from './caveat.ts';

export interface RequestToDigest {
  readonly method: string;
  /** Lower case, without port and trailing dot. */
  readonly host: string;
  /** In its canonical form. */
  readonly path: string;
  /** As sent, with its question mark; empty if there is none. */
  readonly query: string;
  /** SHA-256 of the body; `NO_BODY_HASH` if there is none. */
  readonly bodyHash: Uint8Array;
}

const PURPOSE = 'l402-edge request v1';

/** SHA-256 of empty input: a missing body and an empty body are the same. */
export const NO_BODY_HASH = sha256(new Uint8Array());

/** Returns the digest as written in a `request` caveat: 64 hex digits in lower case. */
export function digestRequest({ method, host, path, query, bodyHash }: RequestToDigest): string {
  if (bodyHash.length !== 32) throw new RangeError('bodyHash: 32 bytes');
  const lines = [PURPOSE, method, host, path, query, formatHex(bodyHash)];
  if (lines.some((line) => line.includes('\n'))) throw new RangeError('method, host, path, query: one line each');
  return formatHex(sha256(utf8ToBytes(`${lines.join('\n')}\n`)));
}

/** Whether these caveats can only be judged with the request's digest, so that any body has to be read first. */
export function needsRequestDigest(caveats: readonly Caveat[]): boolean {
  return caveats.some(({ condition }) => condition === 'request');
}
