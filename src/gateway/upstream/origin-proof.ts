/*
 * Proof for the origin that a request came through this gateway, lately, and is the one that was let through: an HMAC with
 * a key of its own over method, host, path and query, claim and time. docs/origins.md shows how to check it.
 */
import { formatHex } from '#protocol/bytes.ts';
import { type Clock, type Hmac } from '../../ports.ts';

export interface ProvenRequest {
  readonly method: string;
  /** What X-Forwarded-Host says. */
  readonly host: string;
  /** Path and query as the origin gets them. */
  readonly target: string;
  /** What X-L402-Claim says; empty for a free request. */
  readonly claimId: string;
}

/** The value of X-L402-Signature. */
export type OriginProof = (request: ProvenRequest) => Promise<string>;

/** Signs with a key that the origin knows by its id. */
export function createOriginProof({
  keyId,
  secret,
  hmac,
  clock,
}: {
  keyId: string;
  secret: Uint8Array;
  hmac: Hmac;
  clock: Clock;
}): OriginProof {
  return async ({ method, host, target, claimId }) => {
    const time = Math.floor(clock() / 1000);
    // No part can hold a line feed, so no two requests have the same text.
    const text = ['l402-edge v1', time, method, host, target, claimId].join('\n');
    return `t=${time},k=${keyId},v1=${formatHex(await hmac(secret, new TextEncoder().encode(text)))}`;
  };
}
