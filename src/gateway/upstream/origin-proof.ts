/*
 * Proof for the origin that a request came through this gateway, recently and unchanged: an HMAC with a separate key over
 * method, host, path and query, claim and time. docs/origins.md shows how to check it. Effects: the given clock and HMAC.
 */
import { formatHex } from '#protocol/bytes.ts';
import { type Clock, type Hmac } from '../../ports.ts';

export interface ProvenRequest {
  readonly method: string;
  /** The value of X-Forwarded-Host. */
  readonly host: string;
  /** Path and query as the origin gets them. */
  readonly target: string;
  /** The value of X-L402-Claim; empty for a free request. */
  readonly claimId: string;
}

/** Returns the value of X-L402-Signature. */
export type OriginProof = (request: ProvenRequest) => Promise<string>;

/** Creates a proof with a key that the origin knows by its id. */
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
    // No part can contain a line feed, so no two requests have the same text.
    const text = ['l402-edge v1', time, method, host, target, claimId].join('\n');
    return `t=${time},k=${keyId},v1=${formatHex(await hmac(secret, new TextEncoder().encode(text)))}`;
  };
}
