/*
 * Credentials in the style of gRPC, a macaroon in hex with its preimage in a caveat: good in either of two fields, and never
 * handed on, whatever stands beside them (M27).
 */
import { describe, expect, it } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { formatHex } from '#protocol/bytes.ts';
import { encodeMacaroon, parseToken } from '#protocol/macaroon-codec.ts';
import { makeToken } from '#support/tokens.ts';
import { openGateway } from './front-door.ts';

const gateway = { routes: [{ match: 'GET /call/*', service: 'call', priceSats: 1 }] };

/** What the origin gets to see of a call with these fields. */
async function sendWith(headers: Readonly<Record<string, string>>) {
  const seen: Headers[] = [];
  const origin = (request: Request) => {
    seen.push(request.headers);
    return Promise.resolve(new Response('origin'));
  };
  const { status } = await openGateway(gateway, { parts: { origin } }).ask('/call/x', { headers });
  return { status, seen: Object.fromEntries(seen[0] ?? []) };
}

/** A paid token as a gRPC client sends it in its metadata. */
async function makeMetadata(): Promise<string> {
  const { token, preimage } = await makeToken({ service: 'call' });
  const parsed = parseToken(await attenuate(token, [`preimage=${formatHex(preimage)}`]));
  if (!parsed.ok) throw new Error(parsed.refusal.code);
  return formatHex(encodeMacaroon(parsed.value));
}

describe('a credential in the style of gRPC', () => {
  it.each(['grpc-metadata-macaroon', 'macaroon'])('M27: is read from %s, and never handed on', async (name) => {
    const { status, seen } = await sendWith({ [name]: await makeMetadata() });
    expect([status, seen[name]]).toEqual([200, undefined]);
  });

  it.each(['authorization', 'l402-authorization'])('M27: is not handed on where another in %s is the one that pays', async (field) => {
    const { authorization } = await makeToken({ service: 'call' });
    const fields = { 'grpc-metadata-macaroon': await makeMetadata(), macaroon: await makeMetadata() };
    const { status, seen } = await sendWith({ [field]: authorization, ...fields });
    expect([status, seen['grpc-metadata-macaroon'], seen['macaroon']]).toEqual([200, undefined, undefined]);
  });

  it('M27: that has no preimage is none: what an origin has under the name is its own', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const { seen } = await sendWith({ authorization, macaroon: 'of the origin' });
    expect(seen['macaroon']).toBe('of the origin');
  });
});
