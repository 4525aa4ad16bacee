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
  it.each(['grpc-metadata-macaroon', 'macaroon', 'grpc-metadata-token', 'token'])(
    'M27: is read from %s, and never handed on',
    async (name) => {
      const { status, seen } = await sendWith({ [name]: await makeMetadata() });
      expect([status, seen[name]]).toEqual([200, undefined]);
    },
  );

  it.each(['authorization', 'l402-authorization'])('M27: is not handed on where another in %s is the one that pays', async (field) => {
    const { authorization } = await makeToken({ service: 'call' });
    const fields = { 'grpc-metadata-macaroon': await makeMetadata(), macaroon: await makeMetadata() };
    const { status, seen } = await sendWith({ [field]: authorization, ...fields });
    expect([status, seen['grpc-metadata-macaroon'], seen['macaroon']]).toEqual([200, undefined, undefined]);
  });

  it.each(['Grpc_Metadata_Macaroon', 'grpc.metadata.token', 'Token', 'Macaroon'])(
    'M27: is not handed on under the name %s',
    async (name) => {
      const { authorization } = await makeToken({ service: 'call' });
      const metadata = await makeMetadata();
      for (const value of [metadata, `a, ${metadata}`, `a,b,c,d,e, ${metadata}`, authorization, authorization.slice('L402 '.length)]) {
        const { seen } = await sendWith({ authorization, [name]: value });
        expect(Object.values(seen).join('\n')).not.toMatch(/Ag[EI]|020[12]/);
      }
    },
  );

  it('M27: that has no preimage is none: what an origin has under the name is its own', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const { seen } = await sendWith({ authorization, macaroon: 'of the origin' });
    expect(seen['macaroon']).toBe('of the origin');
    // What a node of its own takes has the same form.
    const parsed = parseToken((await makeToken({ service: 'call' })).token);
    if (!parsed.ok) throw new Error(parsed.refusal.code);
    const macaroon = formatHex(encodeMacaroon(parsed.value));
    expect(
      (await sendWith({ authorization: (await makeToken({ service: 'call' })).authorization, 'grpc-metadata-macaroon': macaroon })).seen,
    ).toMatchObject({
      'grpc-metadata-macaroon': macaroon,
    });
  });
});

describe('a credential in `Authorization`', () => {
  it.each([
    ['a colon for the blank', (credential: string) => `L402:${credential}`],
    ['an equals sign for the blank', (credential: string) => `l402=${credential}`],
    ['the old name and a colon', (credential: string) => `LSAT: ${credential}`],
  ])('M27: is read with %s, and never handed on', async (_, write) => {
    const { authorization } = await makeToken({ service: 'call' });
    const { status, seen } = await sendWith({ authorization: write(authorization.slice('L402 '.length)) });
    expect([status, seen['authorization']]).toEqual([200, undefined]);
  });

  it.each([['Bearer %'], ['Token %'], ['Macaroon %'], ['Foo a="%"'], ['%'], ['Bearer a, %'], ['Token token="%", b=c'], ['L402x %']])(
    'M27: is not handed on in a form that is not read: %s',
    async (form) => {
      for (const credential of [(await makeToken({ service: 'call' })).authorization.slice('L402 '.length), await makeMetadata()]) {
        const { authorization } = await makeToken({ service: 'call' });
        const { status, seen } = await sendWith({ 'l402-authorization': authorization, authorization: form.replace('%', credential) });
        expect(status).toBe(200);
        expect(seen['authorization'] ?? '').not.toMatch(/Ag[EI]|020[12]/);
      }
    },
  );

  it('M27: takes nothing with it of what an origin has there', async () => {
    for (const own of [
      'Bearer AgEhHSDghjk',
      'Basic dXNlcjpwYXNz',
      `AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=host, Signature=${'ab'.repeat(32)}`,
    ]) {
      const { authorization } = await makeToken({ service: 'call' });
      const { status, seen } = await sendWith({ 'l402-authorization': authorization, authorization: own });
      expect([status, seen['authorization']]).toEqual([200, own]);
    }
  });
});
