/*
 * The digest of a request: every part of it counts, and no part can be moved into another. M9.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCaveat } from '#protocol/caveat.ts';
import { digestRequest, needsRequestDigest, NO_BODY_HASH, type RequestToDigest } from '#protocol/request-digest.ts';
import requestJson from '../vectors/requests.json' with { type: 'json' };
import { bytes32, latin1 } from './arbitraries.ts';
import { bytesOf, hexOf, readVectors } from './vector.ts';

interface RequestInput {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
  readonly body_hex: string;
}

const REQUESTS = readVectors<RequestInput, { readonly body_hash_hex: string; readonly digest_hex: string }>(requestJson);

describe('M9 the digest of a request', () => {
  it.each(REQUESTS)('$name: $why', ({ input, expected }) => {
    const { method, host, path, query, body_hex: bodyHex } = input;
    const bodyHash = sha256(bytesOf(bodyHex));
    expect(hexOf(bodyHash)).toBe(expected.body_hash_hex);
    expect(digestRequest({ method, host, path, query, bodyHash })).toBe(expected.digest_hex);
    if (bodyHex === '') expect(bodyHash).toEqual(NO_BODY_HASH);
  });

  it('M9 differs when any of method, host, path, query and body differs', () => {
    const line = fc.stringMatching(/^[!-~]{0,4}$/);
    const request: fc.Arbitrary<RequestToDigest> = fc.record({ method: line, host: line, path: line, query: line, bodyHash: bytes32 });
    const show = ({ method, host, path, query, bodyHash }: RequestToDigest) => JSON.stringify([method, host, path, query, hexOf(bodyHash)]);
    fc.assert(
      fc.property(request, request, fc.constantFrom('method', 'host', 'path', 'query', 'bodyHash'), (one, other, part) => {
        const changed = { ...one, [part]: other[part] };
        expect(digestRequest(changed) === digestRequest(one)).toBe(show(changed) === show(one));
        expect(digestRequest(other) === digestRequest(one)).toBe(show(other) === show(one));
      }),
      { numRuns: 500 },
    );
  });

  it('throws at two lines in one part, and at a hash that is none', () => {
    const request = { method: 'GET', host: 'a', path: '/', query: '', bodyHash: NO_BODY_HASH };
    expect(() => digestRequest({ ...request, method: 'GET\na' })).toThrow(RangeError);
    expect(() => digestRequest({ ...request, query: '?\n' })).toThrow(RangeError);
    expect(() => digestRequest({ ...request, bodyHash: new Uint8Array(31) })).toThrow(RangeError);
  });

  it('M9 whether it is needed is known from the caveats alone', () => {
    const needs = (...texts: readonly string[]) => needsRequestDigest(texts.map((text) => decodeCaveat(latin1(text), 'holder')));
    expect(needs()).toBe(false);
    expect(needs('services=a:0', 'path=/request', 'requests=1', 'Request=1')).toBe(false);
    expect(needs('services=a:0', `request=${'00'.repeat(32)}`)).toBe(true);
    // Malformed, it is refused when it is judged; that it has to be judged is what counts here.
    expect(needs('request=')).toBe(true);
  });
});
