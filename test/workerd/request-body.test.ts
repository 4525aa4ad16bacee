/*
 * The body that a token is narrowed to, on a route that takes no large ones: read before the claim, it is held to the route's
 * limit as any other.
 */
import { describe, expect, it } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { digestRequest } from '#client/request-digest.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { makeToken } from '#support/tokens.ts';
import { codeOf, openGateway } from './front-door.ts';

const door = openGateway({ routes: [{ match: 'POST /small', service: 'small', priceSats: 1, maxBodyBytes: 16 }] });

/** Sends a body of unknown length with a token that is narrowed to it. */
async function send(length: number) {
  const body = 'a'.repeat(length);
  const { token, preimage } = await makeToken({ service: 'small' });
  const digest = await digestRequest({ url: 'http://gateway.test/small', method: 'POST', body });
  const authorization = formatCredential({ scheme: 'L402', token: await attenuate(token, { requestDigest: digest }), preimage });
  const streamed = new Response(body).body!.pipeThrough(new TransformStream());
  const answer = await door.ask('/small', { method: 'POST', body: streamed, headers: { authorization } });
  return [answer.status, await codeOf(answer), answer.headers.has('www-authenticate')];
}

describe('a body that a token is narrowed to', () => {
  it('M9 M17: is no larger than its route takes, whatever its token says', async () => {
    expect(await send(17)).toEqual([413, 'body_too_large', false]);
    expect(door.seen).toEqual([]);
    expect(await send(16)).toEqual([200, undefined, false]);
  });
});
